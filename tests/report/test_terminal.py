"""Lines of progress and warnings, as wide as they may be."""

from __future__ import annotations

from io import StringIO

import pytest

from harness.report.terminal import Stderr

SENTENCE = (
    "the other processes are llama-batched-bench (62 %), python (26 %), python (24 %) and 2 more; "
    "stop them or wait for them to end"
)


def warned(width: int, *, is_terminal: bool) -> str:
    written = StringIO()
    Stderr(file=written, force_terminal=is_terminal, width=width, no_color=True).warn(SENTENCE)
    return written.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_terminal_gets_lines_that_end_between_words(width: int) -> None:
    text = warned(width, is_terminal=True)
    assert max(map(len, text.splitlines())) <= width
    assert " ".join(text.split()) == f"Warning: {SENTENCE}"


def test_a_log_gets_each_sentence_in_one_line() -> None:
    assert warned(60, is_terminal=False) == f"Warning: {SENTENCE}\n"
