"""What parent and worker say to each other about planning: contexts wished for, buffers planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import NonNegativeInt, PositiveInt

from harness.schema.experiment import Reason
from harness.schema.machine import Device
from harness.schema.record import Record

PlannedKind = Literal["kv", "kv-sliding", "recurrent", "compute", "output"]


class PlannedBuffer(Record):
    """A buffer that a context would take; "kv-sliding" is the cache of sliding-window layers."""

    device: str
    kind: PlannedKind
    n_bytes: NonNegativeInt


class ContextWish(Record):
    """A context to be planned."""

    n_ctx: PositiveInt
    type_k: str = "f16"
    type_v: str = "f16"


class Limit(Record):
    """How much memory some devices may take together; one that no limit names, any amount."""

    devices: tuple[str, ...]
    n_bytes: NonNegativeInt


class PlannedContext(Record):
    """
    What a wish came to.

    `n_ctx` is what the engine made of the length; None where it refused, which `reason` and
    `message` explain, or, of a largest context, where not even the shortest is within the limits.
    """

    wish: ContextWish
    is_largest: bool = False
    n_ctx: PositiveInt | None
    buffers: tuple[PlannedBuffer, ...] = ()
    reason: Reason | None = None
    message: str | None = None


SYSTEM = "CPU"
"""The engine's name of system memory as a device."""


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
