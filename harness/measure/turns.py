"""
Several workers alive at once, of which one computes at a time: their trials take turns.

A shared machine drifts by more, from one process to the next, than two sides differ. Trials that
follow each other within a second meet the same machine, so their ratio is free of the drift
(docs/method/comparing.md). Each process is still a fresh one: what differs from process to process
is drawn anew in every round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns

import numpy as np
from numpy.random import Generator

from harness.analysis import disturbance
from harness.analysis.disturbance import Disturbance
from harness.measure import runner
from harness.measure.jobs.measure import (
    MeasureReport,
    ReadyEvent,
    RepeatEvent,
    TrialEvent,
    TrialsJob,
    measure_report,
)
from harness.measure.protocol import ENOUGH, GO, Answer, Event
from harness.measure.runner import Worker
from harness.schema.experiment import Trial
from harness.schema.workload import parse_workload

# Where malloc lays the engine's buffers decides between two speeds of a small model
# (docs/method/studies.md). Setting one of them ends glibc's own tuning of both: mallopt(3). Other
# C libraries ignore them.
_MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
_THRESHOLD_EXPONENTS = (14, 25)  # up to 32 MiB, the largest that glibc takes


@dataclass(frozen=True)
class Side:
    """
    One of those that take turns.

    Attributes:
        job: With `is_in_turns`; all sides' workloads in one order.
        log: File for what its worker prints.
        on_event: Called for each of its events, while no worker computes.
        command: Its worker's command line.
    """

    job: TrialsJob
    log: Path
    on_event: Callable[[Event], None] = lambda _: None
    command: Sequence[str] = runner.WORKER


@dataclass(frozen=True)
class Turns:
    """What a side's worker told, and how long it worked, waiting for the others left out."""

    report: MeasureReport
    active_ns: int


def measure_in_turns(
    sides: Sequence[Side],
    workloads: Sequence[str],
    rng: Generator,
    *,
    silence_ns: int = runner.SILENCE_NS,
) -> list[Turns]:
    """
    What a fresh worker of each side measured, however it ended; in the order of `sides`, without
    those that had not begun when a signal ended it.

    They load one after the other, each while the rest sleep. Then each workload is measured in
    cycles of one trial of every side, in an order that rotates from a random one: AB, BA, AB. The
    trials of a cycle have the same index. A cycle is clean if all its trials are; cycles are made
    until as many are clean as the jobs want trials, the most are made, or a side's time is up.

    A worker that ends early leaves the others to go on without it. A signal ends them all.

    Args:
        sides: In the order in which they load.
        workloads: Those of all sides; each side has its own in the same order.
        rng: Draws who begins.
        silence_ns: A worker whose turn it is, and that says nothing for so long, is ended.

    Raises:
        ResultsUnwritable: A log cannot be written.
        HarnessError: A path of a job is no text.
    """
    with ExitStack() as stack:
        seats = []
        try:
            for side in sides:
                worker = Worker(
                    _beginning_now(side.job),
                    log=side.log,
                    silence_ns=silence_ns,
                    command=side.command,
                    environment=arrangement(side.job.seed),
                )
                seats.append(_Seat(side, stack.enter_context(worker)))
                seats[-1].advance()
            for workload in workloads:
                _alternate(workload, seats, rng)
            for seat in seats:
                seat.finish()
        except _Interrupted:
            for seat in seats:
                seat.worker.interrupt()
        return [seat.turns() for seat in seats]


def arrangement(seed: int) -> Mapping[str, str]:
    """
    What makes malloc lay a process's buffers in one of many ways, for its environment.

    Left to itself it does so in one way for each program and model, and a difference between two
    sides may be no more than that.
    """
    exponent = np.random.default_rng(seed).uniform(*_THRESHOLD_EXPONENTS)
    return dict.fromkeys(_MALLOC, str(round(2**exponent)))


def _beginning_now(job: TrialsJob) -> TrialsJob:
    """The job that begins when its worker does, with as much time as it had."""
    now_ns = perf_counter_ns()
    left_ns = job.deadline_ns - job.started_ns
    return job.model_copy(update={"started_ns": now_ns, "deadline_ns": now_ns + left_ns})


class _Interrupted(Exception):
    """A signal ended the worker whose turn it was."""


@dataclass
class _Seat:
    """A side's worker, asleep before a trial of `ready`; None: it is over."""

    side: Side
    worker: Worker
    ready: str | None = None
    trials: list[Trial] = field(default_factory=list)

    def advance(self, answer: Answer = GO) -> None:
        """
        To its next trial: makes the one it waits before, or with "enough" ends that workload.

        Raises:
            _Interrupted: A signal came meanwhile.
        """
        event = self.worker.hear(self._take, until=ReadyEvent, answer=answer)
        self.ready = event.workload if event else None
        if self.worker.is_interrupted:
            raise _Interrupted

    def trial(self) -> Trial | None:
        """One trial of the workload it waits before; None where it fails."""
        n_before = len(self.trials)
        workload = self.ready
        self.advance()
        # Behind a trial that failed, the next one made may be the warm-up of another workload.
        made = [each for each in self.trials[n_before:] if each.workload == workload]
        return made[-1] if made else None

    def finish(self) -> None:
        """To its end, without a further trial."""
        while self.ready is not None:
            self.advance(ENOUGH)

    def turns(self) -> Turns:
        """What it measured, however it ended."""
        return Turns(measure_report(self.worker.report()), self.worker.active_ns)

    @property
    def is_late(self) -> bool:
        """Whether it has worked for longer than its job has time."""
        job = self.side.job
        return self.worker.active_ns > job.deadline_ns - job.started_ns

    def _take(self, event: Event) -> None:
        if isinstance(event, TrialEvent):
            self.trials.append(event.trial)
        self.side.on_event(event)


def _alternate(workload: str, seats: Sequence[_Seat], rng: Generator) -> None:
    """Cycles of `workload` by all who wait before it; then they go on to what they have next."""
    taking = [seat for seat in seats if seat.ready == workload]
    if not taking:
        return
    taking = [taking[index] for index in rng.permutation(len(taking))]
    job = taking[0].side.job
    n_wanted, n_most = map(parse_workload(workload).n_trials, (job.n_trials, job.n_trials_max))
    n_clean = 0
    found: list[Disturbance] = []
    for n_made in range(1, n_most + 1):
        disturbances = _cycle(taking)
        n_clean += disturbances == []
        found += disturbances or []
        taking = [seat for seat in (*taking[1:], taking[0]) if seat.ready == workload]
        if not taking or n_clean >= n_wanted or any(seat.is_late for seat in taking):
            break
        if found and n_made == n_wanted < n_most:
            _tell_repeat(taking[0], workload, (n_made - n_clean, n_made, n_most), found)
    for seat in taking:
        seat.advance(ENOUGH)


def _cycle(taking: Sequence[_Seat]) -> list[Disturbance] | None:
    """One trial of each: what disturbed some of them; None where one failed."""
    trials = [(seat, seat.trial()) for seat in taking]
    if any(trial is None for _, trial in trials):
        return None
    found = (seat.side.job.why_disturbed(trial) for seat, trial in trials if trial)
    return [each for each in found if each]


def _tell_repeat(
    seat: _Seat, workload: str, counts: tuple[int, int, int], found: Sequence[Disturbance]
) -> None:
    n_disturbed, n_made, n_most = counts
    seat.side.on_event(
        RepeatEvent(
            workload=workload,
            n_disturbed=n_disturbed,
            n_trials=n_made,
            n_trials_max=n_most,
            disturbed_by=disturbance.in_all(found),
        )
    )
