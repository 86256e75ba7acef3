"""
A load that comes and goes, and the record of when it did.

As a program, it is the load itself: `busy.py ON_MS PERIOD_MS` computes for ON_MS in every
PERIOD_MS and prints a time stamp (perf_counter, the same clock for all processes) at each change.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns, sleep

_NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class Interval:
    """A stretch of time, in perf_counter_ns."""

    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        """How long it lasts."""
        return self.end_ns - self.start_ns


@dataclass
class Timeline:
    """When there was load; complete once the load has ended."""

    bursts: list[Interval] = field(default_factory=list)

    def overlap_ratio(self, stretch: Interval) -> float:
        """The share of `stretch` during which there was load."""
        if stretch.length_ns <= 0:
            return 0.0
        covered = (
            min(burst.end_ns, stretch.end_ns) - max(burst.start_ns, stretch.start_ns)
            for burst in self.bursts
        )
        return sum(max(0, ns) for ns in covered) / stretch.length_ns


@contextmanager
def load(n_processes: int, on_ms: int, period_ms: int) -> Iterator[Timeline]:
    """
    Load on `n_processes` cores for as long as the block runs, all of them at the same time.

    The timeline is that of the first process: they follow one clock.
    """
    timeline = Timeline()
    command = [sys.executable, "-P", str(Path(__file__)), str(on_ms), str(period_ms)]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(n_processes)
    ]
    try:
        yield timeline
    finally:
        for child in children:
            child.kill()
        said = [child.communicate()[0] for child in children]
        timeline.bursts.extend(bursts(said[0].splitlines(), perf_counter_ns()))


def bursts(lines: Sequence[str], now_ns: int) -> list[Interval]:
    """The bursts that a load's time stamps tell of; one that was cut off ended at `now_ns`."""
    stamps = [int(line) for line in lines if line.strip()]
    ends = [*stamps[1::2], now_ns]
    return [Interval(start, end) for start, end in zip(stamps[::2], ends, strict=False)]


def _be_the_load(on_ms: int, period_ms: int) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # nobody is left to end it otherwise
        into_period_ns = perf_counter_ns() % (period_ms * _NS_PER_MS)
        left_ns = on_ms * _NS_PER_MS - into_period_ns
        if left_ns > 0:
            _burn(left_ns)
        else:
            sleep((period_ms * _NS_PER_MS - into_period_ns) / 1e9)


def _burn(ns: int) -> None:
    started_ns = perf_counter_ns()
    print(started_ns, flush=True)
    while perf_counter_ns() - started_ns < ns:
        pass
    print(perf_counter_ns(), flush=True)


if __name__ == "__main__":
    _be_the_load(int(sys.argv[1]), int(sys.argv[2]))
