"""Loads of a server whose answers take as long as a test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.analysis.measured import Measured, measured_of
from harness.report.measured_page import MeasuredResult
from harness.schema.experiment import Run, Trial
from harness.schema.request import Request, ServiceLevel
from make.records import make_run, make_served
from make.shown import result_of
from make.trials import make_counters, make_trial

MS = 1_000_000
SECOND = 1_000_000_000
LEVEL = ServiceLevel(ttft_ns=2 * SECOND, itl_ns=100 * MS)
SERVED = make_served()


def answer(ttft_ms: int, gap_ms: int, n_tokens: int = 5, **changes: object) -> Request:
    """One request, answered so many milliseconds after it was sent."""
    gaps = (gap_ms * MS,) * (n_tokens - 1)
    facts = {
        "ttft_ns": ttft_ms * MS,
        "gap_ns": gaps,
        "total_ns": ttft_ms * MS + sum(gaps) + MS,
        "n_tokens": n_tokens,
    }
    return Request.model_validate(facts | changes)


def load_trial(workload: str, requests: Sequence[Request], total_ms: int, **changes: Any) -> Trial:
    """A trial of all these requests, which took so long together."""
    n_tokens = max(1, sum(request.n_tokens or 0 for request in requests))
    counters = changes.pop("counters", None) or make_counters(total_ms * MS)
    facts: dict[str, Any] = {"n_tokens": n_tokens, "total_ns": total_ms * MS, "counters": counters}
    return make_trial(workload, requests=tuple(requests), **(facts | changes))


def load_runs(trials: Mapping[str, Trial], n: int = 6) -> list[Run]:
    """`n` Runs alike of these trials by workload."""
    settings = SERVED.served.settings
    return [
        make_run(
            i, tuple(trials), trials=tuple(trials.values()), settings=settings, model=SERVED.key
        )
        for i in range(n)
    ]


def load_result(trials: Mapping[str, Trial], n: int = 6, **plan: Any) -> MeasuredResult:
    """What Runs of these trials say."""
    plan = {"models": (SERVED,), "settings": (SERVED.served.settings,)} | plan
    return result_of(load_runs(trials, n), tuple(trials), **plan)


def loaded(trials: Mapping[str, Trial], n: int = 6, **plan: Any) -> Measured:
    """The one configuration of `load_result`."""
    result = load_result(trials, n, **plan)
    (group,) = measured_of(result.experiment, load_runs(trials, n))
    return group
