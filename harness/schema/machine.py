"""
Persisted facts about the machine: what it is, what it is doing, what happened during a trial.

Times are integers of nanoseconds, sizes integers of bytes. `None` means "this machine does not
tell", never zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from harness.schema.record import Record

UNKNOWN_CPU = "unknown"  # what stands for a processor that nobody told


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


class RpcDevice(Record):
    """A device that a server of llama.cpp's RPC offers; what it is, the protocol does not tell."""

    total_bytes: NonNegativeInt
    free_bytes: NonNegativeInt


class RpcServer(Record):
    """
    What stands behind an address as "127.0.0.1:50052", and how far it is from here.

    `version` is the protocol's, `ping_ns` what the shortest question takes (median),
    `bytes_per_s` how fast data gets there, of some megabytes; None where it could not be tried.
    """

    address: str
    version: str
    devices: tuple[RpcDevice, ...]
    ping_ns: PositiveInt
    bytes_per_s: PositiveInt | None = None


class MachineFacts(Record):
    """
    What a record tells of a machine; one that another program wrote tells little more than a name.

    `id` is a hash of hardware facts; it never holds a host name, a user name or a serial number.
    `n_cores_usable` respects CPU affinity and container quotas. `gpu_limit_bytes` is the working
    set Metal allows (macOS only). `memory_limit_bytes` is a container's limit. With `rpc` servers
    it is a machine made of several, whose id is none of theirs.
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
    rpc: tuple[RpcServer, ...] = ()

    def is_same_as(self, other: MachineFacts) -> bool:
        """
        Whether both are of one machine.

        Their ids decide, unless one of them was not told what the other was, as a container is not
        that does not see /sys: then the rest decides.
        """
        if self.id == other.id:
            return True
        known = self.always_told
        if offered_bytes(self.rpc) != offered_bytes(other.rpc):
            return False
        if None in known or known != other.always_told or not self.untold_beside(other):
            return False
        return (
            all(None in pair or pair[0] == pair[1] for pair in self._paired(other))
            and _levels_agree(self, other)
            and _cards_agree(self, other)
        )

    def untold_beside(self, other: MachineFacts) -> tuple[str, ...]:
        """What only one of both tells, in words."""
        words = ("model", "number of physical cores", "last level cache")
        told = zip(words, self.untold, other.untold, strict=True)
        return tuple(word for word, here, there in told if here != there)

    @property
    def always_told(self) -> tuple[str | int | None, ...]:
        """What every kernel shows in every container; no two that differ in it are one machine."""
        installed = installed_bytes(self.memory_bytes) if self.memory_bytes else None
        return (self.arch, self.cpu, self.n_cores_logical, installed)

    @property
    def untold(self) -> tuple[bool, ...]:
        """Which of the facts that a container may hide it was not told."""
        return tuple(fact is None for fact in self._hideable)

    @property
    def _hideable(self) -> tuple[str | int | None, ...]:
        return self.model, self.n_cores_physical, self.last_level_cache_bytes

    def _paired(self, other: MachineFacts) -> list[tuple[str | int | None, str | int | None]]:
        return list(zip(self._hideable, other._hideable, strict=True))

    @property
    def usable_bytes(self) -> int | None:
        """What programs may take of the system's memory together: a container's limit binds."""
        limits = [it for it in (self.memory_bytes, self.memory_limit_bytes) if it is not None]
        return min(limits, default=None)


def offered_bytes(servers: Iterable[RpcServer]) -> list[list[int]]:
    """By which servers are told apart: the memory of each device of each, as `installed_bytes`."""
    return [[installed_bytes(max(1, it.total_bytes)) for it in each.devices] for each in servers]


def installed_bytes(memory_bytes: int) -> int:
    """
    The next size that memory is sold in: systems tell less, and a little other after each update.

    A kernel keeps 1 to 6 % for itself (23.5 GiB of 24). Steps of an eighth of the power of two
    below are 6 to 12 % of the size: 15.5 and 15.4 GiB are both 16, while 16 and 18 GiB differ.
    """
    step = max(1, (1 << (memory_bytes.bit_length() - 1)) // 8)
    return -(-memory_bytes // step) * step


def _levels_agree(one: MachineFacts, other: MachineFacts) -> bool:
    """An empty tuple says that all cores are alike, or that nothing is known of them."""
    return one.core_levels == other.core_levels or any(
        not it.core_levels and it.last_level_cache_bytes is None for it in (one, other)
    )


def _cards_agree(one: MachineFacts, other: MachineFacts) -> bool:
    """The same cards; who sees no /sys may see some of them alone."""
    names, others = ({card.name for card in it.accelerators} for it in (one, other))
    return (
        names == others
        or (one.last_level_cache_bytes is None and names < others)
        or (other.last_level_cache_bytes is None and others < names)
    )


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

    @property
    def is_elsewhere(self) -> bool:
        """Whether it stands behind an RPC server, whose address describes it: all are "gpu"."""
        return self.name.startswith("RPC")
