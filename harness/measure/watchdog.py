"""When a worker has been silent for too long, and what ends it then."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass
from time import perf_counter_ns

_LEAST_NS = 30 * 1_000_000_000
"""Within it TCP repeats what was lost some six times: a network may come back."""
_TIMES = 10
"""A trial that takes so many times the longest one before it is no measurement any more."""


@dataclass(frozen=True)
class Silence:
    """
    Of `silence_ns`, for which a process was ended; `before_ns` is the longest one before it in the
    same place, where that is what made it too long.
    """

    silence_ns: int
    before_ns: int | None


class Watchdog:
    """
    Ends a process that has not been heard of for too long.

    Args:
        process: Which.
        silence_ns: How long that is.
        learns: Whether less is enough where it was heard of sooner in the same place before. For
            whoever computes on other machines: one that is stopped looks like one that computes.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], silence_ns: int, *, learns: bool = False
    ) -> None:
        self._process = process
        self._silence_ns = silence_ns
        self._learns = learns
        self._longest_ns: dict[str, int] = {}
        self._place = ""
        self._since_ns = 0
        self._timer: threading.Timer | None = None
        self.bitten: Silence | None = None

    def restart(self, place: str) -> None:
        """
        It was heard of just now; `place` is the same where it goes on with the same as before.
        """
        self.stop()
        self._place, self._since_ns = place, perf_counter_ns()
        limit = self._limit()
        self._timer = threading.Timer(limit.silence_ns / 1e9, self._bite, [limit])
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """It was heard of; no more watching."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
            taken_ns = perf_counter_ns() - self._since_ns
            self._longest_ns[self._place] = max(taken_ns, self._longest_ns.get(self._place, 0))

    def _limit(self) -> Silence:
        before_ns = self._longest_ns.get(self._place)
        if self._learns and before_ns is not None:
            enough_ns = max(_LEAST_NS, _TIMES * before_ns)
            if enough_ns < self._silence_ns:
                return Silence(enough_ns, before_ns)
        return Silence(self._silence_ns, None)

    def _bite(self, limit: Silence) -> None:
        self.bitten = limit
        self._process.kill()
