"""
Memory by device: where the engine's buffers lie, how much its devices have to give, and whether
what a model needs goes into it. Every command that says so asks `fits`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.schema.figure import Figure
from harness.schema.machine import Device
from harness.schema.planned import PlannedBuffer

SYSTEM = "CPU"
"""The engine's name of system memory as a device."""


@dataclass(frozen=True)
class Limit:
    """How much memory some devices may take together; one that no limit names, any amount."""

    devices: tuple[str, ...]
    n_bytes: int


def device_of(buffer: str, devices: Iterable[str]) -> str:
    """
    The device in whose memory a buffer lies: "CUDA0" for "CUDA0", SYSTEM for "CUDA_Host".

    The CPU has many names for its own: CPU_Mapped, CPU_REPACK, AMX.
    """
    if buffer.endswith("_Host"):
        return SYSTEM
    fitting = [name for name in devices if name != SYSTEM and buffer.startswith(name)]
    return max(fitting, key=len, default=SYSTEM)


def weights_by_device(
    tensors: Mapping[str, Sequence[str]], sizes: Mapping[str, int], devices: Sequence[str]
) -> dict[str, int]:
    """
    Bytes of weights on each device.

    Args:
        tensors: Buffer to the names of the tensors in it; empty counts all as system memory.
        sizes: Bytes of each tensor.
        devices: The engine's.
    """
    if not tensors:
        return {SYSTEM: sum(sizes.values())}
    found: dict[str, int] = {}
    for buffer, names in tensors.items():
        device = device_of(buffer, devices)
        found[device] = found.get(device, 0) + sum(sizes.get(name, 0) for name in names)
    return found


def limits_of(
    devices: Sequence[Device], system_bytes: int, gpu_limit_bytes: int | None = None
) -> tuple[Limit, ...]:
    """
    What may be taken of system memory and of each GPU's.

    Args:
        devices: The engine's, with what is free.
        system_bytes: Of system memory.
        gpu_limit_bytes: Metal's working set, where GPU and CPU share the memory (macOS).
    """
    cards = [device for device in devices if device.is_gpu]
    if gpu_limit_bytes is not None:
        names = tuple(card.name for card in cards)
        together = Limit(devices=(SYSTEM, *names), n_bytes=system_bytes)
        return (together, Limit(devices=names, n_bytes=gpu_limit_bytes)) if names else (together,)
    shared = tuple(card.name for card in cards if card.kind == "igpu")
    own = [
        Limit(devices=(card.name,), n_bytes=card.free_bytes) for card in cards if card.kind == "gpu"
    ]
    return (Limit(devices=(SYSTEM, *shared), n_bytes=system_bytes), *own)


Fits = Literal["yes", "when-freed", "split", "no"]
"""
"when-freed": not beside what runs now; "split": not where the settings put it, but with a part of
it in slower memory, which a graphics card is beside.
"""


@dataclass(frozen=True)
class MemoryCapacity:
    """
    What a machine has for models: system memory that is free now and that there is in all, Metal's
    working set (macOS), and the engine's devices, of which the GPUs count, with what is free there.
    """

    free_bytes: int
    total_bytes: int
    gpu_limit_bytes: int | None = None
    devices: tuple[Device, ...] = ()

    @property
    def limits(self) -> tuple[Limit, ...]:
        """What may be taken now, by device."""
        return limits_of(self.devices, self.free_bytes, self.gpu_limit_bytes)

    @property
    def idle(self) -> MemoryCapacity:
        """The same if nothing else ran."""
        idle = (it.model_copy(update={"free_bytes": it.total_bytes}) for it in self.devices)
        return replace(self, free_bytes=self.total_bytes, devices=tuple(idle))

    @property
    def fast_bytes(self) -> int:
        """What is free for a model that the GPUs hold alone, or without one the CPU."""
        if not any(device.is_gpu for device in self.devices):
            return self.free_bytes
        if self.gpu_limit_bytes is not None:
            return min(self.free_bytes, self.gpu_limit_bytes)
        # A GPU without memory of its own takes from the system's.
        return self._cards_bytes or self.free_bytes

    @property
    def slow_bytes(self) -> int:
        """What is free beside that, in memory that the GPUs do not have: none where all is one."""
        if self.gpu_limit_bytes is not None:
            return self.free_bytes - self.fast_bytes
        return self.free_bytes if self._cards_bytes else 0

    @property
    def _cards_bytes(self) -> int:
        return sum(it.free_bytes for it in self.devices if it.is_gpu and it.kind == "gpu")


@dataclass(frozen=True)
class MemoryNeed:
    """
    The memory that a model takes with a context, weights included.

    `figure` has its bounds and says where it comes from. `by_device` is where the engine would lay
    it; empty where nobody planned it: then it is taken to lie in the fastest memory.
    """

    figure: Figure
    by_device: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_bytes(self) -> int:
        """On all devices together."""
        return round(self.figure.value)


def fits(need: MemoryNeed, capacity: MemoryCapacity) -> Fits:
    """Whether what is needed goes into what there is."""
    if _is_in(need, capacity):
        return "yes"
    if _is_in(need, capacity.idle):
        return "when-freed"
    if need.n_bytes <= capacity.fast_bytes + capacity.slow_bytes:
        return "split"
    return "no"


def _is_in(need: MemoryNeed, capacity: MemoryCapacity) -> bool:
    if need.by_device:
        return is_within(need.by_device, capacity.limits)
    return need.n_bytes <= capacity.fast_bytes


def is_within(taken: Mapping[str, int], limits: Iterable[Limit]) -> bool:
    """Whether bytes by device are within every limit."""
    return all(
        sum(taken.get(device, 0) for device in limit.devices) <= limit.n_bytes for limit in limits
    )


def added(
    weights: Mapping[str, int], buffers: Iterable[PlannedBuffer], devices: Sequence[str]
) -> dict[str, int]:
    """Bytes by device, of weights and buffers together."""
    taken = dict(weights)
    for buffer in buffers:
        device = device_of(buffer.device, devices)
        taken[device] = taken.get(device, 0) + buffer.n_bytes
    return taken
