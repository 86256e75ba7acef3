"""
Tells how far fetching is: a bar for each file and one for all on a terminal, few plain lines
elsewhere.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import Self

from rich.console import RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from harness import units
from harness.files import FetchProgress, Phase, Whole
from harness.report.terminal import Stderr

_REDRAWS_PER_S = 4
_PLAIN_LINE_S = 10.0
# The rate is that of the last seconds: long enough to be read, short enough to be about now.
_WINDOW_S = 10.0
_BAR_WIDTH = 24
_NAME_WIDTH = 44
# A time left from the first instants says nothing: connections start slowly.
_LEAST_S = 1.0
_WORDS: dict[Phase, str] = {
    "waiting": "another process is fetching it, waiting",
    "retrying": "no answer, trying again",
}


class Fetching:
    """Takes the reports of models/download.py, from one thread at a time; `done` ends the bars."""

    def __init__(self, console: Stderr) -> None:
        self._console = console
        self._live: Live | None = None
        # The bars are drawn by a thread of their own: a stalled line must still count down.
        self._lock = threading.Lock()
        self._files: dict[str, FetchProgress] = {}
        self._whole: Whole | None = None
        self._pace = Pace()
        self._told: dict[str, tuple[Phase, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.done()

    def report(self, progress: FetchProgress) -> None:
        """Shows `progress`, when it is time to."""
        if progress.phase == "offline":
            what = f"{progress.name}: the hub cannot be asked, what is cached is used"
            self._console.warn(what)
            return
        with self._lock:
            self._files[progress.name] = progress
            if progress.phase == "done":
                del self._files[progress.name]
            self._whole = progress.whole
            if progress.whole:
                self._pace.add(monotonic(), progress.whole.n_bytes_done)
        if not self._console.is_terminal:
            self._tell(progress)
        elif self._live is None:
            self._live = Live(
                console=self._console,
                refresh_per_second=_REDRAWS_PER_S,
                transient=True,
                get_renderable=self._drawn,
            )
            self._live.start()

    def done(self) -> None:
        """Takes the bars away."""
        if self._live:
            self._live.stop()
            self._live = None
        self._files.clear()

    def _tell(self, progress: FetchProgress) -> None:
        """A plain line, if this file's phase is new or the last line about it is old."""
        phase, told_s = self._told.get(progress.name, (None, 0.0))
        if progress.phase == phase and monotonic() - told_s < _PLAIN_LINE_S:
            return
        self._told[progress.name] = progress.phase, monotonic()
        sentence = sentence_of(progress)
        if progress.whole and progress.whole.n_files > 1:
            sentence += f"; {whole_sentence(progress.whole, self._pace)}"
        self._console.tell(sentence)

    def _drawn(self) -> RenderableType:
        """The bars as they are now."""
        table = Table.grid(padding=(0, 1))
        table.add_column(max_width=_NAME_WIDTH, no_wrap=True, overflow="ellipsis")
        table.add_column(width=_BAR_WIDTH)
        table.add_column(no_wrap=True, overflow="ellipsis")
        with self._lock:
            for progress in self._files.values():
                bar = _bar(progress.n_bytes_done, progress.n_bytes_total)
                table.add_row(progress.name, bar, _state(progress))
            if self._whole:
                bar = _bar(self._whole.n_bytes_done, self._whole.n_bytes_total)
                table.add_row("together", bar, whole_sentence(self._whole, self._pace))
        return table


class Pace:
    """How fast bytes come, over the last seconds; a restart of a file counts as nothing."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def add(self, now_s: float, n_bytes: int) -> None:
        """So many bytes are there at this time."""
        if self._marks and n_bytes < self._marks[-1][1]:
            self._marks.clear()
        self._marks.append((now_s, n_bytes))
        while len(self._marks) > 2 and now_s - self._marks[1][0] > _WINDOW_S:
            self._marks.popleft()

    @property
    def bytes_per_s(self) -> float | None:
        """None before there is enough to go by."""
        if not self._marks:
            return None
        (first_s, first), (last_s, last) = self._marks[0], self._marks[-1]
        return (last - first) / (last_s - first_s) if last_s - first_s >= _LEAST_S else None


def sentence_of(progress: FetchProgress) -> str:
    """How far one file is, in words."""
    return f"{progress.name}: {_state(progress)}"


def whole_sentence(whole: Whole, pace: Pace) -> str:
    """How far all files are, how fast, and for how long it will go on."""
    parts = [
        f"{units.file_size(whole.n_bytes_done)} of {units.file_size(whole.n_bytes_total)}"
        f" in {whole.n_files} file{'s' if whole.n_files > 1 else ''}"
    ]
    rate = pace.bytes_per_s
    if rate:
        parts.append(units.bandwidth(rate))
        left_s = (whole.n_bytes_total - whole.n_bytes_done) / rate
        if left_s > 0:
            parts.append(f"{units.duration(max(1.0, left_s) * 1e9)} left")
    return ", ".join(parts)


def _state(progress: FetchProgress) -> str:
    if progress.phase in _WORDS:
        return _WORDS[progress.phase]
    done = units.file_size(progress.n_bytes_done)
    if not progress.n_bytes_total:
        return f"{progress.phase} {done}"
    total = units.file_size(progress.n_bytes_total)
    share = units.percent(progress.n_bytes_done / progress.n_bytes_total)
    return f"{progress.phase} {done} of {total}, {share}"


def _bar(n_done: int, n_total: int | None) -> ProgressBar:
    return ProgressBar(total=n_total or 1, completed=n_done, width=_BAR_WIDTH)
