"""The cumulative counters of one moment; two of them make a `Counters` (counters.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Snapshot:
    """
    Everything since boot or process start, summed over CPUs; None where the system does not tell.

    `run_delay_of_thread_ns` is kept by thread because a sum would fall when a thread ends.
    `clock_hz` and `temperature_celsius` are readings of the moment, not sums.
    """

    wall_ns: int
    process_cpu_ns: int
    system_busy_ns: int | None = None
    steal_ns: int | None = None
    run_delay_of_thread_ns: Mapping[int, int] | None = None
    n_involuntary_switches: int | None = None
    n_major_faults: int | None = None
    disk_read_bytes: int | None = None
    swap_in_bytes: int | None = None
    swap_out_bytes: int | None = None
    n_throttles_begun: int | None = None
    throttled_ms: int | None = None
    quota_throttled_ns: int | None = None
    clock_hz: int | None = None
    temperature_celsius: float | None = None
