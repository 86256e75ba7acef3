from __future__ import annotations

import io

import pytest

from harness.report.progress import planning
from harness.report.progress.planning import Planning
from harness.report.terminal import Stderr


def told(n_all: int, *, is_terminal: bool) -> str:
    output = io.StringIO()
    console = Stderr(file=output, force_terminal=is_terminal, width=80, no_color=True)
    with Planning(console) as shown:
        for number in range(1, n_all + 1):
            shown.report(number, n_all, f"model-{number}")
    return output.getvalue()


def test_a_terminal_sees_each_model_and_gets_its_cursor_back() -> None:
    text = told(3, is_terminal=True)
    for number in (1, 2, 3):
        assert f"planning {number} of 3: model-{number}" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


def test_elsewhere_few_plain_lines_say_that_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(200, is_terminal=False) == "planning 1 of 200: model-1\n"
    monkeypatch.setattr(planning, "_PLAIN_LINE_S", 0.0)
    assert told(2, is_terminal=False).count("\n") == 2
