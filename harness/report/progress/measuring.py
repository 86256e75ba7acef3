"""
What a person sees while it measures: on stderr, and only while no worker measures.

On a terminal one line is kept up to date, at most once a second; elsewhere each Run gets a plain
line when it is complete.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from rich.live import Live
from rich.text import Text

from harness import units
from harness.measure.jobs.measure import ContextEvent, RepeatEvent, TrialEvent
from harness.measure.protocol import Event, HelloEvent
from harness.report.legend import DISTURBED_MARK
from harness.report.terminal import Stderr
from harness.schema.configuration import Configuration
from harness.schema.experiment import ModelKey, Plan, Run, Stop, Trial
from harness.schema.settings import Settings, difference_text

_REDRAW_S = 1.0

_TELL_AGAIN_S = 60.0
"""Between two lines on repeated trials: whoever waits sees why, and a log is not full of it."""

STOPS = {
    "precise": "precise enough",
    "max-runs": "all runs made",
    "budget": "budget spent",
    "decided": "decided",
    "failed": "gave up",
    "interrupted": "interrupted",
}
"""Why measuring stopped, in words."""


class Progress:
    """Tells the Runs of a sweep as they come; the observer of measure/session.py."""

    def __init__(self, console: Stderr) -> None:
        self._console = console
        self._n_runs_max = 0
        self._settings: Sequence[Settings] = ()
        self._live: Live | None = None
        self._drawn_s = 0.0
        self._line = ""
        self._titles: dict[int, str] = {}
        self._told_repeat_s: float | None = None
        self._disturbed: defaultdict[int, list[Trial]] = defaultdict(list)

    @contextmanager
    def shown(self, plan: Plan) -> Iterator[None]:
        """Keeps the status line on the terminal for as long as the block runs."""
        self._n_runs_max = plan.n_runs_max * len(plan.settings) * len(plan.models)
        self._settings = plan.settings
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
        name = self._named(configuration.model.key, configuration.settings)
        self._titles[number] = f"run {number} of {self._n_runs_max} at most · {name}"
        self._draw(f"{self._titles[number]} · memory bandwidth", is_urgent=True)

    def event(self, number: int, event: Event) -> None:
        """Shows what the worker told; it waits for us meanwhile."""
        title = self._titles[number]
        match event:
            case HelloEvent():
                self._draw(f"{title} · loading", is_urgent=True)
            case ContextEvent():
                self._draw(f"{title} · {event.context.workload}")
            case TrialEvent():
                if event.disturbed_by:
                    self._disturbed[number].append(event.trial)
                why = f" · {event.disturbed_by}" if event.disturbed_by else ""
                self._draw(f"{title} · {_told(event.trial)}{why}")
            case RepeatEvent():
                self._tell_repeat(event)
            case _:
                pass

    def run_finished(self, run: Run, stop: Stop | None) -> None:
        """One line for the finished Run."""
        failed = f" · {run.outcome.message}" if run.outcome.status == "failed" else ""
        ended = f" · {STOPS[stop.reason]}" if stop else ""
        n_trials = sum(not trial.is_warm_up for trial in run.trials)
        disturbed = self._disturbed.pop(run.index + 1, [])
        why = f" · {len(disturbed)} of {n_trials} trials disturbed" if disturbed else ""
        text = Text(
            f"run {run.index + 1:2}  {self._named(run.model, run.settings)}  "
            f"{_figures(run, disturbed)}{units.duration(run.duration_ns)}{why}{failed}{ended}"
        )
        if failed:
            text.stylize("yellow")
        self._console.print(text, soft_wrap=True)

    def _named(self, key: ModelKey, settings: Settings) -> str:
        """What is measured, told from everything else of the plan."""
        return " · ".join(filter(None, (key, difference_text(settings, self._settings))))

    def _tell_repeat(self, event: RepeatEvent) -> None:
        now_s = monotonic()
        if self._told_repeat_s is None or now_s - self._told_repeat_s >= _TELL_AGAIN_S:
            self._told_repeat_s = now_s
            self._console.warn(
                f"{event.workload}: {event.n_disturbed} of {event.n_trials} trials were disturbed "
                f"({event.disturbed_by}); repeating, up to {event.n_trials_max} trials."
            )

    def _draw(self, line: str, *, is_urgent: bool = False) -> None:
        if self._live is None:
            return
        self._line = line
        if is_urgent or monotonic() - self._drawn_s >= _REDRAW_S:
            self._drawn_s = monotonic()
            self._live.update(Text(line, overflow="ellipsis", no_wrap=True), refresh=True)


def _told(trial: Trial) -> str:
    which = "warm-up" if trial.is_warm_up else f"trial {trial.index + 1}"
    return f"{trial.workload} · {which} · {_rate(trial)}"


def _rate(trial: Trial) -> str:
    if trial.ttft_ns is not None:
        return f"first token {units.duration(trial.ttft_ns)}"
    return f"{units.significant(trial.n_tokens / trial.total_ns * 1e9)} tok/s"


def _figures(run: Run, disturbed: Collection[Trial]) -> str:
    """The last clean trial of each workload, by name; a "?" where none is. No result yet."""
    trials = [trial for trial in run.trials if not trial.is_warm_up]
    last = {trial.workload: trial for trial in trials}
    clean = {trial.workload: trial for trial in trials if trial not in disturbed}
    parts = [
        f"{name} {_rate(clean[name])}"
        if name in clean
        else f"{name} {_rate(last[name])}{DISTURBED_MARK}"
        for name in sorted(last)
    ]
    return " · ".join(parts) + " · " if parts else ""
