"""
What a person sees while it measures: on stderr, and only while no worker measures.

On a terminal a small block is kept up to date, at most once a second: which round, how long it may
still take, what happens, the figures so far. Elsewhere each Run gets a plain line when it is
complete, as it does above the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, monotonic_ns

from rich.live import Live
from rich.text import Text

from harness import units
from harness.analysis.disturbance import how_many
from harness.measure.jobs.measure import (
    AskingEvent,
    ContextEvent,
    RepeatEvent,
    TrialEvent,
    TurnEvent,
)
from harness.measure.protocol import Event, HelloEvent
from harness.report.progress.so_far import SoFar, told_apart
from harness.report.run_line import rate, run_line
from harness.report.terminal import Stderr, shortened
from harness.schema.configuration import Configuration
from harness.schema.experiment import Experiment, Plan, Run, Stop, Trial

_REDRAW_S = 1.0

_LEAST_NAME = 8

_TELL_AGAIN_S = 60.0
"""Between two lines on repeated trials: whoever waits sees why, and a log is not full of it."""


class Progress:
    """Tells the Runs of a sweep as they come; the observer of measure/session.py."""

    def __init__(self, console: Stderr) -> None:
        self._console = console
        self._live: Live | None = None
        self._drawn_s = 0.0
        self._names: dict[int, str] = {}
        self._begun_ns: dict[int, int] = {}
        self._told_repeat_s: float | None = None

    @contextmanager
    def shown(
        self, experiment: Experiment, runs: Sequence[Run] = (), stops: Sequence[Stop] = ()
    ) -> Iterator[None]:
        """Keeps the block on the terminal for as long as the block of code runs."""
        self._experiment = experiment
        self._so_far = SoFar(experiment, runs, stops)
        self._reckon()
        self._console.tell(_before(experiment.plan, self._so_far.most_left_ns))
        if not self._console.is_terminal:
            yield
            return
        # No refresh thread: it would redraw in the middle of a measurement.
        with Live(Text(), console=self._console, auto_refresh=False, transient=True) as live:
            self._live = live
            yield
        self._live = None

    def warn(self, message: str) -> None:
        """Tells it at once."""
        self._console.warn(message)

    def run_started(self, number: int, configuration: Configuration) -> None:
        """Names the Run that begins."""
        self._names[number] = told_apart(configuration, self._experiment.plan)
        self._begun_ns[number] = monotonic_ns()
        self._round = self._so_far.round_of(configuration)
        self._draw(number, "memory bandwidth", is_urgent=True)

    def event(self, number: int, event: Event) -> None:
        """Shows what the worker told; it waits for us meanwhile."""
        match event:
            case HelloEvent():
                self._draw(number, "loading", is_urgent=True)
            case ContextEvent():
                self._draw(number, event.context.workload)
            case AskingEvent():
                self._draw(number, event.workload)
            case TrialEvent():
                why = f" · {event.disturbed_by}" if event.disturbed_by else ""
                self._draw(number, f"{_told(event.trial)}{why}")
            case TurnEvent():
                turn = f"turn {event.number} of {event.n_turns}"
                self._draw(number, f"{event.workload} · {turn}")
            case RepeatEvent():
                self._tell_repeat(event)
            case _:
                pass

    def run_finished(self, run: Run, stop: Stop | None) -> None:
        """One line for the finished Run."""
        taken_ns = monotonic_ns() - self._begun_ns[run.index + 1]
        # Of those that took turns each has waited for the others.
        self._so_far.take(run, stop, run.duration_ns if run.is_in_turns else taken_ns)
        self._reckon()
        text = Text(run_line(run, self._experiment, stop))
        if run.outcome.status == "failed":
            text.stylize("yellow")
        self._console.tell(text)

    def _reckon(self) -> None:
        """Works out what is drawn until the next Run is over."""
        self._ends_ns = monotonic_ns() + self._so_far.most_left_ns
        self._figures = self._so_far.lines(self._console.width)

    def _tell_repeat(self, event: RepeatEvent) -> None:
        now_s = monotonic()
        if self._told_repeat_s is None or now_s - self._told_repeat_s >= _TELL_AGAIN_S:
            self._told_repeat_s = now_s
            self._console.warn(
                f"{event.workload}: {how_many(event.n_disturbed, event.n_trials)} "
                f"({event.disturbed_by}); repeating, up to {event.n_trials_max} trials."
            )

    def _draw(self, number: int, what: str, *, is_urgent: bool = False) -> None:
        if self._live is None:
            return
        if is_urgent or monotonic() - self._drawn_s >= _REDRAW_S:
            self._drawn_s = monotonic()
            plan = self._experiment.plan
            of = "of a search" if plan.search else f"of {plan.n_runs_max} at most"
            head = f"round {self._round} {of} · {self._left()}"
            # Of a narrow terminal the name gives way, which stands below as well.
            room = self._console.width - len(f"run {number} ·  · {what}")
            name = shortened(self._names[number], max(_LEAST_NAME, room))
            block = "\n".join((head, f"run {number} · {name} · {what}", *self._figures))
            self._live.update(Text(block, overflow="ellipsis", no_wrap=True), refresh=True)

    def _left(self) -> str:
        left_ns = self._ends_ns - monotonic_ns()
        if left_ns <= 0:
            return "longer than expected"
        return f"about {units.time_left(left_ns)} left at most"


def _before(plan: Plan, most_ns: int) -> str:
    """How long it will take, before anybody waits for it."""
    n_models = len(plan.models)
    each = f", {units.time_left(plan.budget_ns)} for each of {n_models} models"
    return (
        f"Measuring takes at most {units.time_left(most_ns)}{each if n_models > 1 else ''}; "
        "one Run of each case is finished however long it takes."
    )


def _told(trial: Trial) -> str:
    which = "warm-up" if trial.is_warm_up else f"trial {trial.index + 1}"
    return f"{trial.workload} · {which} · {rate(trial)}"
