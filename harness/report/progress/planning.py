"""What a person sees while many models are planned: a line kept up to date, or few plain ones."""

from __future__ import annotations

from time import monotonic
from typing import Self

from rich.live import Live
from rich.text import Text

from harness.report.terminal import Stderr

_PLAIN_LINE_S = 10.0


class Planning:
    """Tells which model of how many is planned; a context manager that takes its line away."""

    def __init__(self, console: Stderr) -> None:
        self._console = console
        self._live: Live | None = None
        self._told_s: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def warn(self, sentence: str) -> None:
        """Tells it at once."""
        self._console.warn(sentence)

    def report(self, number: int, n_all: int, name: str) -> None:
        """Shows that model `number` (from 1) of `n_all` is planned, when it is time to."""
        line = f"planning {number} of {n_all}: {name}"
        if self._console.is_terminal:
            self._draw(line)
        elif self._told_s is None or monotonic() - self._told_s >= _PLAIN_LINE_S:
            self._told_s = monotonic()
            self._console.tell(line)

    def _draw(self, line: str) -> None:
        text = Text(line, overflow="ellipsis", no_wrap=True)
        if self._live is None:
            self._live = Live(text, console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(text, refresh=True)
