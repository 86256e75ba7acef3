"""
The digest of a file while it grows, computed by a thread that reads behind the writer.

It reads what lies in the file and not what came over the network, so a resumed file is hashed
from its first byte while its rest is still coming, and a write that went wrong is noticed.
hashlib and reading both release the interpreter's lock: with two cores it costs the writer nothing.
It also has what it has hashed written to the disk, little by little.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.models.hub.files import Digest

_CHUNK_BYTES = 1 << 20
# How much is left to the system before it is told to write: waiting for 64 MB takes a slow disk
# half a second. Left to the end, a gigabyte would take its whole time after the last byte came.
_SYNC_BYTES = 64 << 20


class FollowingHash:
    """
    Hashes `path`, which must exist, as far as `reach` says it has been written.

    Args:
        path: The growing file; it must not shrink: make a new object then.
        digest: Which kind of hash.
        n_bytes: How long the file will be.
    """

    def __init__(self, path: Path, digest: Digest, n_bytes: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._hasher = digest.hasher(n_bytes)
        self._n_bytes = n_bytes
        self._news = threading.Condition()
        self._n_reached = 0
        self._n_hashed = 0
        self._is_closed = False
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._follow, name="hash", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    @property
    def n_hashed(self) -> int:
        """How far it is."""
        return self._n_hashed

    def reach(self, n_bytes: int) -> None:
        """Says that the first `n_bytes` are written."""
        # Waking it for less than it reads at once would cost the writer more than the hashing.
        is_worth_it = n_bytes - self._n_reached >= _CHUNK_BYTES or n_bytes >= self._n_bytes
        if is_worth_it:
            with self._news:
                self._n_reached = n_bytes
                self._news.notify()

    def wait(self, timeout_s: float) -> bool:
        """Whether all is hashed, after waiting for that at most so long."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def hexdigest(self) -> str:
        """
        The digest, once `wait` has said that all is hashed.

        Raises:
            OSError: The file could not be read.
        """
        assert not self._thread.is_alive()
        if self._error:
            raise self._error
        return self._hasher.hexdigest()

    def close(self) -> None:
        """Ends the thread, finished or not."""
        with self._news:
            self._is_closed = True
            self._news.notify()
        self._thread.join()
        self._file.close()

    def _follow(self) -> None:
        buffer, n_synced = memoryview(bytearray(_CHUNK_BYTES)), 0
        try:
            while self._n_hashed < self._n_bytes:
                n_ready = self._wait_for_bytes()
                if n_ready == 0:
                    return
                n_read = self._file.readinto(buffer[: min(n_ready, _CHUNK_BYTES)])
                if not n_read:
                    raise OSError(f"{self._file.name} became shorter while it was read")
                self._hasher.update(buffer[:n_read])
                self._n_hashed += n_read
                if self._n_hashed - n_synced >= _SYNC_BYTES and hasattr(os, "fdatasync"):
                    os.fdatasync(self._file.fileno())
                    n_synced = self._n_hashed
        except OSError as error:
            self._error = error

    def _wait_for_bytes(self) -> int:
        """How many bytes can be read; 0 means that the end has come before them."""
        with self._news:
            while self._n_reached == self._n_hashed and not self._is_closed:
                self._news.wait()
            return 0 if self._is_closed else self._n_reached - self._n_hashed
