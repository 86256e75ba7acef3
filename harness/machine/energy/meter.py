"""
What every energy meter offers, and the one way to use counters that only ever grow.

Read at the edges of a window only. A thread that samples power would be the noise it looks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Protocol

from harness.schema.machine import Energy, EnergyKind, EnergySource

# No socket or board of one counter draws a kilowatt for long: the largest CPUs and GPUs are
# specified at 500 to 700 W. A counter that comes round after N joules therefore cannot come round
# twice within N / 1000 seconds; of a longer window nobody could tell how often it did.
_MOST_WATTS = 1000

# Two counters of one kind that differ by less are the same one, shown twice: read some µs apart, at
# hundreds of watts, they differ by some mJ. Counters run to 65 kJ and more, so two that are not the
# same agree this well once in half a million times.
_SAME_JOULES = 0.1
# Below this a counter has hardly begun, and agreeing means nothing.
_BEGUN_JOULES = 1.0


class SourceMissing(Exception):
    """A source of energy figures is not there or not for us; the text is the reason."""


class Meter(Protocol):
    """Energy between two moments. A meter that breaks meanwhile tells less, and never raises."""

    def begin(self) -> None:
        """A window begins; one that was open is forgotten."""

    def end(self) -> tuple[Energy, ...]:
        """What each domain took since `begin`; without those that could not be read."""


@dataclass(frozen=True, slots=True)
class Counter:
    """
    One counter of a source: what it counts, in what unit, how finely.

    `n_round` is the number of units after which it begins at 0 again; None: it never does.
    """

    domain: str
    kind: EnergyKind
    joules_per_unit: float
    step_joules: float
    refresh_ns: int | None = None
    n_round: int | None = None


class CounterMeter:
    """
    A meter of counters that grow.

    Args:
        source: Whose counters they are.
        counters: What is counted.
        read: The counters' values now, in their order, all in one go; None for one that does not
            answer.
    """

    def __init__(
        self,
        source: EnergySource,
        counters: Sequence[Counter],
        read: Callable[[], Sequence[int | None]],
    ) -> None:
        self._source = source
        self._counters = tuple(counters)
        self._read = read
        self._began_ns = 0
        self._before: Sequence[int | None] = ()

    def begin(self) -> None:
        """A window begins."""
        # At both edges the clock is read first: the same delay on both sides cancels.
        self._began_ns = perf_counter_ns()
        self._before = self._read()

    def end(self) -> tuple[Energy, ...]:
        """What was counted since `begin`."""
        window_ns = max(1, perf_counter_ns() - self._began_ns)
        before, self._before = self._before, ()
        after = self._read() if before else ()
        found = []
        for counter, first, last in zip(self._counters, before, after, strict=False):
            n_units = counted(counter, first, last, window_ns)
            if n_units is not None:
                found.append(
                    Energy(
                        source=self._source,
                        domain=counter.domain,
                        kind=counter.kind,
                        joules=n_units * counter.joules_per_unit,
                        window_ns=window_ns,
                        refresh_ns=counter.refresh_ns,
                        step_joules=counter.step_joules,
                    )
                )
        return tuple(found)


def counted(counter: Counter, first: int | None, last: int | None, window_ns: int) -> int | None:
    """
    Units counted from `first` to `last`, or None where that cannot be known.

    A counter that comes round is followed once. One that never does and still fell was reset.
    """
    if first is None or last is None:
        return None
    if counter.n_round is None:
        return last - first if last >= first else None
    if window_ns / 1e9 * _MOST_WATTS > counter.n_round * counter.joules_per_unit:
        return None
    return last - first if last >= first else counter.n_round - first + last


def without_mirrors(counters: Sequence[Counter], values: Sequence[int | None]) -> tuple[int, ...]:
    """
    Positions of the counters to use, each real counter once.

    AMD's processors of several dies show one socket-wide counter at every die.
    """
    kept: list[int] = []
    seen: list[tuple[EnergyKind, float]] = []
    for index, (counter, value) in enumerate(zip(counters, values, strict=True)):
        joules = (value or 0) * counter.joules_per_unit
        is_mirror = joules > _BEGUN_JOULES and any(
            kind == counter.kind and abs(joules - other) < _SAME_JOULES for kind, other in seen
        )
        if not is_mirror:
            kept.append(index)
            seen.append((counter.kind, joules))
    return tuple(kept)
