"""
What models need of this machine's memory, and what it has: whatever says that something fits asks
here, so that no two commands answer differently about the same model.

A need is planned by the engine (measure/jobs/plan.py): exact, and by device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.device_memory import (
    SYSTEM,
    Fits,
    MemoryCapacity,
    MemoryNeed,
    device_of,
    fits,
)
from harness.machine.memory import available_memory_bytes
from harness.measure.jobs.plan import MemoryPlan, PlannedContext
from harness.models.model import Model
from harness.schema.figure import exact
from harness.schema.machine import Device, Machine
from harness.schema.settings import Settings


def capacity_of(
    machine: Machine, free_bytes: int, devices: Sequence[Device] = ()
) -> MemoryCapacity:
    """
    What `machine` has.

    Args:
        machine: Its memory, a container's limit, Metal's working set.
        free_bytes: What is free of its memory.
        devices: The engine's, with what is free there; none has a GPU's memory left out.
    """
    total = machine.usable_bytes
    return MemoryCapacity(min(free_bytes, total), total, machine.gpu_limit_bytes, tuple(devices))


def capacity_here(machine: Machine, devices: Sequence[Device] = ()) -> MemoryCapacity:
    """What the machine at hand has now; the arguments are those of `capacity_of`."""
    return capacity_of(machine, available_memory_bytes(), devices)


def planned_need(plan: MemoryPlan, context: PlannedContext) -> MemoryNeed:
    """Weights and `context` together, as the engine planned them."""
    by_device = plan.taken(context)
    return MemoryNeed(exact(sum(by_device.values()), "bytes", "planned by the engine"), by_device)


def together(needs: Iterable[MemoryNeed]) -> MemoryNeed:
    """Needs that lie in memory at once."""
    taken: dict[str, int] = {}
    for need in needs:
        for device, n_bytes in need.by_device.items():
            taken[device] = taken.get(device, 0) + n_bytes
    return MemoryNeed(exact(sum(taken.values()), "bytes", "planned by the engine"), taken)


@dataclass(frozen=True)
class ContextFit:
    """One context: what it takes, and whether that fits; neither where the engine refused it."""

    context: PlannedContext
    need: MemoryNeed | None
    fits: Fits | None

    @property
    def by_device(self) -> Mapping[str, int]:
        """Bytes on each device, weights included; empty where the engine refused it."""
        return self.need.by_device if self.need else {}

    @property
    def total_bytes(self) -> int:
        """On all devices together."""
        return self.need.n_bytes if self.need else 0

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
    capacity: MemoryCapacity
    plan: MemoryPlan
    contexts: tuple[ContextFit, ...]
    largest: tuple[PlannedContext, ...]
    hints: tuple[str, ...] = ()

    @property
    def device_names(self) -> tuple[str, ...]:
        """Devices that something lies on, system memory last."""
        names = {name for fit in self.contexts for name in fit.by_device} | {*self.plan.weights}
        return tuple(sorted(names, key=lambda name: (name == SYSTEM, name)))


def judged(context: PlannedContext, plan: MemoryPlan, capacity: MemoryCapacity) -> ContextFit:
    """A context that was planned, and whether it fits; neither where the engine refused it."""
    if context.n_ctx is None:
        return ContextFit(context, None, None)
    need = planned_need(plan, context)
    return ContextFit(context, need, fits(need, capacity))
