"""A command on a pseudo-terminal: what reaches a person's screen, byte for byte."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

from cli.commandline import Home

# Everything that moves a cursor, recolours, retitles or reverses; "\r\n" is how a terminal ends
# a line.
_ALLOWED = {"\n", "\t"}
_COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


def received(home: Home, *arguments: str | Path, **environment: str) -> tuple[int, str]:
    """
    The exit code, and what the terminal got of both streams.

    The terminal knows no colours and no moves of the cursor: each that arrives is foreign.
    """
    master, slave = os.openpty()
    parts: list[bytes] = []
    reader = threading.Thread(target=_drain, args=(master, parts))
    reader.start()
    quiet = {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "80"}
    try:
        code = home.on(os.ttyname(slave), *arguments, **quiet, **environment)
    finally:
        os.close(slave)
        reader.join()
        os.close(master)
    return code, b"".join(parts).decode("utf-8", errors="surrogateescape").replace("\r\n", "\n")


def foreign(text: str) -> str | None:
    """What in `text` would have been obeyed instead of shown; None if nothing."""
    for char in text:
        if not char.isprintable() and char not in _ALLOWED:
            at = text.index(char)
            return f"{char!r} in {text[max(0, at - 60) : at + 20]!r}"
    found = _COMMAND.search(text)
    return f"a command in {text[found.start() : found.start() + 60]!r}" if found else None


def _drain(master: int, parts: list[bytes]) -> None:
    try:
        while part := os.read(master, 65536):
            parts.append(part)
    except OSError:
        pass  # Linux reports the end of a terminal as an error
