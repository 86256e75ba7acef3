"""
What every worker that makes trials has in common: how often, and what is read around each.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
from collections.abc import Callable
from time import perf_counter_ns
from typing import Protocol, TypeVar

from harness.analysis import disturbance
from harness.analysis.disturbance import Disturbance
from harness.machine import counters
from harness.machine.energy.meters import NO_METERS, Meters, find_meters
from harness.measure.jobs.measure import (
    EnergyEvent,
    ReadyEvent,
    RepeatEvent,
    TrialEvent,
    TrialsJob,
)
from harness.measure.protocol import GO, Send
from harness.schema.experiment import Trial
from harness.schema.machine import Counters, Energy
from harness.schema.workload_kind import Workload

T = TypeVar("T")


class TakeTrial(Protocol):
    """Makes one trial of a workload; a warm-up has no index of its own."""

    def __call__(self, index: int, *, is_warm_up: bool) -> Trial:
        """That trial."""


def repeat(
    workload: Workload,
    take: TakeTrial,
    job: TrialsJob,
    send: Send,
    tolerated: tuple[type[Exception], ...] = (),
) -> None:
    """
    A warm-up, then the trials, each sent as soon as it is complete.

    Args:
        workload: What is repeated.
        take: Makes a trial.
        job: How often.
        send: Tells the parent.
        tolerated: What may become of the warm-up, where that says nothing of the trials.
    """
    with contextlib.suppress(*tolerated):
        send(TrialEvent(trial=take(0, is_warm_up=True)))
    if job.is_in_turns:
        _in_turns(workload, take, job, send)
    else:
        _alone(workload, take, job, send)


def _in_turns(workload: Workload, take: TakeTrial, job: TrialsJob, send: Send) -> None:
    """One trial whenever the parent says so; between two of them others may have measured."""
    ready = ReadyEvent(workload=workload.name)
    for index in itertools.count():
        if send(ready) != GO:
            return
        _taken(index, take, job, send)


def _alone(workload: Workload, take: TakeTrial, job: TrialsJob, send: Send) -> None:
    """
    Trials until enough are clean, `n_trials_max` are made or time is up.

    At least one trial is made, however late it is: a slow model must answer too.
    """
    n_wanted, n_most = map(workload.n_trials, (job.n_trials, job.n_trials_max))
    found: list[Disturbance] = []
    for n_made in range(1, n_most + 1):
        disturbed = _taken(n_made - 1, take, job, send)
        found += [disturbed] if disturbed else []
        if n_made - len(found) >= n_wanted or perf_counter_ns() > job.deadline_ns:
            return
        if n_made == n_wanted < n_most:
            send(
                RepeatEvent(
                    workload=workload.name,
                    n_disturbed=len(found),
                    n_trials=n_made,
                    n_trials_max=n_most,
                    disturbed_by=disturbance.in_all(found),
                )
            )


def _taken(index: int, take: TakeTrial, job: TrialsJob, send: Send) -> Disturbance | None:
    """What disturbed the trial that is made and told."""
    trial = take(index, is_warm_up=False)
    disturbed = job.why_disturbed(trial)
    send(TrialEvent(trial=trial, disturbed_by=disturbed.text if disturbed else None))
    return disturbed


def rest(job: TrialsJob, send: Send) -> tuple[Meters, int]:
    """The machine's energy meters, once they told what a rest takes; and the ns all that took."""
    if not job.reads_energy:
        return NO_METERS, 0
    started_ns = perf_counter_ns()
    meters = find_meters()
    idle = meters.rest()
    send(EnergyEvent(idle=idle, reasons_missing=meters.reasons_missing))
    return meters, perf_counter_ns() - started_ns


def watched(measure: Callable[[], T], meters: Meters) -> tuple[T, Counters, tuple[Energy, ...]]:
    """What `measure` gives, what the machine did meanwhile, and what it took for that."""
    gc.disable()  # a collection inside a step would be ours, not the engine's
    meters.begin()
    before = counters.snapshot()
    found = measure()
    after = counters.snapshot()
    energy = meters.end()
    gc.enable()
    return found, counters.between(before, after, counters.reference_loop_ns()), energy
