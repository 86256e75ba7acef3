"""Machines side by side, as lines of a width."""

from __future__ import annotations

from pathlib import Path

import pytest
from make.gate import put
from make.machines import experiment_on, put_fleet

from harness.analysis.measured import Measured
from harness.analysis.standings import Entry, entries_of
from harness.commands.compare.across import AcrossRequest, AcrossResult, compare_machines
from harness.commands.compare.across_page import across_page, pictures, title, warnings_page
from harness.report import plain, side_by_side
from harness.report.picture import Picture
from harness.schema.fleet import FleetPart


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> AcrossResult:
    folder = tmp_path_factory.mktemp("fleet")
    put_fleet(folder)
    return compare_machines(AcrossRequest((), folder, 0.02, None, (), None))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_it_fits_its_lines_and_loses_no_machine(fleet: AcrossResult, width: int) -> None:
    lines = plain.render(across_page(fleet, is_wide=False, is_whole=False), width).splitlines()
    assert max(map(len, lines)) <= width
    rows = [line for line in lines if "faster" in line.split()]
    assert {row.split()[0] for row in rows} >= {"2", "3"}


def test_where_there_is_room_both_intervals_stand_beside_their_figures(
    fleet: AcrossResult,
) -> None:
    text = plain.render(across_page(fleet, is_wide=False, is_whole=False), 120)
    assert "95 % interval" in text
    assert "99 % interval" in text


def test_pictures_hold_every_machine_of_a_workload(fleet: AcrossResult) -> None:
    found = pictures(fleet)
    assert [it.name for it in found if isinstance(it, Picture)] == ["machines-1", "machines-2"]
    for it in found:
        assert isinstance(it, Picture)
        assert {mark.y for mark in it.marks} == {"1 Slow Chip", "2 Middle Chip", "3 Fast Chip"}
        assert all(mark.low and mark.high for mark in it.marks)


def test_a_title_says_of_how_many_machines_it_is(fleet: AcrossResult) -> None:
    assert title(fleet) == "smollm2-135m:Q4_1 on 3 machines"


def test_values_that_nobody_can_have_measured_are_told_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_fleet(tmp_path)

    def or_too_large(machine: int, measured: Measured, **given: bool) -> list[Entry]:
        if machine == 1:
            raise OverflowError("too large")
        return entries_of(machine, measured, **given)

    monkeypatch.setattr(side_by_side, "entries_of", or_too_large)
    result = compare_machines(AcrossRequest((), tmp_path, 0.02, None, (), None))
    assert {row.entry.machine for it in result.found.standings for row in it.rows} == {0, 2}
    told = " ".join(plain.render(warnings_page(result)).split())
    assert "middle: e-middle holds values that nobody can have measured (too large)" in told


def test_machines_of_a_fleet_are_called_by_their_hosts(tmp_path: Path) -> None:
    for day, host in enumerate(("laptop", "studio"), start=1):
        made = experiment_on("alike", 2, identity=f"e-{host}", day=day)
        put(tmp_path, made.model_copy(update={"fleet": FleetPart(id="f", host=host)}))
    found = compare_machines(AcrossRequest((), tmp_path, 0.02, None, (), "studio"))
    text = plain.render(across_page(found, is_wide=False, is_whole=False))
    assert "laptop  Alike Chip, 2 cores, 23.4 GiB" in text
    rows = [line.split() for line in text.splitlines() if line.startswith("  studio")]
    assert {row[-1] for row in rows} == {"baseline"}
    chosen = compare_machines(
        AcrossRequest(("machine=laptop", "machine=studio"), tmp_path, 0.02, None, (), None)
    )
    assert [it.host for it in chosen.found.machines] == ["laptop", "studio"]
