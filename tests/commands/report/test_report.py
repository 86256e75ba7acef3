"""Which stored results are meant, and that of many only the newest are read whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from make.gate import make_candidate, make_rounds
from make.machines import models_called, put_fleet
from make.records import make_end

from harness.commands.report.report import MOST_CASES, ReportRequest, ReportResult, report
from harness.errors import ResultsInvalid, UsageError
from harness.records.store import write_whole
from harness.schema.settings import setting_text

EXAMPLES = Path(__file__).resolve().parents[3] / "results" / "examples"
FILE = str(EXAMPLES / "20261128T202905Z-aa07c68e9167-c2b1dd83.jsonl")


def ids(result: ReportResult) -> list[str]:
    return [it.experiment.id for it in result.measured]


@pytest.mark.parametrize(
    ("selectors", "chosen"),
    [
        ((), ["51521cf2", "2ea71a30", "c2b1dd83"]),
        (("latest",), ["51521cf2"]),
        (("tiny-random",), ["c2b1dd83"]),
        (("type_k=q8_0", "c2b1"), ["2ea71a30", "c2b1dd83"]),
        (("smollm2-135m:Q4_1,experiment=2ea7",), ["2ea71a30"]),
        ((FILE,), ["c2b1dd83"]),
        ((str(EXAMPLES), "latest"), ["51521cf2", "2ea71a30", "c2b1dd83"]),
    ],
)
def test_selectors_choose_and_what_is_named_twice_is_shown_once(
    selectors: tuple[str, ...], chosen: list[str]
) -> None:
    assert ids(report(ReportRequest(selectors, EXAMPLES))) == chosen


def test_only_the_configurations_that_are_meant_are_shown() -> None:
    result = report(ReportRequest(("type_k=q8_0",), EXAMPLES))
    assert [setting_text(group.settings, "type_k") for group in result.groups] == ["q8_0"]
    assert result.n_cases == 2


def test_a_copy_of_an_experiment_is_shown_once(tmp_path: Path) -> None:
    shutil.copy(FILE, tmp_path / "copy.jsonl")
    assert ids(report(ReportRequest((str(tmp_path), FILE), EXAMPLES))) == ["c2b1dd83"]


@pytest.mark.parametrize("selector", ["gpt-9", "latest,gpt-9", "nothing.jsonl"])
def test_a_selector_without_match_is_told_with_what_there_is(selector: str) -> None:
    with pytest.raises(ResultsInvalid, match="There: "):
        report(ReportRequest((selector,), EXAMPLES))
    with pytest.raises(UsageError):
        report(ReportRequest(("colour=red",), EXAMPLES))


def test_what_there_is_no_room_for_is_not_read(tmp_path: Path) -> None:
    for day in range(1, 24):
        made = make_candidate(f"e{day:02}", day=day, models=models_called("a:Q4_0", "b:Q4_0"))
        path = write_whole(tmp_path, made, make_rounds(made, n_runs=1), make_end(1))
        if day == 1:  # damaged where only who reads all of it would see it
            lines = path.read_bytes().splitlines(keepends=True)
            path.write_bytes(b"".join([lines[0], b"{}\n", *lines[1:]]))
    result = report(ReportRequest((), tmp_path))
    assert result.n_cases == MOST_CASES
    assert (result.n_cases_left, result.n_experiments_left) == (12, 3)
    assert result.problems == ()
    assert report(ReportRequest(("latest", "e01"), tmp_path)).problems != ()


def test_machines_stand_side_by_side_with_those_for_whose_cases_there_is_no_room(
    tmp_path: Path,
) -> None:
    models = models_called(*(f"m{at}:Q4_0" for at in range(6)))
    put_fleet(tmp_path, {f"chip{at}": -0.05 * at for at in range(9)}, models=models)
    result = report(ReportRequest((), tmp_path))
    assert result.n_cases_left > 0
    assert result.machines
    assert len(result.machines.machines) == 9
    assert {len(it.rows) for it in result.machines.standings} == {9}


def test_of_one_machine_nothing_stands_side_by_side(tmp_path: Path) -> None:
    put_fleet(tmp_path, {"alone": 0.0})
    assert report(ReportRequest((), tmp_path)).machines is None
