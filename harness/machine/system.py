"""
What each operating system's package tells, in one form: its present state, and its counters.

The state is judged as a whole in conditions.py; two snapshots make a `Counters` in counters.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class SystemState:
    """
    Power, heat and the warnings only that system can give.

    `unknown` maps a field of `Conditions` to the reason why it is None.
    """

    power_source: Literal["mains", "battery"] | None
    battery_percent: float | None
    power_mode: str | None
    thermal_pressure: str | None
    gpu_busy_percent: int | None
    warnings: tuple[str, ...] = ()
    unknown: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """
    The cumulative counters of one moment; None where the system does not tell.

    Since boot or process start, summed over CPUs.

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
