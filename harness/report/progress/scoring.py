"""What a person sees while texts are scored: one line kept up to date, or a plain one a model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.live import Live
from rich.text import Text

from harness import units
from harness.measure.jobs.score import ChunkEvent, SpilledEvent
from harness.measure.protocol import Event, HelloEvent
from harness.report.terminal import Stderr
from harness.schema.quality import ChunkScores, QualityRecord

_REDRAW_S = 1.0


class QualityProgress:
    """Tells the chunks of each model as they come; the observer of measure/scoring.py."""

    def __init__(self, console: Stderr, opening: str = "") -> None:
        """`opening` is told before the first model, once nothing is wrong with what was asked."""
        self._console = console
        self._opening = opening
        self._live: Live | None = None
        self._begin("", 0)

    def _begin(self, title: str, n_chunks: int) -> None:
        self._title = title
        self._n_chunks = n_chunks
        self._drawn_s = 0.0
        self._started_s = monotonic()
        self._nll = 0.0
        self._n_scored = 0

    def tell(self, message: str) -> None:
        """Tells it at once."""
        self._console.tell(message)

    @contextmanager
    def shown(self, title: str, n_chunks: int) -> Iterator[None]:
        """Keeps the status line of one model on the terminal for as long as the block runs."""
        if self._opening:
            self.tell(self._opening)
            self._opening = ""
        self._begin(title, n_chunks)
        if not self._console.is_terminal:
            self._console.tell(f"{self._title} · scoring")
            yield
            return
        with Live(Text(), console=self._console, auto_refresh=False, transient=True) as live:
            self._live = live
            yield
        self._live = None

    def event(self, event: Event) -> None:
        """Shows what the worker told; it waits for us meanwhile."""
        match event:
            case HelloEvent():
                self._draw("loading", is_urgent=True)
            case SpilledEvent():
                self._draw(f"the reference: chunk {event.index + 1} of {self._n_chunks}")
            case ChunkEvent():
                self._draw(self._told(event.chunk))
            case _:
                pass

    def finished(self, record: QualityRecord) -> None:
        """One line for the finished model."""
        failed = record.outcome.status == "failed"
        text = Text(
            f"{self._title} · {len(record.chunks)} of {self._n_chunks} chunks · "
            f"{units.duration(record.duration_ns)}"
            + (f" · {record.outcome.message}" if failed else "")
        )
        if failed:
            text.stylize("yellow")
        self._console.tell(text)

    def _told(self, chunk: ChunkScores) -> str:
        self._nll += chunk.sum_nll
        self._n_scored += chunk.n_scored
        n_done = chunk.index + 1
        left_s = (monotonic() - self._started_s) / n_done * (self._n_chunks - n_done)
        # A broken model's perplexity may be beyond what a float can hold.
        perplexity = math.exp(min(self._nll / self._n_scored, 700.0))
        return (
            f"chunk {n_done} of {self._n_chunks} · perplexity so far "
            f"{units.significant(perplexity)} · {units.duration(max(1.0, left_s) * 1e9)} left"
        )

    def _draw(self, what: str, *, is_urgent: bool = False) -> None:
        if self._live is None:
            return
        if is_urgent or monotonic() - self._drawn_s >= _REDRAW_S:
            self._drawn_s = monotonic()
            line = Text(f"{self._title} · {what}", overflow="ellipsis", no_wrap=True)
            self._live.update(line, refresh=True)
