"""What a worker does with several sequences in one context: the real one, on tiny models."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter_ns
from typing import Any

import pytest
from make.other_kinds import bert, mamba

from harness.measure.jobs.measure import MeasureJob, MeasureReport, measure
from harness.schema.settings import Settings
from harness.schema.workload import parse_workload


def measured(
    path: Path, folder: Path, *workloads: str, draft_path: str | None = None, **settings: Any
) -> MeasureReport:
    now = perf_counter_ns()
    job = MeasureJob(
        model_path=str(path),
        settings=Settings(n_threads=1, **settings),
        draft_path=draft_path,
        workloads=workloads,
        started_ns=now,
        deadline_ns=now,
    )
    return measure(job, log=folder / "run.log")


@pytest.mark.parametrize("model", ["tiny-random", "tiny-mamba"])
def test_each_step_gives_every_sequence_a_token(
    tmp_path: Path, tiny_model: Path, model: str
) -> None:
    path = tiny_model if model == "tiny-random" else mamba().write(tmp_path)
    names = ("pp40x3", "tg8x3", "pp16x3@d64", "tg8x3@d250", "tg8")
    report = measured(path, tmp_path, *names, n_batch=64)
    assert report.outcome.status == "ok", report.outcome
    assert not report.case_failures
    for trial in report.trials:
        task = parse_workload(trial.workload)
        assert trial.n_tokens == task.n_sequences * (task.n_prompt + task.n_generated)
        assert len(trial.step_ns) == task.n_generated
        assert sum(trial.step_ns) == (trial.total_ns if task.n_generated else 0)
    contexts = {it.workload: it.n_ctx for it in report.contexts}
    assert contexts == {
        "pp40x3": 768, "tg8x3": 768, "pp16x3@d64": 768, "tg8x3@d250": 3 * 512, "tg8": 256,
    }  # fmt: skip
    # A warm-up of the same shape, and the trial that is made however late it is.
    assert [it.workload for it in report.trials] == [name for name in names for _ in range(2)]


def test_what_several_sequences_cannot_do_fails_alone(tmp_path: Path, tiny_model: Path) -> None:
    report = measured(tiny_model, tmp_path, "tg8x20", "tg8x16", "pp8x300", n_batch=16)
    failures = {it.workload: it.message for it in report.case_failures}
    assert "20 sequences are more than a batch of 16 tokens takes" in failures["tg8x20"]
    assert set(failures) == {"tg8x20", "pp8x300"}
    assert {it.workload for it in report.trials} == {"tg8x16"}


def test_an_encoder_that_was_taken_for_a_language_model_aborts_nothing(tmp_path: Path) -> None:
    report = measured(bert().write(tmp_path), tmp_path, "pp16x2", "pp16")
    (failure,) = report.case_failures
    assert failure.workload == "pp16x2"
    assert {it.workload for it in report.trials} == {"pp16"}
