"""How a worker ended, in words a person understands."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from harness.schema.experiment import Outcome, Reason
from harness.units import duration

_TAIL_BYTES = 16_384
_ROOT = r"(?:~|[A-Za-z]:)?[\\/]"
# A folder's name may hold blanks where the path is quoted, and ends at one where it is not.
_QUOTED_PATH = re.compile(rf"""(["'`]){_ROOT}(?:[^"'`]*[\\/])?([^"'`\\/]*)\1""")
_FOLDERS = re.compile(rf"""(?<![\w.~:/\\]){_ROOT}(?:[^\s\\/:"'`()]+[\\/])*(?=[^\s\\/])""")
_TAIL_LINES = 12
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


def log_tail(log: Path) -> tuple[str, ...]:
    """The last lines of a worker's log, of every path the last part alone: it may be shared."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ()  # it was never written, or removed meanwhile
    lines = [line for line in text.splitlines() if line.strip()][-_TAIL_LINES:]
    return tuple(without_folders(line)[:500] for line in lines)


def without_folders(line: str) -> str:
    """The line with every absolute path cut to its last part, which says nothing of a person."""
    line = _QUOTED_PATH.sub(r"\1\2\1", line)
    return _FOLDERS.sub("", line)


def of_exit(exit_code: int, where: str, tail: tuple[str, ...]) -> Outcome:
    """
    The outcome of a worker that ended without saying so.

    Args:
        exit_code: As subprocess gives it; negative for a signal.
        where: What it was doing, e.g. "during tg128".
        tail: The end of its log.
    """
    reason, message = _explain(exit_code, where, tail)
    return Outcome(
        status="failed", reason=reason, message=message, exit_code=exit_code, log_tail=tail
    )


def hung(silence_ns: int, where: str, tail: tuple[str, ...]) -> Outcome:
    """The outcome of a worker that was ended because it said nothing for too long."""
    return Outcome(
        status="failed",
        reason="hung",
        message=f"no sign of life for {duration(silence_ns)} {where}; a slow machine may need "
        "a longer --timeout",
        log_tail=tail,
    )


def interrupted(where: str) -> Outcome:
    """The outcome of a worker that the user ended."""
    return Outcome(status="failed", reason="interrupted", message=f"interrupted {where}")


def _explain(exit_code: int, where: str, tail: tuple[str, ...]) -> tuple[Reason, str]:
    code = exit_code & 0xFFFFFFFF  # Windows' codes come signed or unsigned
    if code in _WINDOWS_CRASHES:
        return "crashed", f"the engine crashed with: {_WINDOWS_CRASHES[code]} {where}"
    if exit_code == -signal.SIGABRT or exit_code == _WINDOWS_ABORT:
        return "aborted", f"the engine aborted {where}{_last_words(tail)}"
    if exit_code < 0 and exit_code == -getattr(signal, "SIGKILL", 9):
        return (
            "killed",
            f"killed by the system {where}, most likely for lack of memory: try a smaller "
            "model or context, or --load-mode none",
        )
    if -exit_code in _FROM_OUTSIDE:
        return "killed", f"ended from outside by {_signal_name(-exit_code)} {where}"
    if exit_code < 0:
        return "crashed", f"the engine crashed with {_signal_name(-exit_code)} {where}"
    return "worker-error", f"the worker ended with exit code {exit_code} {where}{_last_words(tail)}"


def _last_words(tail: tuple[str, ...]) -> str:
    # ggml names the failed check; Python the exception. Both come last, before any stack dump.
    telling = [
        line.strip()
        for line in tail
        if "GGML_ASSERT" in line or "Error" in line or "terminate called" in line
    ]
    return f": {telling[-1]}" if telling else "; its log has the details"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
