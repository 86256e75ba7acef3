"""
What a person sees while a fleet measures: on a terminal a line for each machine, kept up to date.

Elsewhere, and above that block, each Run gets a line when it is complete, with its host's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, monotonic_ns

from rich.live import Live
from rich.text import Text

from harness import units
from harness.files import FetchProgress, Phase
from harness.fleet.order import Hello
from harness.measure.session import SessionResult
from harness.report.progress.fetching import sentence_of
from harness.report.progress.so_far import SoFar, told_apart
from harness.report.run_line import run_line
from harness.report.terminal import Stderr, shortened
from harness.schema.configuration import Configuration
from harness.schema.experiment import Experiment, Run, Stop

_REDRAW_S = 0.2


@dataclass
class _Row:
    """
    What is known of a machine: what it does, or did when it was lost, and until when the rest of
    its plan may take.
    """

    doing: str
    did: str = ""
    so_far: SoFar | None = None
    experiment: Experiment | None = None
    ends_ns: int | None = None
    begun_ns: int | None = None


class FleetProgress:
    """Tells what the machines of a fleet do; the observer of measure_fleet."""

    def __init__(self, console: Stderr, hosts: Sequence[str]) -> None:
        self._console = console
        self._rows = {host: _Row("waited for") for host in hosts}
        self._before: dict[str, tuple[Sequence[Run], Sequence[Stop]]] = {}
        self._fetched: set[tuple[str, str, Phase]] = set()
        self._width = max(map(len, hosts), default=0)
        self._live: Live | None = None
        self._drawn_s = 0.0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keeps the block on the terminal for as long as the block of code runs."""
        if not self._console.is_terminal:
            yield
            return
        with Live(Text(), console=self._console, auto_refresh=False, transient=True) as live:
            self._live = live
            self._draw(is_urgent=True)
            yield
        self._live = None

    def joined(self, host: str, hello: Hello) -> None:
        """Its models are found now, and fetched where they are not there."""
        del hello
        self._does(host, "finds and fetches its models")

    def fetching(self, host: str, progress: FetchProgress) -> None:
        """How far a file is, on a terminal; elsewhere that it has begun."""
        self._does(host, sentence_of(progress))
        begun = host, progress.name, progress.phase
        if not self._console.is_terminal and begun not in self._fetched:
            self._fetched.add(begun)
            self._tell(host, sentence_of(progress))

    def resumed(self, host: str, runs: Sequence[Run], stops: Sequence[Stop]) -> None:
        """Says how much of its plan is there."""
        self._before[host] = runs, stops
        self._tell(host, f"goes on behind {units.counted(len(runs), 'Run')}")

    def prepared(self, host: str, experiment: Experiment, notes: Sequence[str]) -> None:
        """Says what is to be said before, and how long it takes at most."""
        row = self._rows[host]
        row.experiment = experiment
        row.so_far = SoFar(experiment, *self._before.pop(host, ((), ())))
        self._reckon(row)
        for note in notes:
            self._console.warn(f"{host}: {note}")
        self._tell(host, f"takes at most {units.time_left(row.so_far.most_left_ns)}")

    def waiting(self, host: str, message: str) -> None:
        """Another measurement holds the machine."""
        self._tell(host, message)
        self._does(host, message)

    def cell_sent(self, host: str, number: int, configuration: Configuration, n_left: int) -> None:
        """Names what it measures."""
        row = self._rows[host]
        row.begun_ns = monotonic_ns()
        if row.experiment is not None:
            name = told_apart(configuration, row.experiment.plan)
            self._does(host, f"run {number} of {number + n_left - 1} at most · {name}")

    def run_finished(self, host: str, run: Run, stop: Stop | None) -> None:
        """One line for the finished Run."""
        row = self._rows[host]
        if row.so_far is None or row.experiment is None:
            return
        taken_ns = None if row.begun_ns is None else monotonic_ns() - row.begun_ns
        row.so_far.take(run, stop, run.duration_ns if run.is_in_turns else taken_ns)
        self._reckon(row)
        text = Text(f"{host:<{self._width}}  {run_line(run, row.experiment, stop)}")
        if run.outcome.status == "failed":
            text.stylize("yellow")
        self._console.tell(text)
        self._draw()

    def lost(self, host: str, reason: str) -> None:
        """It is waited for."""
        self._console.warn(f"{host} is lost ({reason}); waiting for it.")
        self._rows[host].did = self._rows[host].doing
        self._does(host, f"lost ({reason}); waiting for it")

    def back(self, host: str) -> None:
        """It begins again what it was at."""
        self._tell(host, "is back")
        self._does(host, self._rows[host].did)

    def gave_up(self, host: str, reason: str) -> None:
        """The rest of its plan is left for later."""
        self._console.warn(f"{host} is given up: {reason}.")
        self._ends(host, f"given up: {reason}")

    def finished(self, host: str, result: SessionResult) -> None:
        """It is through."""
        runs = units.counted(len(result.result.runs), "Run")
        self._ends(host, f"{'interrupted' if result.result.is_interrupted else 'done'}, {runs}")

    def _reckon(self, row: _Row) -> None:
        if row.so_far is not None:
            row.ends_ns = monotonic_ns() + row.so_far.most_left_ns

    def _tell(self, host: str, what: str) -> None:
        self._console.tell(f"{host:<{self._width}}  {what}")

    def _does(self, host: str, what: str) -> None:
        self._rows[host].doing = what
        self._draw(is_urgent=True)

    def _ends(self, host: str, what: str) -> None:
        self._rows[host].ends_ns = None
        self._does(host, what)

    def _draw(self, *, is_urgent: bool = False) -> None:
        if self._live is None or not (is_urgent or monotonic() - self._drawn_s >= _REDRAW_S):
            return
        self._drawn_s = monotonic()
        lines = [self._line(host, row) for host, row in self._rows.items()]
        block = Text("\n".join(lines), overflow="ellipsis", no_wrap=True)
        self._live.update(block, refresh=True)

    def _line(self, host: str, row: _Row) -> str:
        left = f" · {_left(row.ends_ns)}" if row.ends_ns is not None else ""
        head = f"{host:<{self._width}}  "
        # The end of what it does gives way: how long it takes is what one waits for.
        room = self._console.width - len(head) - len(left)
        return f"{head}{shortened(row.doing, max(1, room))}{left}"


def _left(ends_ns: int) -> str:
    left_ns = ends_ns - monotonic_ns()
    if left_ns <= 0:
        return "longer than expected"
    return f"about {units.time_left(left_ns)} left at most"
