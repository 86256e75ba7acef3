"""
Files that anybody may have written, read with bounds, and the JSON in them.

Nothing here waits for a pipe, follows a sparse file to its end or takes memory without limit: what
is no ordinary file, or larger than anything the harness writes, is refused like a file that the
system refuses, as an OSError whose reason can be shown (`files.cannot`).
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from harness.units import file_size

MOST_LINE_BYTES = 32_000_000
"""
Of a line, or a file of one document. A Run of three workloads keeps some 3,000 times of steps, 40
kB; what a text of 5 million tokens tells of a model beside a reference is 28 MB.
"""

MOST_FILE_BYTES = 512_000_000
"""Of a file of lines: a sweep of 100 settings with 60 Runs each takes about half of it."""

# What CPython takes at most for each of these characters, by what they stand for: the next value of
# a list (a number and its place), a key (a text, a value and their places), a list, a dictionary.
# Of a line of empty lists, `[],` again and again, that is twenty times the line.
_MEMORY_BYTES = {b",": 40, b":": 150, b"[": 64, b"{": 64}
# And for each byte of the text: decoded, and in a value; one wide character makes all so wide.
_TEXT_MEMORY = 2
_WIDE_TEXT_MEMORY = 8
_MOST_MEMORY_BYTES = 190_000_000
"""Enough for three million numbers."""

_MOST_DIGITS_BYTES = 64
# What may begin a number that no count, time or size needs: 19 digits, or an exponent of three.
_LARGE_NUMBER = re.compile(rb"\d{19}|[eE][+]?\d{3}")
_MOST_INTEGER = 2**63


def open_regular(path: Path) -> IO[bytes]:
    """
    The file, opened for reading; a link is followed.

    Raises:
        OSError: It cannot be opened, or is a folder, a pipe or a device.
    """
    # A pipe that nobody writes to would be waited for without O_NONBLOCK; files do not know it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not an ordinary file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bounded(path: Path, n_bytes_max: int = MOST_LINE_BYTES) -> bytes:
    """
    All that is in the file.

    Raises:
        OSError: As `open_regular`, or it holds more than `n_bytes_max`.
    """
    with open_regular(path) as file:
        data = file.read(n_bytes_max + 1)
    if len(data) > n_bytes_max:
        raise _too_large(path, f"it is larger than {file_size(n_bytes_max)}")
    return data


def lines_of(path: Path) -> Iterator[bytes]:
    """
    The lines of the file, one after the other, without their line breaks.

    Raises:
        OSError: As `open_regular`, or a line has more than MOST_LINE_BYTES, or the file more than
            MOST_FILE_BYTES.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > MOST_FILE_BYTES:
            raise _too_large(path, f"it is larger than {file_size(MOST_FILE_BYTES)}")
        number = 1
        while line := line_of(file, path, number):
            yield line.removesuffix(b"\n")
            number += 1


def line_of(file: IO[bytes], path: Path, number: int) -> bytes:
    """
    The next line with its line break, nothing at the end; `path` and `number` for the message.

    Raises:
        OSError: It has more than MOST_LINE_BYTES.
    """
    line = file.readline(MOST_LINE_BYTES + 1)
    if len(line) > MOST_LINE_BYTES:
        raise _too_large(path, f"its line {number} is longer than {file_size(MOST_LINE_BYTES)}")
    return line


def parsed_json(text: bytes) -> Any:
    """
    The value that `text` tells.

    Raises:
        ValueError: It is no JSON, or holds more values, larger numbers or deeper nesting than
            anything the harness writes.
    """
    if _memory_bytes(text) > _MOST_MEMORY_BYTES:
        raise ValueError("it holds more values than anything the harness writes")
    # Asked about each number, these would cost a third of the time that reading takes.
    has_large = _LARGE_NUMBER.search(text)
    try:
        return json.loads(
            text,
            parse_constant=_refuse,
            parse_int=_integer if has_large else None,
            parse_float=_finite if has_large else None,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("it is not JSON") from None


def _memory_bytes(text: bytes) -> int:
    """What `text` would take at most, itself not counted."""
    values = sum(each * text.count(mark) for mark, each in _MEMORY_BYTES.items())
    return values + len(text) * (_TEXT_MEMORY if text.isascii() else _WIDE_TEXT_MEMORY)


def _integer(text: str) -> int:
    value = int(text) if len(text) <= _MOST_DIGITS_BYTES else _MOST_INTEGER
    if abs(value) >= _MOST_INTEGER:
        raise ValueError("a number is larger than any count, time or size")
    return value


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text[:_MOST_DIGITS_BYTES])


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _too_large(path: Path, reason: str) -> OSError:
    return OSError(errno.EFBIG, reason, str(path))
