"""What is to be known of a conversation before its figures are believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from harness.analysis import formulas
from harness.analysis.cases import Case
from harness.analysis.finding import Finding
from harness.analysis.turns import answered, is_evicted, is_full
from harness.schema.experiment import Trial
from harness.schema.request import Request
from harness.schema.workload import parse_workload
from harness.schema.workload_turns import Turns


def turns_findings(case: Case) -> Iterator[Finding]:
    """What limits the trust in a case of conversations, a sentence each without its dot."""
    if not isinstance(parse_workload(case.workload), Turns):
        return
    trials = [it for run in case.runs for it in formulas.trials_of(run, case.workload)]
    failures = (it.failure for trial in trials for it in trial.requests if is_full(it))
    if full := next(failures, None):
        text = f"{case.workload} ended early, as the context was full: {full.message}"
        yield Finding("info", text)
    yield from _of_cache(case.workload, trials)


def _of_cache(workload: str, trials: Sequence[Trial]) -> Iterator[Finding]:
    """Whether the cache was kept at all, so far as anybody tells."""
    pairs = [pair for trial in trials for pair in _pairs(trial)]
    later = [request for _, request in pairs]
    if not later:
        return
    if any(it.n_cached is None for it in later):
        yield Finding("info", f"{workload}: cache use unknown: the server does not tell it")
    elif not any(it.n_cached for it in later):
        yield Finding(
            "warning",
            f"{workload}: nothing was kept from turn to turn, so TTFT kept is of the whole "
            "conversation",
        )
    elif n_evicted := sum(is_evicted(request, before) for before, request in pairs):
        yield Finding(
            "warning",
            f"{workload}: in {n_evicted} of {len(pairs)} later turns more than half of what the "
            "turn before had left was no longer in the cache",
        )


def _pairs(trial: Trial) -> Iterator[tuple[Request, Request]]:
    """Each later turn behind the one before it, of the same user."""
    kept = answered(trial, "kept")
    for user in sorted({it.user or 0 for it in kept}):
        yield from pairwise(it for it in kept if (it.user or 0) == user)
