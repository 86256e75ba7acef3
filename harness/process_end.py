"""How a process ended, in words a person understands, and the last lines of its log."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_TAIL_BYTES = 16_384
_TAIL_LINES = 12
_LINE_CHARACTERS = 500
_ROOT = r"(?:~|[A-Za-z]:)?[\\/]"
# A folder's name may hold blanks where the path is quoted, and ends at one where it is not.
_QUOTED_PATH = re.compile(rf"""(["'`]){_ROOT}(?:[^"'`]*[\\/])?([^"'`\\/]*)\1""")
_FOLDERS = re.compile(rf"""(?<![\w.~:/\\]){_ROOT}(?:[^\s\\/:"'`()]+[\\/])*(?=[^\s\\/])""")
_WINDOWS_CRASHES = {
    0xC0000005: "access violation",
    0xC000001D: "illegal instruction",
    0xC0000409: "stack buffer overrun",
}
# What another process sends, and no engine to itself.
_FROM_OUTSIDE = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)
)
_WINDOWS_ABORT = 3  # what the C runtime's abort() leaves behind

EndingKind = Literal["crashed", "aborted", "killed", "exited"]


@dataclass(frozen=True)
class Ending:
    """
    What an exit code says: `words` goes on from "the server", as in "crashed with SIGSEGV".

    "killed" is by the system or somebody, with its likely `cause`; "exited" by itself with a code.
    """

    kind: EndingKind
    words: str
    cause: str = ""


def ending(exit_code: int) -> Ending:
    """How the process ended that left `exit_code`, as subprocess gives it (negative: a signal)."""
    code = exit_code & 0xFFFFFFFF  # Windows' codes come signed or unsigned
    if code in _WINDOWS_CRASHES:
        return Ending("crashed", f"crashed with: {_WINDOWS_CRASHES[code]}")
    if exit_code == -signal.SIGABRT or exit_code == _WINDOWS_ABORT:
        return Ending("aborted", "aborted")
    if exit_code < 0 and exit_code == -getattr(signal, "SIGKILL", 9):
        return Ending("killed", "killed by the system", ", most likely for lack of memory")
    if -exit_code in _FROM_OUTSIDE:
        return Ending("killed", f"ended from outside by {_signal_name(-exit_code)}")
    if exit_code < 0:
        return Ending("crashed", f"crashed with {_signal_name(-exit_code)}")
    return Ending("exited", f"ended with exit code {exit_code}")


def log_tail(log: Path) -> tuple[str, ...]:
    """The last lines of a process's log, of every path the last part alone: it may be shared."""
    text = log_end(log, _TAIL_BYTES)
    lines = [line for line in text.splitlines() if line.strip()][-_TAIL_LINES:]
    return tuple(without_folders(line)[:_LINE_CHARACTERS] for line in lines)


def log_end(log: Path, n_bytes: int) -> str:
    """At most the last `n_bytes` of a log as text; nothing where it was not written, or is gone."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - n_bytes))
            return stream.read(n_bytes).decode(errors="replace")
    except OSError:
        return ""


def without_folders(line: str) -> str:
    """The line with every absolute path cut to its last part, which says nothing of a person."""
    line = _QUOTED_PATH.sub(r"\1\2\1", line)
    return _FOLDERS.sub("", line)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
