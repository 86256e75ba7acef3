"""Machines side by side, as lines of a width."""

from __future__ import annotations

import pytest
from make.machines import put_fleet

from harness.commands.compare.across import AcrossRequest, AcrossResult, compare_machines
from harness.commands.compare.across_page import across_page, pictures, title
from harness.report import plain
from harness.report.picture import Picture


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
