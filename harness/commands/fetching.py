"""Tells how far fetching is: one line kept up to date on a terminal, few plain lines elsewhere."""

from __future__ import annotations

from time import monotonic

from rich.console import Console
from rich.live import Live
from rich.text import Text

from harness import units
from harness.models.transfer import FetchProgress

_REDRAW_S = 0.25
_PLAIN_LINE_S = 10.0


class Fetching:
    """Takes the reports of models/fetch.py; `done` ends the line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._told_s = float("-inf")
        self._phase = ""

    def report(self, progress: FetchProgress) -> None:
        """Shows `progress`, when it is time to."""
        is_new = progress.phase != self._phase
        pause_s = _REDRAW_S if self._console.is_terminal else _PLAIN_LINE_S
        if not is_new and monotonic() - self._told_s < pause_s:
            return
        self._phase, self._told_s = progress.phase, monotonic()
        text = Text(_sentence(progress), overflow="ellipsis", no_wrap=True)
        if not self._console.is_terminal:
            self._console.print(text, soft_wrap=True)
            return
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(text, refresh=True)

    def done(self) -> None:
        """Takes the line away."""
        if self._live:
            self._live.stop()
            self._live = None


def _sentence(progress: FetchProgress) -> str:
    done = units.file_size(progress.n_bytes_done)
    if progress.phase == "waiting":
        return f"{progress.name}: another process is fetching it, waiting"
    if not progress.n_bytes_total:
        return f"{progress.name}: {progress.phase} {done}"
    total = units.file_size(progress.n_bytes_total)
    share = units.percent(progress.n_bytes_done / progress.n_bytes_total)
    return f"{progress.name}: {progress.phase} {done} of {total}, {share}"
