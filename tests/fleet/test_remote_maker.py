"""What becomes of answers, on a desk that is only imagined."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from make.records import make_experiment, make_run

from harness.errors import HarnessError
from harness.fleet.cluster import WorkersDied
from harness.fleet.desk import Answered, Desk
from harness.fleet.job import AnyJob, Measure, Measured
from harness.fleet.remote_maker import RemoteMaker
from harness.measure.maker import Task
from harness.records.store import logs_folder
from harness.schema.configuration import configurations_of
from harness.schema.experiment import Run

EXPERIMENT = make_experiment(("tg128",))


class Imagined:
    """A desk that answers with what it has."""

    def __init__(self, *answers: object) -> None:
        self.host = "a"
        self.gave_up: str | None = None
        self.asked: list[Measure] = []
        self._answers = list(answers)

    def ask(self, job: AnyJob) -> Answered:
        assert isinstance(job, Measure)
        self.asked.append(job)
        answer = self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return Answered(cast(Any, answer), 0)


def task(index: int = 0) -> Task:
    (configuration,) = configurations_of(EXPERIMENT.plan)
    return Task(index, 0, configuration, ("tg128",), 7, is_cold=False, left_ns=5)


def run(**changes: Any) -> Run:
    (configuration,) = configurations_of(EXPERIMENT.plan)
    facts = {
        "model": configuration.model.key,
        "settings": configuration.settings,
        "workloads": ("tg128",),
        "index": 0,
        "round": 0,
        "seed": 7,
    }
    return make_run(workloads=("tg128",)).model_copy(update=facts | changes)


def maker(desk: Imagined, record: Path) -> RemoteMaker:
    return RemoteMaker(cast(Desk, desk), ("m",), EXPERIMENT, record, lambda _: None)


def test_a_run_comes_back_with_what_it_took_and_its_log(tmp_path: Path) -> None:
    desk = Imagined(Measured(runs=(run(),), taken_ns=(9,), logs=("loaded\n",)))
    record = tmp_path / "record.jsonl"
    made = maker(desk, record).alone(task())
    assert (made.run, made.taken_ns) == (run(), 9)
    assert (logs_folder(record) / "run-001.log").read_text() == "loaded\n"
    assert desk.asked[0].turns is None


def test_runs_in_turns_are_one_job_with_a_seed_of_its_own(tmp_path: Path) -> None:
    answer = Measured(runs=(run(), run(index=1)), taken_ns=(1, 1), logs=("", ""))
    desk = Imagined(answer)
    tasks = [task(), task(1)]
    found = maker(desk, tmp_path / "r.jsonl").in_turns(tasks, ["tg128"], np.random.default_rng(1))
    assert [each.index for each in found] == [0, 1]
    (asked,) = desk.asked
    assert asked.turns is not None
    assert asked.turns.workloads == ("tg128",)


def test_a_cell_that_ends_all_its_workers_is_a_failed_run(tmp_path: Path) -> None:
    made = maker(Imagined(WorkersDied("x")), tmp_path / "r.jsonl").alone(task())
    assert made.run.outcome.reason == "killed"
    assert made.run.index == 0


@pytest.mark.parametrize(
    "answer",
    [
        HarnessError("the scheduler is gone"),
        Measured(runs=(run(seed=8),), taken_ns=(1,), logs=("",)),
        Measured(runs=(run(), run()), taken_ns=(1, 1), logs=("", "")),
        Measured(runs=(run(),), taken_ns=(), logs=("",)),
    ],
)
def test_what_is_no_answer_ends_this_machine_alone(answer: object, tmp_path: Path) -> None:
    desk = Imagined(answer)
    with pytest.raises(KeyboardInterrupt):
        maker(desk, tmp_path / "r.jsonl").alone(task())
    assert desk.gave_up
