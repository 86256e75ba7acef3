"""
Whether the headline stays right while another program comes and goes.

    python -m benchmarks.contention
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from random import Random
from statistics import median
from time import perf_counter_ns
from typing import Literal

import click
from tabulate import tabulate

from benchmarks import sweeps
from benchmarks.busy import Interval, Timeline, load
from harness.analysis.disturbance import Disturbance
from harness.analysis.formulas import trials_of, why_disturbed
from harness.analysis.stats.interval import estimate
from harness.measure.jobs.measure import TrialEvent
from harness.measure.protocol import Event
from harness.models.download import download_all
from harness.schema.configuration import Configuration
from harness.schema.experiment import Run, Stop
from harness.schema.machine import Machine

Phase = Literal["quiet", "loaded"]
_PHASES: tuple[Phase, Phase] = ("quiet", "loaded")
# The end of a trial is known to some milliseconds here (see `Coming`), a trial takes a second.
_CLASSES = (("none", 0.01), ("to 5 %", 0.05), ("to 20 %", 0.20), ("more", float("inf")))
_SAME = 0.05

_HELP = """
Measure in quiet and while a busy process comes and goes, in turns.

The headline is the product's: the median over Runs of the median of each Run's clean trials,
disturbed ones repeated as `harness run` does. The load tells when it was on, so it is known which
trials it really met.
"""


@dataclass(frozen=True)
class Judged:
    """One trial: whether it was flagged, and for which share of it the load was on."""

    rate: float
    flag: Disturbance | None
    overlap_ratio: float

    @property
    def overlap_class(self) -> str:
        """How much load it met, in words."""
        return next(name for name, limit in _CLASSES if self.overlap_ratio < limit)


@dataclass(frozen=True)
class Visited:
    """One Run in one phase of one cycle."""

    phase: Phase
    cycle: int
    trials: tuple[Judged, ...]

    def value(self, *, is_clean: bool) -> float | None:
        """The median of its trials, of the clean ones alone if asked; None without any."""
        rates = [trial.rate for trial in self.trials if not is_clean or trial.flag is None]
        return median(rates) if rates else None


class Coming(sweeps.Watcher):
    """
    Lets the load come for one Run of each cycle, and notes when each trial was.

    A trial's record has no time of day. Its event comes right after the reference loop, so its
    end is the event's arrival less that loop.
    """

    def __init__(
        self,
        new_load: Callable[[], AbstractContextManager[Timeline]],
        machine: Machine,
        order: Sequence[Phase],
    ) -> None:
        self._new_load, self._machine, self._order = new_load, machine, order
        self._stack, self._timeline = ExitStack(), Timeline()
        self._stretches: list[Interval] = []
        self.visited: list[Visited] = []

    def run_started(self, number: int, configuration: Configuration) -> None:  # noqa: ARG002
        """Quiet, or the load from here on."""
        self._stretches, self._timeline = [], Timeline()
        if self._order[number - 1] == "loaded":
            self._timeline = self._stack.enter_context(self._new_load())

    def event(self, number: int, event: Event) -> None:  # noqa: ARG002
        """Notes a trial's stretch of time."""
        if isinstance(event, TrialEvent) and not event.trial.is_warm_up:
            counters = event.trial.counters
            assert counters is not None  # our own worker always counts
            end_ns = perf_counter_ns() - counters.reference_ns
            self._stretches.append(Interval(end_ns - counters.wall_ns, end_ns))

    def run_finished(self, run: Run, stop: Stop | None) -> None:  # noqa: ARG002
        """Judges the Run's trials, now that the load has told when it was on."""
        self.close()
        trials = trials_of(run, run.workloads[0])
        if len(trials) != len(self._stretches):
            return  # cut off
        judged = tuple(
            Judged(
                trial.n_tokens / trial.total_ns * 1e9,
                why_disturbed(trial, run, self._machine),
                self._timeline.overlap_ratio(stretch),
            )
            for trial, stretch in zip(trials, self._stretches, strict=True)
        )
        self.visited.append(Visited(self._order[run.index], run.index // 2, judged))
        sweeps.tell(_progress(self.visited[-1]))

    def close(self) -> None:
        """Ends the load."""
        self._stack.close()


@click.command(help=_HELP)
@click.option("--model", default="smollm2-135m", show_default=True)
@click.option("--workload", default="tg128", show_default=True)
@click.option("--cycles", default=12, show_default=True, help="Each has a quiet and a loaded Run.")
@click.option("--trials", default=3, show_default=True, help="Clean trials in a Run.")
@click.option("--busy", default=1, show_default=True, help="Busy processes, one core each.")
@click.option("--on-ms", default=1000, show_default=True, help="So long it is busy ...")
@click.option("--period-ms", default=3000, show_default=True, help="... in each such time.")
@sweeps.common_options
def main(
    model: str,
    workload: str,
    cycles: int,
    trials: int,
    busy: int,
    on_ms: int,
    period_ms: int,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    machine, settings = sweeps.machine_and_settings(threads)
    rng, paths = Random(seed), {model: download_all([model])[0].path}
    # The machine drifts: each cycle has both, in random order.
    order = [phase for _ in range(cycles) for phase in rng.sample(_PHASES, 2)]
    limits = sweeps.Limits(2 * cycles, 2 * cycles, 0.0, sweeps.A_DAY_NS)
    plan = sweeps.plan_of(paths, [workload], settings, limits, n_trials=trials, seed=seed)
    watcher = Coming(lambda: load(busy, on_ms, period_ms), machine, order)
    with sweeps.alone(__file__, wait):
        try:
            sweeps.swept(plan, paths, machine, watcher)
        finally:
            watcher.close()
    if as_json:
        click.echo(json.dumps([asdict(each) for each in watcher.visited], indent=1))
    else:
        click.echo(summary(watcher.visited))


def _progress(visited: Visited) -> str:
    n_flagged = sum(trial.flag is not None for trial in visited.trials)
    value = visited.value(is_clean=True)
    return (
        f"cycle {visited.cycle + 1:2} {visited.phase:6} {value or 0:.1f} tok/s "
        f"({n_flagged} of {len(visited.trials)} trials disturbed)"
    )


def summary(visited: Sequence[Visited]) -> str:
    """The tables for people."""
    rows = [
        _row(visited, name, is_clean=is_clean)
        for name, is_clean in (("clean trials", True), ("all trials", False))
    ]
    headers = ["tok/s", "quiet", "loaded", "error", "loaded/quiet per cycle", "worst process"]
    met = [
        [phase, name, counts["flagged"], counts["passed"]]
        for phase in _PHASES
        for name, counts in confusion(visited, phase).items()
        if counts
    ]
    return "\n\n".join(
        (
            tabulate(rows, headers, disable_numparse=True),
            tabulate(met, ["phase", "load met", "flagged", "passed"]),
        )
    )


def _row(visited: Sequence[Visited], name: str, *, is_clean: bool) -> list[str]:
    known: dict[Phase, dict[int, float]] = {
        phase: {
            each.cycle: value
            for each in visited
            if each.phase == phase and (value := each.value(is_clean=is_clean)) is not None
        }
        for phase in _PHASES
    }
    if not all(known.values()):
        return [name, "", "", "", "", ""]
    quiet, loaded = (estimate(list(known[phase].values()), "tok/s") for phase in _PHASES)
    worst = max(abs(value / quiet.value - 1) for value in known["loaded"].values())
    return [
        name,
        *(f"{it.value:.1f} ({it.low:.1f} to {it.high:.1f}, n {it.n})" for it in (quiet, loaded)),
        f"{loaded.value / quiet.value - 1:+.1%}",
        sweeps.ratio_text(sweeps.ratio_of(known["loaded"], known["quiet"], _SAME)),
        f"{worst:.0%}",
    ]


def confusion(visited: Sequence[Visited], phase: Phase) -> dict[str, Counter[str]]:
    """By how much load a trial really met: how many were flagged, how many passed."""
    counts: dict[str, Counter[str]] = {name: Counter() for name, _ in _CLASSES}
    for each in visited:
        for trial in each.trials if each.phase == phase else ():
            counts[trial.overlap_class]["flagged" if trial.flag else "passed"] += 1
    return counts


if __name__ == "__main__":
    main()
