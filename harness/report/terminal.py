"""The terminal: where rich is set up, what reaches it, and how a warning looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from harness.report.text import printable, sanitize


class Stderr(Console):
    """Standard error for people: progress and warnings, never data. NO_COLOR is obeyed."""

    def __init__(self, *, is_quiet: bool = False, **options: Any) -> None:
        options = {"highlight": False, "emoji": False, "markup": False, **options}
        super().__init__(stderr=True, quiet=is_quiet, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """
        What is about to be written: rich's own moves of the cursor as they are, text printable.

        All that this console draws comes through here, tables and bars as well as sentences.
        """
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)

    def tell(self, sentence: str | Text) -> None:
        """What happens, on a line of its own; nothing when quiet."""
        self._line(sentence)

    def warn(self, sentence: str) -> None:
        """The same of something that the user should know."""
        self._line(f"Warning: {sentence}", "yellow")

    def _line(self, text: str | Text, style: str | None = None) -> None:
        # A terminal would go on in the next line in the middle of a word.
        self.print(text, style=style, soft_wrap=not self.is_terminal)


def shortened(text: str, n_columns: int) -> str:
    """`text` in one line, its end cut off where it takes more columns than that."""
    cut = Text(sanitize(text))
    cut.truncate(n_columns, overflow="ellipsis")
    return cut.plain
