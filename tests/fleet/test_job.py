from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from make.records import make_experiment, make_run

from harness import __version__
from harness.errors import HarnessError
from harness.files import FetchProgress, Whole
from harness.fleet import job
from harness.fleet.job import (
    Cell,
    Measure,
    Measured,
    Prepare,
    progress_text,
    read_answer,
    read_job,
    read_progress,
)
from harness.measure.maker import Task
from harness.schema.configuration import configurations_of
from harness.schema.experiment import Experiment
from harness.schema.fleet import FleetPart

PART = FleetPart(id="0a1b2c3d", host="studio")
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=20),
    lambda inner: (
        some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)


def task(experiment: Experiment, **changes: Any) -> Task:
    usual = {
        "index": 3,
        "round_index": 2,
        "configuration": configurations_of(experiment.plan)[0],
        "workloads": ("tg128",),
        "seed": 7,
        "is_cold": True,
        "left_ns": 10**9,
    }
    return Task(**{**usual, **changes})


def test_a_job_is_read_as_it_was_written() -> None:
    experiment = make_experiment(("tg128",))
    asked = task(experiment)
    sent = Measure(argv=("m",), experiment=experiment, cells=(Cell.of(asked),))
    read = read_job(sent.model_dump_json(by_alias=True))
    assert read == sent
    assert isinstance(read, Measure)
    assert read.cells[0].task(read.experiment.plan) == asked


def test_an_answer_is_read_as_it_was_written() -> None:
    sent = Measured(runs=(make_run(),), taken_ns=(5,), logs=("loaded",))
    assert read_answer(sent.model_dump_json(by_alias=True)) == sent


@given(JSON)
def test_what_is_no_job_is_one_line(value: Any) -> None:
    for text in (json.dumps(value), value):
        with pytest.raises(HarnessError) as caught:
            read_job(text)
        assert "\n" not in str(caught.value)
        with pytest.raises(HarnessError):
            read_answer(text)


@given(some.sampled_from(("job", "argv", "fleet")), JSON)
def test_a_job_with_something_else_in_it_is_none(key: str, value: Any) -> None:
    facts = json.loads(Prepare(argv=("m",), fleet=PART).model_dump_json(by_alias=True))
    if facts[key] == value:
        return
    changed = json.dumps(facts | {key: value})
    try:
        read = read_job(changed)
    except HarnessError:
        return
    assert json.loads(read.model_dump_json(by_alias=True))[key] == value


def test_a_job_of_another_harness_says_so_and_is_read_no_further() -> None:
    text = json.dumps({"job": "prepare", "harness_version": "99", "new": 1})
    with pytest.raises(HarnessError, match=rf"harness 99 and here is {__version__}"):
        read_job(text)


def test_a_text_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "MOST_CHARACTERS", 10)
    with pytest.raises(HarnessError, match="characters"):
        read_job(Prepare(argv=("m",), fleet=PART).model_dump_json())


def test_what_is_fetched_is_told_as_it_is() -> None:
    progress = FetchProgress("m.gguf", "downloading", 5, 10, Whole(2, 5, 20))
    assert read_progress(progress_text(progress)) == progress
    for text in ("{}", 5, progress_text(progress).replace("downloading", "dancing")):
        with pytest.raises(HarnessError, match="no progress"):
            read_progress(text)


def test_a_cell_that_its_plan_does_not_know_is_refused() -> None:
    experiment = make_experiment(("tg128",))
    cell = Cell.of(task(experiment)).model_copy(update={"model": "another"})
    with pytest.raises(HarnessError, match="another"):
        cell.task(experiment.plan)


@pytest.mark.parametrize(
    "change", [{"index": 4}, {"round": 1}, {"model": "another"}, {"seed": 1}, {"workloads": ()}]
)
def test_another_run_than_was_asked_for_is_no_answer(change: dict[str, Any]) -> None:
    run = make_run()
    cell = Cell(
        index=run.index,
        round_index=run.round,
        model=run.model,
        settings=run.settings,
        workloads=run.workloads,
        seed=run.seed,
        is_cold=False,
        left_ns=1,
    )
    assert cell.is_answered_by(run)
    assert not cell.is_answered_by(run.model_copy(update=change))
