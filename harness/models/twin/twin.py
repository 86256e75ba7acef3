"""
The random-weight twin of a model: its true header, and made-up weights behind it.

The engine reads it like the model itself, and takes as long: time goes by sizes and types, not by
values. What it says means nothing.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np

from harness import scratch
from harness.bounded import open_regular
from harness.errors import FetchFailed
from harness.files import FetchProgress, OnProgress, atomic_write, cannot, require_space
from harness.models.gguf.part import HeaderPart
from harness.models.gguf.split import split_part
from harness.models.model import Model
from harness.models.twin.stocks import Stocks, stocks_for
from harness.schema.model import ModelFile
from harness.units import file_size

# Files are written in such pieces, as copies of files are: pages that came in one piece lie side by
# side in memory. Written tensor by tensor, the twin of a model of 98 MB decoded at 0.962 (0.929 to
# 0.997, 25 pairs) of its own copy.
_PIECE_BYTES = 8 << 20
_SEED = 20261123
# As large as the hub lets a file be, and so the parts of published models.
_SPLIT_BYTES = 50 * 10**9


def twin_file(found: Model) -> ModelFile:
    """What experiments say of the twin of what was found."""
    n_bytes = sum(part.n_bytes for part in found.parts)
    return found.file.model_copy(update={"n_bytes": n_bytes, "sha256": None, "is_twin": True})


@contextmanager
def twin_of(
    found: Model, directory: Path, report: OnProgress, *, keeps: bool = False
) -> Iterator[Path]:
    """
    The first file of the twin of what was found, in a folder of its own under `directory`.

    Where the file system holds no file so large, it is split as gguf-split does. A whole one that
    was kept there is taken as it is. Otherwise it is written, and removed at the end, also when the
    block is interrupted, unless `keeps`. What a killed process left there is removed.

    Raises:
        FetchFailed: No room, or a file system that cannot hold it.
        ModelInvalid: A type of weights that cannot be made up.
    """
    name = f"twin-{re.sub(r'[^A-Za-z0-9._-]+', '-', found.key)}"
    twin = _Twin(found.key, directory / name, directory / name, found.parts)
    scratch.sweep(directory)
    with contextlib.ExitStack() as stack:
        if not keeps and not twin.is_kept():
            with _explained(twin):
                directory.mkdir(parents=True, exist_ok=True)
                twin.folder = stack.enter_context(scratch.own_folder(name, directory))
        _make(twin, report)
        yield twin.paths[0]


@dataclass
class _Twin:
    """
    What is to be made in `folder`, and of which parts; more of them where a file system asks for
    it. Those that were kept lie in another one.
    """

    key: str
    folder: Path
    kept: Path
    parts: tuple[HeaderPart, ...]

    @property
    def paths(self) -> list[Path]:
        return [self.folder / part.file_name for part in self.parts]

    def is_kept(self) -> bool:
        """Whether all of it was kept; then it is that."""
        is_whole = all(_is_twin(self.kept / part.file_name, part) for part in self.parts)
        if is_whole:
            self.folder = self.kept
        return is_whole


class _FileTooLargeError(Exception):
    """So many bytes of a part are in a file when the file system takes no more."""

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes


def _make(twin: _Twin, report: OnProgress) -> None:
    """The twin, whole, where `twin` says, unless it was kept."""
    if twin.is_kept():
        return
    try:
        _write_all(twin, report)
    except _FileTooLargeError as error:
        largest = max(twin.parts, key=lambda part: part.n_bytes)
        smaller = split_part(twin.parts[0], min(error.n_bytes, _SPLIT_BYTES))
        if len(twin.parts) > 1 or smaller is None:
            raise FetchFailed(
                f"the file system of {twin.folder} holds no file of {file_size(largest.n_bytes)}, "
                f"which the twin of {twin.key} needs; choose a folder on another one with --dir"
            ) from error
        twin.parts = smaller
        if not twin.is_kept():
            _write_all(twin, report)


def _is_twin(path: Path, part: HeaderPart) -> bool:
    """Whether `path` is a whole twin of `part`: files take their name only when they are whole."""
    try:
        if path.stat().st_size != part.n_bytes:
            return False
        with open_regular(path) as file:
            return file.read(len(part.data)) == part.data
    except OSError:
        return False


def _write_all(twin: _Twin, report: OnProgress) -> None:
    n_bytes = sum(part.n_bytes for part in twin.parts)
    what = f"the twin of {twin.key}"
    n_done = n_before = 0

    def advance(n_more: int) -> None:
        nonlocal n_done
        n_done += n_more
        report(FetchProgress(twin.key, "generating", n_done, n_bytes))

    with _explained(twin):
        twin.folder.mkdir(parents=True, exist_ok=True)
        require_space(twin.folder, n_bytes, what, variable="--dir")
        stocks = stocks_for(twin.parts, np.random.default_rng(_SEED))
        for path, part in zip(twin.paths, twin.parts, strict=True):
            n_before = n_done
            try:
                write_twin(path, part, stocks, advance)
            except OSError as error:
                if error.errno == errno.EFBIG:
                    raise _FileTooLargeError(n_done - n_before) from error
                raise


@contextmanager
def _explained(twin: _Twin) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = "make room or mend the permissions, or choose another folder with --dir"
        what = f"the twin of {twin.key}"
        where = f"written to {twin.folder}"
        raise FetchFailed(cannot(where, what, error, advice)) from error


def write_twin(
    path: Path, part: HeaderPart, stocks: Stocks, advance: Callable[[int], None]
) -> None:
    """
    One file of a twin at `path`, whole or not at all, and forced to disk.

    Forced, because a disk that still writes would disturb what is measured next.

    Args:
        path: Its folder must exist.
        part: The header, and how large the file is.
        stocks: Where weights come from.
        advance: Told how many more bytes are written.

    Raises:
        OSError: It cannot be written.
    """
    header = part.header
    with atomic_write(path) as unfinished, unfinished.open("wb", buffering=0) as file:
        pieces = _Pieces(file, advance)
        pieces.add(memoryview(part.data))
        for tensor in header.tensors:
            for piece in stocks.pieces(tensor):
                pieces.add(piece)
            pieces.add(memoryview(bytes(-tensor.n_bytes % header.alignment)))
        pieces.flush()
        # The last tensor needs no padding, and a true file may have something behind it.
        file.truncate(part.n_bytes)


class _Pieces:
    """
    Bytes on their way to a file, written in whole pieces; `advance` is told how many each time.
    """

    def __init__(self, file: FileIO, advance: Callable[[int], None]) -> None:
        self._file = file
        self._advance = advance
        self._buffer = memoryview(bytearray(_PIECE_BYTES))
        self._n_held = 0

    def add(self, data: memoryview) -> None:
        """Takes all of `data`, single bytes, and writes as many pieces as are full."""
        while data:
            n = min(len(data), _PIECE_BYTES - self._n_held)
            self._buffer[self._n_held : self._n_held + n] = data[:n]
            self._n_held += n
            data = data[n:]
            if self._n_held == _PIECE_BYTES:
                self.flush()

    def flush(self) -> None:
        """Writes what is held."""
        left = self._buffer[: self._n_held]
        while left:
            # An unbuffered write may take less than it is given.
            n = self._file.write(left) or 0
            left = left[n:]
            self._advance(n)
        self._n_held = 0
