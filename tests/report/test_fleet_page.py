"""Several machines in a report."""

from __future__ import annotations

from pathlib import Path

import pytest
from make.machines import models_called, put_fleet

from harness.commands.compare.across import AcrossRequest, compare_machines
from harness.report import plain
from harness.report.fleet_page import fleet_page
from harness.report.page import Page, Table
from harness.report.picture import Picture


def page_of(folder: Path, rates: dict[str, float], **changes: object) -> Page:
    put_fleet(folder, rates, **changes)
    request = AcrossRequest((), folder, 0.02, None, (), None)
    return fleet_page(compare_machines(request).found)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Page:
    models = models_called("a:Q4_0", "b:Q4_0")
    rates = {"slow": 0.0, "middle": -0.4, "fast": -0.75}
    return page_of(tmp_path_factory.mktemp("few"), rates, models=models)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Page:
    rates = {f"m{at:02}": 0.01 * (at % 5) for at in range(14)} | {"odd": 1.0}
    return page_of(tmp_path_factory.mktemp("many"), rates, workloads=("tg128",))


def pictures_in(page: Page) -> dict[str, Picture]:
    return {part.name: part for part in page if isinstance(part, Picture)}


def tables_in(page: Page) -> dict[str, Table]:
    return {part.title: part for part in page if isinstance(part, Table)}


def test_a_board_says_which_machine_for_which_model(few: Page) -> None:
    board = pictures_in(few)["machines-board"]
    assert {mark.y for mark in board.marks} == {"a:Q4_0", "b:Q4_0"}
    words = {(mark.x, mark.series) for mark in board.marks}
    assert words == {
        ("3 Fast Chip", "fastest"),
        ("2 Middle Chip", "slower"),
        ("1 Slow Chip", "slower"),
    }


def test_what_is_not_told_from_the_fastest_is_marked_without_colour(tmp_path: Path) -> None:
    page = page_of(tmp_path, {"one": 0.0, "two": 0.004, "three": 1.0}, workloads=("tg128",))
    board = pictures_in(page)["machines-board"]
    marks = {mark.series: mark.name for mark in board.marks}
    assert marks["fastest"].endswith("fastest")
    assert marks["perhaps as fast"].endswith("≈")
    assert "≈ not told from the fastest" in board.title


def test_a_few_machines_have_a_picture_a_workload_and_a_row_a_figure(few: Page) -> None:
    assert set(pictures_in(few)) == {"machines-board", "machines-1", "machines-2"}
    table = tables_in(few)["Machines side by side"]
    machines = [row[[it.header for it in table.columns].index("machine")] for row in table.rows]
    assert set(machines) == {"1 Slow Chip", "2 Middle Chip", "3 Fast Chip"}


def test_of_many_machines_kinds_are_shown_and_the_table_is_trimmed(many: Page) -> None:
    tables = tables_in(many)
    assert "Machines by kind" in tables
    text = plain.render(many, 200)
    assert "… 3 more" in text
    assert "--all" in text
    assert "15 machines" in text
    assert [name for name in pictures_in(many) if name.startswith("kinds")] == ["kinds-1"]


@pytest.mark.slow
def test_figures_far_from_those_of_their_kind_are_named(tmp_path: Path) -> None:
    # Of one make, so of one kind: told apart by their ids.
    from make import machines

    rates = {f"m{at:02}": 0.01 * (at % 5) for at in range(14)} | {"odd": 1.0}
    with pytest.MonkeyPatch.context() as patch:
        made = machines.machine_called
        patch.setattr(
            machines,
            "machine_called",
            lambda name, _n_cores=2: made("chip", 2).model_copy(update={"id": name}),
        )
        page = page_of(tmp_path, rates, workloads=("tg128",))
    odd = tables_in(page)["Far from their kind: 1 machine"]
    assert [row[0] for row in odd.rows] == ["15 Chip Chip · odd"]
