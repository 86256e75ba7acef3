"""
Files that appear whole or not at all, the room they need, what a person sees while they grow, and
what is said when the system refuses.

Everything is first written beside its place, checked, forced to disk, and then renamed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from harness import scratch
from harness.errors import FetchFailed
from harness.units import file_size

_CHUNK_BYTES = 1 << 20
# Left free beyond what a fetch takes, so that it is not the one that fills the disk: results and
# logs of an evening of measuring stay below it.
_SPACE_MARGIN_BYTES = 64_000_000

Phase = Literal[
    "waiting",
    "offline",
    "downloading",
    "retrying",
    "extracting",
    "verifying",
    "generating",
    "quantizing",
    "done",
]


@dataclass(frozen=True)
class Whole:
    """How far all files of one fetch are together."""

    n_files: int
    n_bytes_done: int
    n_bytes_total: int


@dataclass(frozen=True)
class FetchProgress:
    """
    How far one step of making a model available is; a total of None is unknown.

    `whole` is there while files of a hub are fetched, of which several may grow at once.
    """

    name: str
    phase: Phase
    n_bytes_done: int
    n_bytes_total: int | None
    whole: Whole | None = None


OnProgress = Callable[[FetchProgress], None]


def untold(_: FetchProgress) -> None:
    """The progress that nobody is told of."""


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """
    A path beside `target` to write to; it takes `target`'s place when the block ends well.

    Otherwise it is removed and `target` stays as it was. The path is this process's own: of two
    that write the same file each writes a whole one, and the later stays. What killed processes
    left beside it is removed.

    Raises:
        OSError: The system refuses; `cannot` has the words for it.
    """
    with scratch.own_file(target.name, target.parent) as part:
        yield part
        _sync(part)
        scratch.publish(part, target)
        sync_folder(target.parent)


def is_file(path: Path | str) -> bool:
    """Whether a file lies there; `path` may be any text, of names that no system takes too."""
    return os.path.isfile(path)  # noqa: PTH113 - that of Path raises for a name that is too long


def is_folder(path: Path | str) -> bool:
    """Whether a folder lies there; `path` may be any text."""
    return os.path.isdir(path)  # noqa: PTH112 - as above


def cannot(done: str, what: Path | str, error: OSError, advice: str) -> str:
    """
    What to say where the system refuses: "x.gguf cannot be read (Permission denied); ADVICE".

    Args:
        done: What was tried: "read", "written", "removed".
        what: To which file or folder.
        error: The system's.
        advice: What to do next.
    """
    return f"{what} cannot be {done} ({system_reason(error)}); {advice}"


def unreadable(path: Path, error: OSError) -> str:
    """`cannot` of a file that somebody named."""
    return cannot("read", path, error, "check the file and its permissions")


def system_reason(error: OSError) -> str:
    """The system's own words for an error; its kind where it has none."""
    return error.strerror or str(error) or type(error).__name__


def copy_verified(
    source: IO[bytes],
    target: Path,
    *,
    n_bytes: int,
    sha256: str,
    report: Callable[[int], None],
) -> None:
    """
    `target` with the bytes of `source`, once they are known to be the right ones.

    Args:
        target: Where they are to lie; its folder must exist.
        source: Read until it ends, or until it gives more than `n_bytes`.
        n_bytes: What must come.
        sha256: The digest they must have.
        report: Called with the number of bytes written so far.

    Raises:
        FetchFailed: Other bytes came, more, or fewer.
        OSError: The target cannot be written.
    """
    with atomic_write(target) as part:
        digest, n_done = hashlib.sha256(), 0
        with part.open("wb") as file:
            while chunk := source.read(_CHUNK_BYTES):
                n_done += len(chunk)
                if n_done > n_bytes:
                    break
                digest.update(chunk)
                file.write(chunk)
                report(n_done)
        if n_done != n_bytes or digest.hexdigest() != sha256:
            found = f"sha256 {digest.hexdigest()[:12]}…" if n_done == n_bytes else f"{n_done} bytes"
            wanted = f"{sha256[:12]}…" if n_done == n_bytes else f"{n_bytes}"
            raise FetchFailed(
                f"what came for {target.name} is not what the catalogue names ({found} instead "
                f"of {wanted}); it was thrown away: try again, and report it if it stays so"
            )


def require_space(
    directory: Path, n_bytes: int, what: str, *, variable: str = "HARNESS_CACHE"
) -> None:
    """
    Nothing, if `directory`'s disk can take `n_bytes` and some more.

    Args:
        directory: Where they are to go; it exists.
        n_bytes: How many there are.
        what: What needs them, for the message.
        variable: The environment variable that moves `directory`, for the message.

    Raises:
        FetchFailed: It cannot.
    """
    scratch.sweep(directory)
    free = free_bytes(directory)
    needed = n_bytes + _SPACE_MARGIN_BYTES
    if free < needed:
        raise FetchFailed(
            f"{what} needs {file_size(needed)} in {directory} and {file_size(free)} are free; "
            f"make room, or set {variable} to a folder on a larger disk"
        )


def free_bytes(directory: Path) -> int:
    """What the disk of `directory` has left."""
    return shutil.disk_usage(directory).free


def sync_folder(folder: Path) -> None:
    """Force the names in `folder` to disk, where the system lets one ask for that."""
    # Windows opens no folders, and some network file systems sync none.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync(path: Path) -> None:
    """Force the file's bytes to disk before its name points at them."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
