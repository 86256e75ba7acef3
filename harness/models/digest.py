"""
The sha256 of a file, computed once: the answer is kept in the cache folder.

It holds as long as the file keeps its place, size, time of change and inode; a 12 GB model is
not read again on each start.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import platformdirs

from harness.bounded import open_regular, parsed_json, read_bounded
from harness.errors import ModelInvalid
from harness.files import FetchProgress, OnProgress, atomic_write, unreadable
from harness.models.hub.files import Hasher

_CHUNK_BYTES = 1 << 20
# A path has 4,096 bytes on Linux, written as "\\u0000" six times as many.
_MOST_MEMO_BYTES = 64_000


def cache_dir() -> Path:
    """Where weights and digests are kept: HARNESS_CACHE, or the platform's cache folder."""
    override = os.environ.get("HARNESS_CACHE")
    if override:
        return Path(override).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("inference-harness", appauthor=False))


def sha256_of(path: Path, on_progress: OnProgress | None = None, *, afresh: bool = False) -> str:
    """
    The sha256 of the file, in hexadecimal; from memory when it was computed before.

    Args:
        path: A regular file.
        on_progress: Called about every MB while the file is read.
        afresh: Read it even so.

    Raises:
        ModelInvalid: The file cannot be read.
    """
    try:
        stamp = _stamp(path)
        if not afresh and (known := _remembered(stamp)):
            return known
        sha256 = hash_file(path, hashlib.sha256(), on_progress)
        # A file that grew or changed meanwhile has no digest worth keeping.
        if _stamp(path) == stamp:
            _keep(stamp, sha256)
    except OSError as error:
        raise ModelInvalid(unreadable(path, error)) from error
    return sha256


def sha256_of_parts(paths: Sequence[Path], on_progress: OnProgress | None = None) -> str:
    """
    One sha256 for a model: its file's, or that which `joint_sha256` makes of its parts'.

    Raises:
        ModelInvalid: As `sha256_of`.
    """
    return joint_sha256([sha256_of(path, on_progress) for path in paths])


def joint_sha256(digests: Sequence[str]) -> str:
    """
    The only digest there is; of several, in their order, the sha256 of one hexadecimal line each.

    `sha256sum PARTS | cut -c1-64 | sha256sum` prints the same.
    """
    if len(digests) == 1:
        return digests[0]
    lines = "".join(f"{digest}\n" for digest in digests)
    return hashlib.sha256(lines.encode()).hexdigest()


def hash_file(path: Path, hasher: Hasher, on_progress: OnProgress | None = None) -> str:
    """
    The file's digest by `hasher`, in hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    n_done = 0
    with open_regular(path) as file:
        n_total = os.fstat(file.fileno()).st_size
        while chunk := file.read(_CHUNK_BYTES):
            hasher.update(memoryview(chunk))
            n_done += len(chunk)
            if on_progress:
                on_progress(FetchProgress(path.name, "verifying", n_done, n_total))
    return hasher.hexdigest()


def recalled(path: Path) -> str | None:
    """The sha256 computed before of the file as it is now; None if there was none."""
    try:
        return _remembered(_stamp(path))
    except OSError:
        return None


def remember(path: Path, sha256: str) -> None:
    """Keep a digest that was computed while the file was written."""
    _keep(_stamp(path), sha256)


_Stamp = dict[str, str | int]


def _stamp(path: Path) -> _Stamp:
    """What must stay the same for a digest to hold."""
    resolved = path.resolve()
    status = resolved.stat()
    return {
        "path": str(resolved),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "inode": status.st_ino,
    }


def _memo(stamp: _Stamp) -> Path:
    name = hashlib.sha256(str(stamp["path"]).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return cache_dir() / "digests" / f"{name}.json"


def _remembered(stamp: _Stamp) -> str | None:
    try:
        entry = parsed_json(read_bounded(_memo(stamp), _MOST_MEMO_BYTES))
    except (OSError, ValueError):
        return None  # never computed, or a memo that cannot be read: compute
    if not isinstance(entry, dict):
        return None
    sha256 = entry.pop("sha256", None)
    return sha256 if entry == stamp and isinstance(sha256, str) else None


def _keep(stamp: _Stamp, sha256: str) -> None:
    # A cache that cannot be written costs the next start some seconds, never this one its answer.
    with suppress(OSError):
        memo = _memo(stamp)
        memo.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(memo) as part:
            part.write_text(json.dumps({**stamp, "sha256": sha256}), encoding="ascii")
