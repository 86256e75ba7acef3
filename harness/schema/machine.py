"""
Persisted facts about the machine: what it is, what it is doing, what happened during a trial.

Times are integers of nanoseconds, sizes integers of bytes. `None` means "this machine does not
tell", never zero.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from harness.schema.record import Record


class CoreLevel(Record):
    """One class of CPU cores, by the name the system gives it; levels are listed fastest first."""

    name: str
    n_cores: PositiveInt


class Accelerator(Record):
    """A GPU or similar, as the operating system describes it."""

    name: str
    vendor: str | None = None
    memory_bytes: NonNegativeInt | None = None
    n_cores: PositiveInt | None = None
    driver: str | None = None


class MachineFacts(Record):
    """
    What a record tells of a machine; one that another program wrote tells little more than a name.

    `id` is a hash of hardware facts; it never holds a host name, a user name or a serial number.
    `n_cores_usable` respects CPU affinity and container quotas. `gpu_limit_bytes` is the working
    set Metal allows (macOS only). `memory_limit_bytes` is a container's limit.
    """

    id: str
    os: str | None = None
    os_version: str | None = None
    arch: str | None = None
    model: str | None = None
    cpu: str
    n_cores_physical: PositiveInt | None = None
    n_cores_logical: PositiveInt | None = None
    n_cores_usable: PositiveInt | None = None
    core_levels: tuple[CoreLevel, ...] = ()
    last_level_cache_bytes: PositiveInt | None = None
    memory_bytes: PositiveInt | None = None
    memory_limit_bytes: PositiveInt | None = None
    gpu_limit_bytes: PositiveInt | None = None
    accelerators: tuple[Accelerator, ...] = ()
    virtualization: str | None = None

    @property
    def usable_bytes(self) -> int | None:
        """What programs may take of the system's memory together: a container's limit binds."""
        limits = [it for it in (self.memory_bytes, self.memory_limit_bytes) if it is not None]
        return min(limits, default=None)


class Machine(MachineFacts):
    """The system under test as this harness reads it: hardware that stays between two runs."""

    os: str
    os_version: str
    arch: str
    n_cores_physical: PositiveInt | None
    n_cores_logical: PositiveInt
    n_cores_usable: PositiveInt
    memory_bytes: PositiveInt

    @property
    def usable_bytes(self) -> int:
        """What programs may take of the system's memory together: a container's limit binds."""
        return min(self.memory_bytes, self.memory_limit_bytes or self.memory_bytes)


class Conditions(Record):
    """What may differ between two runs on one machine; read once, before the first Run."""

    power_source: Literal["mains", "battery"] | None = None
    battery_percent: float | None = None
    power_mode: str | None = None
    thermal_pressure: str | None = None
    memory_available_bytes: NonNegativeInt | None = None
    swap_used_bytes: NonNegativeInt | None = None
    load_average_1m: float | None = None
    warnings: tuple[str, ...] = ()
    unknown: dict[str, str] = Field(default_factory=dict)
    """Field name to the reason why it could not be read."""


class BandwidthSample(Record):
    """Bytes per second that plain reads of main memory reached, over all threads together."""

    median_bytes_per_s: PositiveInt
    q90_bytes_per_s: PositiveInt
    n_samples: PositiveInt
    n_threads: PositiveInt
    buffer_bytes: PositiveInt


class Counters(Record):
    """
    What the machine did between two snapshots, around one trial; see machine/counters.py.

    Times are summed over CPUs. `system_busy_ns` is everybody's, ours included.
    `run_delay_ns` is the time our own threads stood ready but without a CPU.
    `reference_ns` is how long the fixed reference loop took right after the trial.
    """

    wall_ns: PositiveInt
    process_cpu_ns: NonNegativeInt
    system_busy_ns: NonNegativeInt | None = None
    steal_ns: NonNegativeInt | None = None
    run_delay_ns: NonNegativeInt | None = None
    n_involuntary_switches: NonNegativeInt | None = None
    n_major_faults: NonNegativeInt | None = None
    disk_read_bytes: NonNegativeInt | None = None
    swap_in_bytes: NonNegativeInt | None = None
    swap_out_bytes: NonNegativeInt | None = None
    n_thermal_throttles: NonNegativeInt | None = None
    quota_throttled_ns: NonNegativeInt | None = None
    clock_hz: NonNegativeInt | None = None
    temperature_celsius: float | None = None
    reference_ns: PositiveInt


EnergySource = Literal["nvml", "powercap", "apple", "emi", "battery"]

EnergyKind = Literal["package", "memory", "gpu", "npu", "platform", "battery", "part"]


class Energy(Record):
    """
    What one domain of the machine took in one window, by a counter of the machine; see
    machine/energy/meters.py. Never an estimate from what a chip is allowed to draw.

    `domain` is unique within its source. `kind` says how domains may be added up: packages,
    memory, GPUs and NPUs lie side by side; a part lies within a package, the platform around
    it, and the battery feeds all. `refresh_ns` and `step_joules` are how often and by how much
    at least the counter moves, None where that is not known: windows have to be long beside them.
    """

    source: EnergySource
    domain: str
    kind: EnergyKind
    joules: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    window_ns: PositiveInt
    refresh_ns: PositiveInt | None = None
    step_joules: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class MemoryMark(Record):
    """
    The worker's own memory at one moment; `source` names where the figures come from.

    `anonymous_bytes` cannot be taken back by the system, `file_backed_bytes` can.
    """

    at: Literal["start", "loaded", "end"]
    source: str
    resident_bytes: NonNegativeInt
    peak_bytes: NonNegativeInt | None = None
    anonymous_bytes: NonNegativeInt | None = None
    file_backed_bytes: NonNegativeInt | None = None
    swapped_bytes: NonNegativeInt | None = None
    footprint_bytes: NonNegativeInt | None = None
    peak_footprint_bytes: NonNegativeInt | None = None


class Device(Record):
    """A compute device as the engine sees it, with its memory at one moment."""

    name: str
    description: str
    kind: Literal["cpu", "gpu", "igpu", "accel", "meta"]
    total_bytes: NonNegativeInt
    free_bytes: NonNegativeInt

    @property
    def is_gpu(self) -> bool:
        """Whether it is a graphics card, with memory of its own or in the system's."""
        return self.kind in ("gpu", "igpu")
