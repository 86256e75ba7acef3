"""Runs in quiet and under a load whose every moment is known: which trials did it really meet."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from statistics import median
from time import perf_counter_ns
from typing import Literal

from benchmarks.busy import Interval, Timeline
from benchmarks.contenders import LlamaBench, Sample, Worker
from harness.measure.jobs.measure import TrialEvent
from harness.measure.protocol import Event
from harness.models.download import LocalWeights
from harness.schema.experiment import Trial
from harness.schema.workload import Workload

Phase = Literal["quiet", "loaded"]
PHASES: tuple[Phase, Phase] = ("quiet", "loaded")

# The end of a trial is known to some milliseconds here (see `_Listener`), a trial takes a second.
_CLASSES = (("none", 0.01), ("to 5 %", 0.05), ("to 20 %", 0.20), ("more", float("inf")))


@dataclass(frozen=True)
class Judged:
    """One trial of ours: whether it was flagged, and for which share of it the load was on."""

    rate: float
    flag: str | None
    overlap_ratio: float

    @property
    def overlap_class(self) -> str:
        """How much load it met, in words."""
        return next(name for name, limit in _CLASSES if self.overlap_ratio < limit)


@dataclass(frozen=True)
class Visit:
    """One Run of ours and one process of llama-bench, in one phase of one cycle."""

    phase: Phase
    trials: tuple[Judged, ...]
    ours_ns: int
    other: Sample | None

    @property
    def value(self) -> float | None:
        """The Run's value: the median of its clean trials; None without any."""
        clean = [trial.rate for trial in self.trials if trial.flag is None]
        return median(clean) if clean else None


class _Listener:
    """
    Notes when each trial was.

    A trial's record has no time of day. Its event comes right after the reference loop, so its
    end is the event's arrival less that loop.
    """

    def __init__(self) -> None:
        self.stretches: list[Interval] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrialEvent) and not event.trial.is_warm_up:
            counters = event.trial.counters
            assert counters is not None  # our own worker always counts
            end_ns = perf_counter_ns() - counters.reference_ns
            self.stretches.append(Interval(end_ns - counters.wall_ns, end_ns))


def take_visit(
    phase: Phase,
    load_of_phase: contextlib.AbstractContextManager[Timeline],
    ours: Worker,
    other: LlamaBench | None,
    local: LocalWeights,
    task: Workload,
    rng: Random,
) -> Visit:
    """One Run of ours and one process of llama-bench, in random order, inside `load_of_phase`."""
    listener = _Listener()
    seed, is_first = rng.randrange(2**31), rng.random() < 0.5
    theirs: Sample | None = None
    with load_of_phase as timeline:
        if other and not is_first:
            theirs = other.measure(local.path, task, seed)
        sample = ours.measure(local.path, task, seed, listener)
        if other and is_first:
            theirs = other.measure(local.path, task, seed)
    met = [timeline.overlap_ratio(stretch) for stretch in listener.stretches]
    judged = [
        _judged(ours, trial, overlap) for trial, overlap in zip(sample.trials, met, strict=True)
    ]
    return Visit(phase, tuple(judged), sample.wall_ns, theirs)


def _judged(ours: Worker, trial: Trial, overlap_ratio: float) -> Judged:
    rate = trial.n_tokens / trial.total_ns * 1e9
    return Judged(rate, ours.why_disturbed(trial), overlap_ratio)


def confusion(visits: list[Visit], phase: Phase) -> dict[str, Counter[str]]:
    """By how much load a trial really met: how many were flagged, how many passed."""
    counts: dict[str, Counter[str]] = {name: Counter() for name, _ in _CLASSES}
    for visit in visits:
        for trial in visit.trials if visit.phase == phase else ():
            counts[trial.overlap_class]["flagged" if trial.flag else "passed"] += 1
    return counts


def per_cycle(
    visits: list[Visit], value: Callable[[Visit], float | None]
) -> tuple[list[tuple[float, float]], dict[Phase, list[float]]]:
    """(loaded, quiet) of each cycle that has both, and all values of each phase."""
    both: list[tuple[float, float]] = []
    for pair in zip(visits[::2], visits[1::2], strict=False):
        found = {visit.phase: value(visit) for visit in pair}
        loaded, quiet = found.get("loaded"), found.get("quiet")
        if loaded and quiet:
            both.append((loaded, quiet))
    known = {
        phase: [x for v in visits if v.phase == phase and (x := value(v)) is not None]
        for phase in PHASES
    }
    return both, known
