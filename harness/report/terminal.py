"""The terminal: where rich is set up, and how a warning looks."""

from __future__ import annotations

from rich.console import Console


def console(*, is_quiet: bool = False) -> Console:
    """Standard error for people: progress and warnings, never data. NO_COLOR is obeyed."""
    return Console(stderr=True, quiet=is_quiet, highlight=False, emoji=False, markup=False)


def warn(console: Console, sentence: str) -> None:
    """One warning, on a line of its own."""
    console.print(f"Warning: {sentence}", style="yellow", soft_wrap=True)
