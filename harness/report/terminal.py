"""The terminal: where rich is set up, and how a warning looks."""

from __future__ import annotations

from typing import Any

from rich.console import Console


class Stderr(Console):
    """Standard error for people: progress and warnings, never data. NO_COLOR is obeyed."""

    def __init__(self, *, is_quiet: bool = False, **options: Any) -> None:
        options = {"highlight": False, "emoji": False, "markup": False, **options}
        super().__init__(stderr=True, quiet=is_quiet, **options)

    def tell(self, sentence: str) -> None:
        """What happens, on a line of its own; nothing when quiet."""
        self.print(sentence, soft_wrap=True)

    def warn(self, sentence: str) -> None:
        """The same of something that the user should know."""
        self.print(f"Warning: {sentence}", style="yellow", soft_wrap=True)
