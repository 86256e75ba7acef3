"""
The note about who measures: a courtesy beside the lock, in a folder that anybody may write to.

Whatever lies there under its name may be another user's: a link to a file of ours, a FIFO that
never ends, a text with escapes. It is created anew and never followed, read at most so far and
without waiting, and believed only of the user whose process it names.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

_MOST_BYTES = 4096
_SHOWN_CHARACTERS = 100
_READABLE = 0o644


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that is there, what it said it measures, and since when, in UTC."""

    pid: int
    what: str
    since: datetime


def write_note(path: Path, what: str) -> bool:
    """Whether a note at `path` now says that this process measures `what`."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"pid": os.getpid(), "what": what[:_SHOWN_CHARACTERS], "started_at": started}
    # Where it cannot be written, the lock still holds.
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        # A new file or none: what somebody put there meanwhile, a link too, makes this fail.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _READABLE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(facts, file)
        return True
    return False


def remove_note(path: Path) -> None:
    """The note is gone, unless it cannot be removed."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def described(path: Path) -> str:
    """Who measures, as ": WHAT, process 123, since WHEN"; nothing if no note can be believed."""
    holder = read_note(path)
    if holder is None:
        return ""
    since = holder.since.isoformat(timespec="seconds")
    return f": {holder.what}, process {holder.pid}, since {since}"


def read_note(path: Path) -> Holder | None:
    """Who measures; None if no note can be believed."""
    # JSON nested without end, and a number beyond every process, are errors of their own.
    with contextlib.suppress(
        OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError
    ):
        text, owner = _read(path)
        facts = json.loads(text)
        pid = facts["pid"]
        since = datetime.fromisoformat(facts["started_at"])
        if type(pid) is int and _is_of(pid, owner):
            what = "".join(char if char.isprintable() else "?" for char in str(facts["what"]))
            return Holder(pid, what[:_SHOWN_CHARACTERS], _in_utc(since))
    return None


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _read(path: Path) -> tuple[str, int]:
    """The beginning of the file itself, and whose it is; OSError for anything but a file."""
    # Neither follows a link nor waits for whoever writes into a FIFO; Windows has neither flag.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(f"{path} is no file")
        return file.read(_MOST_BYTES).decode("utf-8", errors="replace"), found.st_uid


def _is_of(pid: int, owner: int) -> bool:
    """Whether a process of that user has this number: what was killed left its note behind."""
    try:
        return sys.platform == "win32" or psutil.Process(pid).uids().effective == owner
    except psutil.Error:
        return False
