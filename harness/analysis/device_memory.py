"""Memory by device: where the engine's buffers lie, and how much its devices have to give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
