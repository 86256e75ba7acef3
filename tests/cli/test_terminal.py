"""What a person sees on a terminal: colours and a status line, neither where they are unwanted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli.commandline import QUICK, Home

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

_COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7][0-9;]*m")


def on_a_terminal(home: Home, *arguments: str | Path, **environment: str) -> tuple[str, str]:
    """stdout of the command, and what a terminal at its stderr got."""
    master, slave = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=home.folder,
        env=home.environment(**{"TERM": "xterm", "COLUMNS": "80"} | environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
        encoding="utf-8",
    ) as process:
        os.close(slave)
        assert process.stdout
        received = _read_to_end(master)  # first: a table fits into a pipe, progress may not
        return process.stdout.read(), received


def test_an_error_is_coloured_on_a_terminal(home: Home) -> None:
    stdout, received = on_a_terminal(home, "show", "nothing")
    assert stdout == ""
    assert _COLOUR.search(received)


@pytest.mark.parametrize("wish", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_they_are_unwanted_or_unknown(home: Home, wish: dict[str, str]) -> None:
    assert "\x1b" not in on_a_terminal(home, "show", "nothing", **wish)[1]


@pytest.mark.slow
def test_a_run_on_a_terminal_has_a_small_block_that_goes_away(home: Home) -> None:
    stdout, received = on_a_terminal(home, "run", "tiny-random", *QUICK, NO_COLOR="1")

    assert "\x1b" not in stdout
    assert stdout.startswith("tiny-random:Q8_0")
    assert "Measuring takes at most 5 min; " in received
    assert "round 1 of 1 at most · about 5 min left at most" in received
    assert "run 1 · tiny-random:Q8_0 · loading" in received
    assert "run  1  tiny-random:Q8_0" in received
    assert not _COLOUR.search(received)
    # At most once a second, and where something new begins: not at every trial.
    assert received.count("round 1 of 1 at most") < 10
    assert received.count("\x1b[?25l") == received.count("\x1b[?25h")  # the cursor is back


def _read_to_end(descriptor: int) -> str:
    parts: list[bytes] = []
    try:
        while part := os.read(descriptor, 65536):
            parts.append(part)
    except OSError:
        pass  # Linux reports the end of a terminal as an error
    os.close(descriptor)
    return b"".join(parts).decode()
