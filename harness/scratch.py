"""
Files and folders that live no longer than what makes them, and what killed processes left of them.

Each has a name that only the harness gives, and the process that made it holds a lock on it. What
has such a name, belongs to this user and is locked by nobody was left behind by a process that was
killed: whoever next makes something of the kind in the same folder removes it. A lock, because it
ends with its process, whatever ended that; the number of a process is given to another one later,
and that of another container means nothing here.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from io import FileIO
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_NAME = re.compile(r".+\.[0-9a-f]{8}\.harness-tmp", re.DOTALL)
# Of the name of what it is to become; four bytes a character still fit into any file system.
_STEM_CHARACTERS = 50
_LOCK = "owner.lock"
# A folder without its lock is being made, or was left between two system calls.
_BIRTH_S = 60
# Another process may sweep it away between its first moment and its lock, but hardly again.
_MOST_SWEPT = 5

_own: dict[Path, FileIO | None] = {}
"""What this process has to remove, with what holds it."""
_swept: set[Path] = set()


@contextmanager
def own_folder(stem: str, place: Path | None = None) -> Iterator[Path]:
    """
    A new folder in `place` (None: the system's for temporary files), gone after the block.

    Raises:
        OSError: It cannot be made.
    """
    place = Path(tempfile.gettempdir()) if place is None else place
    sweep(place)
    folder = _new(stem, place)
    try:
        _make(folder, is_folder=True)
        yield folder
    finally:
        _remove(folder)


@contextmanager
def own_file(stem: str, place: Path) -> Iterator[Path]:
    """
    A new empty file in `place`; gone after the block, unless `publish` gave it another name.

    Raises:
        OSError: It cannot be made.
    """
    sweep(place)
    path = _new(stem, place)
    try:
        _make(path)
        yield path
    finally:
        _remove(path)


def publish(path: Path, target: Path) -> None:
    """
    The file of `own_file` in the place of `target`.

    Raises:
        OSError: The system refuses.
    """
    lock = _own[path]
    if lock and sys.platform == "win32":  # which renames nothing that is open
        lock.close()
    path.replace(target)


def sweep(place: Path) -> None:
    """Removes what killed processes left in `place`, the first time that it is asked for."""
    if place in _swept:
        return
    _swept.add(place)
    with suppress(OSError):
        for entry in list(os.scandir(place)):
            if _NAME.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_if_left(place / entry.name)


def remove_rest() -> None:
    """Removes what an interruption kept from being removed."""
    for path in list(_own):
        _remove(path)


def _new(stem: str, place: Path) -> Path:
    """A path that nothing has, remembered before there is anything to forget."""
    name = f"{stem[:_STEM_CHARACTERS]}.{secrets.token_hex(4)}.harness-tmp"
    _own[place / name] = None
    return place / name


def _make(path: Path, *, is_folder: bool = False) -> None:
    """An empty file or folder at `path`, locked for as long as it is ours."""
    for _ in range(_MOST_SWEPT):
        if is_folder:
            path.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError) if is_folder else nullcontext():
            lock = _own[path] = _locked(path / _LOCK if is_folder else path)
            if os.fstat(lock.fileno()).st_nlink:
                return
            lock.close()


def _locked(path: Path) -> FileIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    lock = FileIO(os.open(path, flags, 0o666), "r+")
    # Windows removes nothing that is open.
    if sys.platform != "win32":
        with suppress(OSError):  # a file system without locks: nobody else can take it either
            fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _remove(path: Path) -> None:
    """What is ours gone, if it is still there; it may be asked for again if interrupted."""
    lock = _own.get(path)
    if lock and sys.platform == "win32":
        lock.close()
    _remove_path(path)
    if lock:
        lock.close()
    _own.pop(path, None)


def _remove_path(path: Path) -> None:
    with suppress(OSError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _remove_if_left(path: Path) -> None:
    """Removes what has one of our names, if it is this user's and no process holds it."""
    status = path.lstat()
    if sys.platform != "win32" and status.st_uid != os.getuid():
        return
    if stat.S_ISREG(status.st_mode):
        _remove_unheld(path, path)
    elif stat.S_ISDIR(status.st_mode):
        try:
            _remove_unheld(path, path / _LOCK)
        except FileNotFoundError:
            if time.time() - status.st_mtime > _BIRTH_S:
                _remove_path(path)


def _remove_unheld(path: Path, lock_path: Path) -> None:
    """Raises OSError where it is held, or where that cannot be known."""
    if sys.platform == "win32":
        lock_path.unlink()
        _remove_path(path)
        return
    # A FIFO or a link may have taken its place meanwhile.
    with FileIO(os.open(lock_path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK), "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove_path(path)


# Not only at the end of a block: a signal may come before its first instruction.
atexit.register(remove_rest)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_own.clear)
