"""
Whether contexts fit into this machine's memory: what they take, set against what there is.

The engine's planner gives every figure (measure/jobs/plan.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analysis.device_memory import SYSTEM, Limit, device_of, is_within, limits_of
from harness.measure.jobs.plan import MemoryPlan, PlannedContext
from harness.models.model import Model
from harness.schema.machine import Device, Machine
from harness.schema.settings import Settings

Fits = Literal["yes", "when-freed", "no"]


@dataclass(frozen=True)
class Room:
    """
    The memory of this machine: what is free now, and what there is.

    `gpu_limit_bytes` is Metal's working set (macOS).
    """

    free_bytes: int
    total_bytes: int
    gpu_limit_bytes: int | None = None


@dataclass(frozen=True)
class ContextFit:
    """One context: what it takes by kind and by device (weights included), and whether it fits."""

    context: PlannedContext
    by_device: Mapping[str, int]
    fits: Fits | None

    @property
    def total_bytes(self) -> int:
        """On all devices together."""
        return sum(self.by_device.values())

    def of(self, *kinds: str, device: str | None = None, devices: Sequence[str] = ()) -> int:
        """Bytes of these kinds of buffers, on one device or on all."""
        return sum(
            buffer.n_bytes
            for buffer in self.context.buffers
            if buffer.kind in kinds
            and (device is None or device_of(buffer.device, devices) == device)
        )


@dataclass(frozen=True)
class ModelFit:
    """One model on this machine; `hints` say what would make it fit, where it does not."""

    found: Model
    settings: Settings
    room: Room
    plan: MemoryPlan
    contexts: tuple[ContextFit, ...]
    largest: tuple[PlannedContext, ...]
    hints: tuple[str, ...] = ()

    @property
    def device_names(self) -> tuple[str, ...]:
        """Devices that something lies on, system memory last."""
        names = {name for fit in self.contexts for name in fit.by_device} | {*self.plan.weights}
        return tuple(sorted(names, key=lambda name: (name == SYSTEM, name)))


def room_of(machine: Machine, free_bytes: int) -> Room:
    """The room on `machine`, of whose memory `free_bytes` are free."""
    total = machine.usable_bytes
    return Room(min(free_bytes, total), total, machine.gpu_limit_bytes)


def judged(context: PlannedContext, plan: MemoryPlan, room: Room) -> ContextFit:
    """A context that was planned, and whether it fits; neither where the engine refused it."""
    if context.n_ctx is None:
        return ContextFit(context, {}, None)
    taken = plan.taken(context)
    if is_within(taken, free_limits(plan.devices, room)):
        return ContextFit(context, taken, "yes")
    is_possible = is_within(taken, _all_limits(plan.devices, room))
    return ContextFit(context, taken, "when-freed" if is_possible else "no")


def free_limits(devices: Sequence[Device], room: Room) -> tuple[Limit, ...]:
    """What may be taken now."""
    return limits_of(devices, room.free_bytes, room.gpu_limit_bytes)


def _all_limits(devices: Sequence[Device], room: Room) -> tuple[Limit, ...]:
    """What could be taken if nothing else ran."""
    idle = [device.model_copy(update={"free_bytes": device.total_bytes}) for device in devices]
    return limits_of(idle, room.total_bytes, room.gpu_limit_bytes)
