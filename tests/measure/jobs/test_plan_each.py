"""Several models planned by one worker, the real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.measure import runner
from harness.measure.conversation import Report
from harness.measure.jobs.plan import ContextRequest, plan_memory
from harness.measure.jobs.plan_each import PlanRequest, plan_each
from harness.measure.protocol import Job
from harness.models.find import local_model
from harness.schema.settings import Settings

SETTINGS = Settings(n_threads=1)
# The real worker, but for a context of 512, which ends it.
DEADLY = """
import os
from harness.measure import worker
from harness.measure.jobs import plan_worker
whole = plan_worker._Planner
plan_worker._Planner = lambda model, job: (
    os.abort() if job.contexts[0].n_ctx == 512 else whole(model, job)
)
worker.main()
"""


def request_of(path: Path, n_ctx: int = 256) -> PlanRequest:
    headers = local_model(path, "k").headers
    return PlanRequest(path, headers, SETTINGS, (ContextRequest(n_ctx=n_ctx),))


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs of all workers that are started."""
    started: list[Job] = []
    whole = runner.run_unlogged

    def counted(job: Job, **options: Any) -> Report:
        started.append(job)
        return whole(job, **options)

    monkeypatch.setattr(runner, "run_unlogged", counted)
    return started


def test_one_worker_plans_each_as_one_of_its_own_would(
    tiny_model: Path, workers: list[Job]
) -> None:
    wanted = [request_of(tiny_model, n_ctx) for n_ctx in (256, 2048, 1024)]
    begun: list[int] = []
    together = plan_each(wanted, begun.append)
    assert (len(workers), begun) == (1, [0, 1, 2])
    alone = [plan_memory(it.path, it.headers, it.settings, it.contexts) for it in wanted]
    for mine, its in zip(together, alone, strict=True):
        assert mine.outcome == its.outcome
        assert (mine.weights, mine.reported_bytes) == (its.weights, its.reported_bytes)
        assert mine.contexts == its.contexts


def test_a_model_that_the_engine_refuses_fails_alone(
    tiny_model: Path, tmp_path: Path, workers: list[Job]
) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"no model at all")
    good = request_of(tiny_model)
    bad = PlanRequest(damaged, good.headers, SETTINGS, good.contexts)
    first, refused, last = plan_each([good, bad, good])
    assert len(workers) == 1
    assert first.contexts == last.contexts != ()
    assert refused.outcome.reason == "model-invalid"
    assert refused.contexts == ()


def test_what_lies_behind_a_crash_is_planned_by_another_worker(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, workers: list[Job]
) -> None:
    usual = runner.run_worker.__kwdefaults__ or {}
    options = {**usual, "command": (runner.WORKER[0], "-c", DEADLY)}
    monkeypatch.setattr(runner.run_worker, "__kwdefaults__", options)
    first, dead, last = plan_each([request_of(tiny_model, n_ctx) for n_ctx in (256, 512, 256)])
    assert len(workers) == 2
    assert first.contexts == last.contexts != ()
    assert dead.outcome.reason == "aborted"


def test_a_worker_that_never_begins_leaves_no_plan(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, workers: list[Job]
) -> None:
    usual = runner.run_worker.__kwdefaults__ or {}
    options = {**usual, "command": (runner.WORKER[0], "-c", "")}
    monkeypatch.setattr(runner.run_worker, "__kwdefaults__", options)
    plans = plan_each([request_of(tiny_model)] * 2)
    assert len(workers) == 1
    assert [plan.outcome.status for plan in plans] == ["failed"] * 2
    assert plan_each([]) == []
