"""
Was a trial disturbed? Judged from the counters around it, never from its speed.

A disturbed trial (others took the CPU) is kept in the record and left out of the headline.
Everything else here is a label beside the figure: a model that pages or a host that throttles is
what this machine really does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from harness import units
from harness.schema.machine import Counters

Label = Literal["paging", "slow host", "thermal throttling", "quota throttling"]

# Share of all CPUs that others took. On a quiet 2-core machine it read -1 to 3 %; 4 to 8 % went
# with 5 to 12 % less speed, a process of 10 % of one core with 2.5 to 11 %, one busy process with
# 34 to 39 % and a quarter of the speed. 5 % lies above everything quiet.
OTHERS_LIMIT_RATIO = 0.05

# System-wide CPU times are counted in ticks (10 ms on Linux and macOS, 15.6 ms on Windows), and
# truncated field by field. On a quiet machine others' time read -18 to +18 ms over trials of
# 0.27 s, -8 to +25 ms over 1.1 s. Five of the longest ticks lie well above that; a trial too short
# for them is judged by its waiting time, which Linux counts to the nanosecond.
OTHERS_FLOOR_NS = 80_000_000
# What others' time of one stretch may be off by, from the same readings.
_TICKS_ERROR_NS = 20_000_000

# Time our threads stood ready without a CPU, summed over threads, as a share of the wall time: all
# threads meet after each step, so each wait delays the whole step, and the sum is what was lost.
# Measured with SmolLM2 on 2 threads: 0 to 2 % quiet; at 5 to 13 % the speed was down by 5 %, at
# 16 % by 12 %, at 95 % by 70 %.
WAITING_LIMIT_RATIO = 0.05
# The system's own housekeeping costs each thread 0.25 to 0.5 % when idle, and that adds up.
_WAITING_LIMIT_PER_THREAD = 0.01

# Nothing in a trial needs the disk. A stray page of the interpreter is far below 1 MiB, and
# weights that page come in much larger pieces.
_PAGING_FLOOR_BYTES = 1 << 20

# The reference loop's own spread is a few percent; a host that gives 15 % less is another host.
_SLOW_HOST_RATIO = 1.15

# A CPU quota that bit for less than a hundredth of a trial cannot be seen in its figure.
_QUOTA_FLOOR_RATIO = 0.01


@dataclass(frozen=True, slots=True)
class Disturbance:
    """
    What took a trial out of the headline.

    Attributes:
        by: "others": they took a share of the CPUs. "waiting": our threads stood ready without
            one for a share of the time.
        ratio: That share.
    """

    by: Literal["others", "waiting"]
    ratio: float

    @property
    def text(self) -> str:
        """It in a few words: "others took 34 % of the CPUs"."""
        return _SENTENCES[self.by].format(units.percent(self.ratio))


_SENTENCES = {
    "others": "others took {} of the CPUs",
    "waiting": "threads waited for a CPU, {} of the time",
}


def how_many(n_disturbed: int, n_trials: int) -> str:
    """In words: "2 of 3 trials were disturbed"."""
    are = "were" if n_disturbed > 1 else "was"
    return f"{n_disturbed or 'none'} of {n_trials} trials {are} disturbed"


def in_all(disturbances: Sequence[Disturbance]) -> str:
    """What most of these trials were disturbed by, from the least to the most; "" of none."""
    if not disturbances:
        return ""
    ((by, _),) = Counter(each.by for each in disturbances).most_common(1)
    ratios = sorted(each.ratio for each in disturbances if each.by == by)
    bounds = dict.fromkeys(map(units.percent, (ratios[0], ratios[-1])))
    return _SENTENCES[by].format(" to ".join(bounds))


def others_ratio(counters: Counters, n_logical: int) -> float | None:
    """
    Share of all CPUs that went to others while the counters ran, or None where unknown.

    (system busy - own process) / (wall time x CPUs). What a host took away from its guest counts
    as busy. Ticks make it coarse: of a stretch of a few of them it may lie far outside 0 to 1.
    """
    others_ns = _others_ns(counters)
    return None if others_ns is None else others_ns / (counters.wall_ns * n_logical)


def others_share(counters: Sequence[Counters], n_logical: int) -> float | None:
    """
    Share of all CPUs that went to others over all these stretches together, 0 to 1.

    None where the system does not tell, or where the stretches are too short for its ticks to tell
    a quiet machine from a busy one.
    """
    known = [(ns, each.wall_ns) for each in counters if (ns := _others_ns(each)) is not None]
    if not known:
        return None
    possible_ns = n_logical * sum(wall_ns for _, wall_ns in known)
    if _TICKS_ERROR_NS * math.sqrt(len(known)) > OTHERS_LIMIT_RATIO * possible_ns:
        return None
    # Ticks are coarse, so a quiet machine may read slightly below nothing.
    return _share(sum(ns for ns, _ in known) / possible_ns)


def waiting_ratio(counters: Counters) -> float | None:
    """Time our threads waited for a CPU, summed over threads, as a share of the wall time."""
    if counters.run_delay_ns is None:
        return None
    return counters.run_delay_ns / counters.wall_ns


def why_disturbed(
    counters: Counters | None, n_logical: int, n_threads: int, n_usable: int
) -> Disturbance | None:
    """
    Why a trial does not count for the headline, or None where it does.

    Args:
        counters: Differences over the trial; None where nobody counted, so nothing is known.
        n_logical: CPUs that the system-wide times are summed over.
        n_threads: Threads the engine computes with.
        n_usable: CPUs this process may use; with more threads than those they wait for each
            other, which is no fault of others.
    """
    if counters is None:
        return None
    others = others_ratio(counters, n_logical)
    others_ns = _others_ns(counters)
    if (
        others is not None
        and others_ns is not None
        and others > OTHERS_LIMIT_RATIO
        and others_ns > OTHERS_FLOOR_NS
    ):
        return Disturbance("others", _share(others))
    waiting = waiting_ratio(counters)
    limit = max(WAITING_LIMIT_RATIO, _WAITING_LIMIT_PER_THREAD * n_threads)
    if waiting is not None and n_threads <= n_usable and waiting > limit:
        return Disturbance("waiting", _share(waiting))
    return None


def is_paging(counters: Counters) -> bool:
    """Whether memory was swapped or weights were read from the disk while the counters ran."""
    moved = (counters.swap_in_bytes, counters.swap_out_bytes, counters.disk_read_bytes)
    return any(n_bytes is not None and n_bytes >= _PAGING_FLOOR_BYTES for n_bytes in moved)


def usual_reference_ns(counters: Sequence[Counters]) -> float | None:
    """The reference loop's median time over an experiment; None when nothing was counted."""
    return median(item.reference_ns for item in counters) if counters else None


def labels(counters: Counters, usual_reference_ns: float | None) -> tuple[Label, ...]:
    """
    What else is to be said of a trial; none of it takes the trial out of the headline.

    Args:
        counters: Differences over the trial.
        usual_reference_ns: The reference loop's usual time; None for a trial that others
            disturbed, since they slowed the loop too and nothing is known of the host.
    """
    found: list[Label] = []
    if is_paging(counters):
        found.append("paging")
    if usual_reference_ns and counters.reference_ns > _SLOW_HOST_RATIO * usual_reference_ns:
        found.append("slow host")
    if counters.n_thermal_throttles:
        found.append("thermal throttling")
    if (counters.quota_throttled_ns or 0) > _QUOTA_FLOOR_RATIO * counters.wall_ns:
        found.append("quota throttling")
    return tuple(found)


def _share(ratio: float) -> float:
    """A share: ticks and sums over threads may come to more than all, or less than nothing."""
    return min(1.0, max(0.0, ratio))


def _others_ns(counters: Counters) -> int | None:
    if counters.system_busy_ns is None:
        return None
    return counters.system_busy_ns - counters.process_cpu_ns
