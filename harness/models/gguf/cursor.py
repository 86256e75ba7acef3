"""
Reading forward through a file that may lie about its lengths.

Every read is checked against the size of the file before it happens, so a damaged length costs
an error and never an allocation.
"""

from __future__ import annotations

import struct
from typing import NoReturn, Protocol

from harness.errors import ModelInvalid

# Real headers take 2 to 20 MB (the vocabulary). The limit keeps a hostile one under a second.
MAX_HEADER_BYTES = 256 << 20
# One read of the file: all but the vocabulary and the tensors fits. Where more is sure to be needed
# (every string has a length of 8 bytes) up to the larger, so that a remote file takes few requests.
_WINDOW_BYTES = 64 << 10
_MAX_WINDOW_BYTES = 4 << 20
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class Readable(Protocol):
    """What is asked of a file: one on disk, in memory or far away."""

    def seek(self, offset: int, /) -> int:
        """Where the next reading begins, in bytes from the start."""

    def read(self, n_bytes: int, /) -> bytes:
        """The next `n_bytes`; fewer only at the end."""


class Cursor:
    """
    A position in a little-endian file, moving forward only.

    Args:
        file: Any seekable binary file object.
        size: Its total size in bytes.
        name: What error messages call it.
    """

    def __init__(self, file: Readable, size: int, name: str) -> None:
        self._file = file
        self._size = size
        self.name = name
        self._window = b""
        self._window_start = 0
        self.position = 0

    @property
    def remaining(self) -> int:
        """Bytes between here and the end of the file."""
        return self._size - self.position

    def fail(self, what: str) -> NoReturn:
        """Raise ModelInvalid: `what` is wrong here."""
        raise ModelInvalid(
            f"{self.name} is not a usable GGUF: {what} (byte {self.position}); "
            "download it again, or convert it again"
        )

    def take(self, n_bytes: int, what: str) -> bytes:
        """The next `n_bytes`, or ModelInvalid if the file ends before."""
        start = self.position - self._window_start
        end = start + n_bytes
        # Nearly always it is here already, and tables of tensors are read hundreds at a time.
        if start >= 0 and end <= len(self._window) and self._window_start + end <= MAX_HEADER_BYTES:
            self.position += n_bytes
            return self._window[start:end]
        self._require(n_bytes, what)
        if n_bytes > _WINDOW_BYTES:
            self._file.seek(self.position)
            taken = self._file.read(n_bytes)
        else:
            self._fill(n_bytes)
            at = self.position - self._window_start
            taken = self._window[at : at + n_bytes]
        if len(taken) != n_bytes:
            self.fail(f"the file ends inside {what}")
        self.position += n_bytes
        return taken

    def skip(self, n_bytes: int, what: str) -> None:
        """Move on by `n_bytes` without reading them."""
        self._require(n_bytes, what)
        self.position += n_bytes

    def numbers(self, numbers: struct.Struct, what: str) -> tuple[int, ...]:
        """The next numbers, of the sizes that `numbers` says."""
        return numbers.unpack(self.take(numbers.size, what))

    def u32(self, what: str) -> int:
        """The next unsigned 32-bit number."""
        value: int = _U32.unpack(self.take(4, what))[0]
        return value

    def u64(self, what: str) -> int:
        """The next unsigned 64-bit number."""
        value: int = _U64.unpack(self.take(8, what))[0]
        return value

    def skip_strings(self, count: int, what: str) -> None:
        """Move past `count` strings, each a 64-bit length and its bytes."""
        start = self.position
        length_at = _U64.unpack_from
        left = count
        while left:
            self._require(8, what)
            self._fill(8, sure_bytes=8 * left)
            window, first = self._window, self.position - self._window_start
            at, n_before = first, left
            try:
                # The end of the window ends the loop: asking each time takes half as long again.
                for left in range(n_before, 0, -1):  # noqa: B007
                    at += 8 + length_at(window, at)[0]
                left = 0
            except (struct.error, OverflowError):
                if at == first:
                    self.fail(f"the file ends inside {what}")
            end = self._window_start + at
            if end > min(self._size, MAX_HEADER_BYTES):
                self.position = start
                self.fail(f"a string in {what} is longer than the rest of the file")
            self.position = end

    def _require(self, n_bytes: int, what: str) -> None:
        if n_bytes > self.remaining:
            self.fail(f"{what} takes {n_bytes} bytes where {self.remaining} are left")
        if self.position + n_bytes > MAX_HEADER_BYTES:
            self.fail(f"{what} ends beyond {MAX_HEADER_BYTES} bytes of header")

    def _fill(self, n_bytes: int, sure_bytes: int = 0) -> None:
        """Have at least `n_bytes` from the position on in the window, if the file has them."""
        at = self.position - self._window_start
        if at < 0 or at + n_bytes > len(self._window):
            self._file.seek(self.position)
            self._window = self._file.read(max(_WINDOW_BYTES, min(sure_bytes, _MAX_WINDOW_BYTES)))
            self._window_start = self.position
