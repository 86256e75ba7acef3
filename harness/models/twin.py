"""
The random-weight twin of a model: its true header, and made-up weights behind it.

The engine reads it like the model itself, and takes as long: time goes by sizes and types, not by
values. What it says means nothing.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.random import Generator

from harness.errors import FetchFailed
from harness.models.gguf import Tensor
from harness.models.headers import FoundHeaders, HeaderPart
from harness.models.tensor_types import TENSOR_TYPES
from harness.models.transfer import FetchProgress, OnProgress, require_space, written_whole
from harness.models.twin_blocks import EMBEDDING_RMS, WEIGHT_RMS, random_blocks, stored
from harness.models.twin_tensors import small_numbers
from harness.schema import ModelFile
from harness.units import file_size

# Random weights are made once a type and written again and again: making 12 GB of them would take
# longer than writing. Large enough that no cache of a processor holds it and no file system
# finds the repetition, small enough to be made in some milliseconds.
_STOCK_BYTES = 8 << 20
_SEED = 20261123
_BLOCKS = {kind.name: kind for kind in TENSOR_TYPES.values()}
_FLOATS = ("F32", "F16", "BF16", "F64")


def twin_file(found: FoundHeaders) -> ModelFile:
    """What experiments say of the twin of what was found."""
    n_bytes = sum(part.n_bytes for part in found.parts)
    return found.file.model_copy(update={"n_bytes": n_bytes, "sha256": None, "is_twin": True})


@contextmanager
def twin_of(
    found: FoundHeaders, directory: Path, report: OnProgress, *, keeps: bool = False
) -> Iterator[Path]:
    """
    The first file of the twin of what was found, in a folder of its own under `directory`.

    A whole one that was kept there is taken as it is. Otherwise it is written, and removed at the
    end, also when the block is interrupted, unless `keeps`.

    Raises:
        FetchFailed: No room, or a file system that cannot hold it.
        ModelInvalid: A type of weights that cannot be made up.
    """
    folder = directory / f"twin-{re.sub(r'[^A-Za-z0-9._-]+', '-', found.key)}"
    paths = [folder / part.file_name for part in found.parts]
    was_kept = all(map(_is_twin, paths, found.parts))
    try:
        if not was_kept:
            _write_all(found, paths, report)
        yield paths[0]
    finally:
        if not (keeps or was_kept):
            for path in paths:
                path.unlink(missing_ok=True)
            # Something else in it, or it never came to be: then it is not ours to remove.
            with contextlib.suppress(OSError):
                folder.rmdir()


def _is_twin(path: Path, part: HeaderPart) -> bool:
    """Whether `path` is a whole twin of `part`: files take their name only when they are whole."""
    try:
        if path.stat().st_size != part.n_bytes:
            return False
        with path.open("rb") as file:
            return file.read(len(part.data)) == part.data
    except OSError:
        return False


def _write_all(found: FoundHeaders, paths: Sequence[Path], report: OnProgress) -> None:
    folder, n_bytes = paths[0].parent, sum(part.n_bytes for part in found.parts)
    what = f"the twin of {found.key}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_space(folder, n_bytes, what, variable="--dir")
        n_done = 0

        def advance(n_more: int) -> None:
            nonlocal n_done
            n_done += n_more
            report(FetchProgress(found.key, "generating", n_done, n_bytes))

        stocks = Stocks(np.random.default_rng(_SEED))
        for path, part in zip(paths, found.parts, strict=True):
            write_twin(path, part, stocks, advance)
    except OSError as error:
        raise _explained(error, folder, what, max(part.n_bytes for part in found.parts)) from error


def _explained(error: OSError, folder: Path, what: str, n_bytes: int) -> FetchFailed:
    if error.errno == errno.EFBIG:
        return FetchFailed(
            f"the file system of {folder} holds no file of {file_size(n_bytes)}, which {what} "
            "needs; choose a folder on another one with --dir"
        )
    return FetchFailed(
        f"{what} cannot be written to {folder} ({error.strerror}); make room or mend the "
        "permissions, or choose another folder with --dir"
    )


class Stocks:
    """Random weights of each type, made when first needed and used again from changing places."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self._stocks: dict[tuple[str, float], memoryview] = {}

    def pieces(self, tensor: Tensor) -> Iterator[memoryview]:
        """The data of `tensor`, in pieces of at most some megabytes."""
        if tensor.type_name in _FLOATS:
            numbers = small_numbers(tensor, self.rng)
            if numbers is not None:
                yield stored(numbers, tensor.type_name).data
                return
        block_bytes = _BLOCKS[tensor.type_name].block_bytes
        rms = EMBEDDING_RMS if "token_embd." in tensor.name else WEIGHT_RMS
        stock = self._stock(tensor.type_name, rms)
        start = int(self.rng.integers(len(stock) // block_bytes)) * block_bytes
        n_left = tensor.n_bytes
        while n_left:
            piece = stock[start : start + n_left]
            yield piece
            n_left -= len(piece)
            start = 0

    def _stock(self, type_name: str, rms: float) -> memoryview:
        if (type_name, rms) not in self._stocks:
            # A prime number of blocks shares no factor with a row, so rows do not repeat.
            n_blocks = _prime_below(_STOCK_BYTES // _BLOCKS[type_name].block_bytes)
            blocks = random_blocks(type_name, n_blocks, self.rng, rms)
            self._stocks[type_name, rms] = blocks.reshape(-1).data
        return self._stocks[type_name, rms]


def _prime_below(n: int) -> int:
    while any(n % divisor == 0 for divisor in range(2, int(n**0.5) + 1)):
        n -= 1
    return n


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
    with written_whole(path) as unfinished, unfinished.open("wb", buffering=0) as file:
        _write(file, memoryview(part.data))
        for tensor in header.tensors:
            for piece in stocks.pieces(tensor):
                _write(file, piece)
                advance(len(piece))
            _write(file, memoryview(bytes(-tensor.n_bytes % header.alignment)))
        # The last tensor needs no padding, and a true file may have something behind it.
        file.truncate(part.n_bytes)


def _write(file: FileIO, data: memoryview) -> None:
    # An unbuffered write may take less than it is given.
    while data:
        data = data[file.write(data) or 0 :]
