"""
The best that is known of how fast a machine's memory is read: kept, so that a prediction does not
follow the load of the minute it is asked in.

Other programs only take from a memory, so of several readings the fastest tells what it can do. One
that others took part in is a lower bound, and how much they took says how far it may be off.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field, PositiveInt

from harness import units
from harness.analysis.disturbance import OTHERS_LIMIT_RATIO
from harness.schema.machine import MachineFacts
from harness.schema.moment import Moment, utc_time
from harness.schema.record import Record

KNOWN_BANDWIDTH_VERSION = 1
# Twice what the fastest memory of a host to date gives (HBM2e beside two Xeon Max: 2 TB/s): what is
# said to be faster was not measured.
_MOST_BYTES_PER_S = 4_000_000_000_000
# A shared host was read at 20 and at 33 GB/s within an hour in which no program of the guest ran:
# the best of three readings forgives two that its neighbours took part in.
_ENOUGH_QUIET = 3
# The same reading, repeated, differs by less; heat, battery and neighbours make more.
_SAME = 1.3
# What others had of the CPUs is taken for what they had of the memory. Beside one to four processes
# that computed, read or copied, 97 % of the ranges made so held the speeds in quiet (`python -m
# benchmarks.planted_load`); with 0.7 of that 83 % did. They had up to 0.91 of the CPUs.
_MOST_TAKEN = 0.95
_TAKEN_WHERE_UNTOLD = 0.9


class MemoryReading(Record):
    """One reading: `others_ratio` is the share of all CPUs that others had; None is not told."""

    bytes_per_s: Annotated[int, Field(gt=0, le=_MOST_BYTES_PER_S)]
    read_at: Moment
    others_ratio: Annotated[float, Field(ge=0, le=1)] | None

    @property
    def is_quiet(self) -> bool:
        """Whether it is known that nobody else used the machine."""
        return self.others_ratio is not None and self.others_ratio <= OTHERS_LIMIT_RATIO

    @property
    def day(self) -> str:
        """When it was taken."""
        return utc_time(self.read_at).date().isoformat()

    @property
    def text(self) -> str:
        """How fast, when and beside what: "9.10 GB/s on 2026-11-24 while others took 63 % ..."."""
        text = f"{units.bandwidth(self.bytes_per_s)} on {self.day}"
        if self.is_quiet:
            return text
        if self.others_ratio is None:
            return f"{text}, and whether others used the machine is not told"
        return f"{text} while others took {units.percent(self.others_ratio)} of the CPUs"


class KnownBandwidth(Record):
    """
    What is known of one machine's memory as `n_threads` read it with `n_cores_usable`.

    `best` is the fastest reading, `quiet` the newest of a machine that nobody else used, None where
    there is none, and `n_quiet` how many of those there were.
    """

    version: int = KNOWN_BANDWIDTH_VERSION
    machine: MachineFacts
    n_threads: PositiveInt
    n_cores_usable: PositiveInt
    best: MemoryReading
    quiet: MemoryReading | None = None
    n_quiet: Annotated[int, Field(ge=0)] = 0

    @property
    def is_enough(self) -> bool:
        """Whether another reading would hardly tell more."""
        return self.n_quiet >= _ENOUGH_QUIET

    @property
    def highest_bytes_per_s(self) -> float:
        """What it may be at most."""
        return self.best.bytes_per_s * math.exp(self.others_log)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know of predictions by it, and what to do."""
        if self.quiet is not None:
            return ()
        return (
            f"The memory has never been read while nobody else used this machine ({self.best.text})"
            ": ranges of speed are as wide as that leaves open. Close other programs and run "
            "`harness machine` once.",
        )

    @property
    def others_log(self) -> float:
        """
        How much faster the memory may be than `best`, a logarithm: 0 once it was read in quiet.

        Of a machine that does not tell whether others used it, as much as they can take.
        """
        if self.quiet is not None:
            return 0.0
        told = self.best.others_ratio
        taken = _TAKEN_WHERE_UNTOLD if told is None else min(told, _MOST_TAKEN)
        return -math.log(1 - taken)


def with_reading(known: KnownBandwidth, new: MemoryReading) -> KnownBandwidth:
    """`known` with one reading more."""
    return known.model_copy(
        update={
            "best": max(known.best, new, key=lambda each: each.bytes_per_s),
            "quiet": new if new.is_quiet else known.quiet,
            "n_quiet": known.n_quiet + new.is_quiet,
        }
    )


def surprise(before: KnownBandwidth | None, new: MemoryReading) -> str | None:
    """What to say of a reading in quiet that is far from what was known, or None."""
    if before is None or not new.is_quiet or before.quiet is None:
        return None
    best = before.best
    if new.bytes_per_s * _SAME < best.bytes_per_s:
        return (
            f"The memory now gives {units.bandwidth(new.bytes_per_s)} although no other program "
            f"runs, and gave {best.text}; predictions take the better. Heat, a battery, another "
            "power mode or a busy host slow it down"
        )
    if new.bytes_per_s > best.bytes_per_s * _SAME:
        return (
            f"The memory now gives {units.bandwidth(new.bytes_per_s)} and gave {best.text}, its "
            "best so far; predictions take the new figure"
        )
    return None
