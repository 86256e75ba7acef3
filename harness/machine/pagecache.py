"""How much of a file lies in memory already, and how to get it out: cold and warm loads."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# One window's answer is a byte for each page: 64 KiB for 256 MiB. Windows keep the address space
# used for a file of hundreds of GB small.
_WINDOW_BYTES = 256 << 20
_PROT_READ, _MAP_SHARED, _MS_INVALIDATE = 1, 1, 2
_MAP_FAILED = ctypes.c_void_p(-1).value
# Only the lowest bit of mincore's bytes says "resident"; the others differ between systems.
_IS_RESIDENT = bytes(value & 1 for value in range(256))


def cached_ratio(path: Path) -> float | None:
    """
    Share of the file's pages in the page cache, 0 to 1; its pages are not touched.

    None where it cannot be known: on Windows, for an empty file, and on Linux for a file that we
    may not write (the kernel then answers "all", so as not to betray what others read).
    """
    if _libc() is None or not _may_ask(path):
        return None
    counts: list[int] = []
    n_bytes = path.stat().st_size

    def count(address: int, n_window_bytes: int) -> bool:
        resident = _count_resident(address, n_window_bytes)
        counts.append(resident or 0)
        return resident is not None

    if n_bytes == 0 or not _for_each_window(path, n_bytes, count):
        return None
    return sum(counts) / _n_pages(n_bytes)


def evict(path: Path) -> None:
    """
    Ask the system to forget the file's pages; ask `cached_ratio` whether it did.

    Pages that a process maps or that are not written to disk yet stay. Needs no privilege; does
    nothing where there is no way (Windows).
    """
    if sys.platform == "linux":
        with _opened(path) as file:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    elif sys.platform == "darwin":
        n_bytes = path.stat().st_size
        _for_each_window(path, n_bytes, _invalidate)


def _for_each_window(path: Path, n_bytes: int, visit: Callable[[int, int], bool]) -> bool:
    """Map the file window by window; False as soon as one cannot be mapped or visited."""
    libc = _libc()
    if libc is None:
        return False
    with _opened(path) as file:
        for offset in range(0, n_bytes, _WINDOW_BYTES):
            n_window_bytes = min(_WINDOW_BYTES, n_bytes - offset)
            address = libc.mmap(None, n_window_bytes, _PROT_READ, _MAP_SHARED, file, offset)
            if address in (None, _MAP_FAILED):
                return False
            try:
                if not visit(address, n_window_bytes):
                    return False
            finally:
                libc.munmap(address, n_window_bytes)
    return True


def _count_resident(address: int, n_bytes: int) -> int | None:
    libc = _libc()
    answer = ctypes.create_string_buffer(_n_pages(n_bytes))
    if libc is None or libc.mincore(address, n_bytes, answer) != 0:
        return None
    return answer.raw.translate(_IS_RESIDENT).count(1)


def _invalidate(address: int, n_bytes: int) -> bool:
    libc = _libc()
    return libc is not None and libc.msync(address, n_bytes, _MS_INVALIDATE) == 0


def _may_ask(path: Path) -> bool:
    if sys.platform != "linux":
        return True
    return os.access(path, os.W_OK) or path.stat().st_uid == os.geteuid()


def _n_pages(n_bytes: int) -> int:
    page_bytes = os.sysconf("SC_PAGE_SIZE") if sys.platform != "win32" else 4096
    return -(-n_bytes // page_bytes)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


@functools.cache
def _libc() -> ctypes.CDLL | None:
    if sys.platform == "win32":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int64,  # off_t is 64 bits on every 64-bit Unix
    )
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    libc.msync.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p)
    return libc
