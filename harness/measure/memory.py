"""
What models need of this machine's memory, and what it has: whatever says that something fits asks
here, so that no two commands answer differently about the same model.

A need is planned by the engine (measure/jobs/plan.py): exact, and by device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.analysis.device_memory import (
    SYSTEM,
    Fits,
    MemoryCapacity,
    MemoryNeed,
    device_of,
    fits,
)
from harness.machine.memory import available_memory_bytes
from harness.measure.jobs.plan import (
    ContextRequest,
    MemoryPlan,
    PlannedContext,
    plan_memory,
)
from harness.models.model import Model
from harness.schema.figure import Figure, exact
from harness.schema.machine import Device, Machine
from harness.schema.settings import Settings
from harness.schema.work import Work
from harness.schema.workload import parse_workload
from harness.schema.workload_kind import Workload
from harness.units import memory_size

DEFAULT_CONTEXT = 4096
"""Positions at which a model is said to fit, where nobody asks for others."""


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


def least_need(work: Work) -> MemoryNeed:
    """What a model takes at the least: its weights."""
    return MemoryNeed(Figure(work.weights_bytes, work.weights_bytes, None, "bytes", "predicted"))


def shortage(need: MemoryNeed, capacity: MemoryCapacity, subject: str = "it needs") -> str | None:
    """Why what is needed does not go into what is free, half a sentence; None where it does."""
    if fits(need, capacity) == "yes":
        return None
    for limit in capacity.limits:
        taken = sum(need.by_device.get(name, 0) for name in limit.devices)
        if taken > limit.n_bytes:
            where = "" if SYSTEM in limit.devices else f" on {'/'.join(limit.devices)}"
            return (
                f"{subject} {memory_size(taken)} of memory{where} and {memory_size(limit.n_bytes)} "
                "are free"
            )
    free = memory_size(capacity.fast_bytes)
    return f"{subject} {memory_size(need.n_bytes)} of memory and {free} are free"


def memory_settings(settings: Settings) -> Settings:
    """`settings` without what planning does not look at: a sweep over that is planned once."""
    draft = settings.draft_model
    return settings.model_copy(update={"n_threads": 1, "draft": draft, "draft_max": None})


def plan_workloads(
    path: Path, model: Model, settings: Settings, workloads: Iterable[str]
) -> MemoryPlan:
    """
    The plan of the contexts that `workloads` get.

    Args:
        path: The model's first file, or its header stub.
        model: Its header.
        settings: How the engine is set up.
        workloads: By their names.
    """
    tasks = map(parse_workload, workloads)
    requests = {context_request(task, model.file.n_ctx_train, settings) for task in tasks}
    ordered = sorted(requests, key=lambda request: (request.n_sequences, request.n_ctx))
    return plan_memory(path, model.headers, settings, ordered)


def context_request(
    workload: Workload, n_ctx_train: int | None, settings: Settings
) -> ContextRequest:
    """The context that `workload` gets of a model trained for `n_ctx_train` positions."""
    return ContextRequest(
        n_ctx=workload.context_length(n_ctx_train, settings.n_ctx),
        n_sequences=workload.n_sequences,
        is_shared=workload.shares_context,
        type_k=settings.type_k,
        type_v=settings.type_v,
    )


def beside(plan: MemoryPlan, draft: MemoryPlan) -> MemoryPlan:
    """
    What both take where each context of the one has the same of its draft beside it; of contexts
    that one of them is refused, nothing.
    """
    others = {each.request: each for each in draft.contexts}
    devices = {*plan.weights, *draft.weights}
    weights = {name: plan.weights.get(name, 0) + draft.weights.get(name, 0) for name in devices}
    contexts = []
    for each in plan.contexts:
        other = others.get(each.request)
        if each.n_ctx is None or other is None:
            contexts.append(each)
        elif other.n_ctx is None:
            contexts.append(other)
        else:
            buffers = each.buffers + other.buffers
            contexts.append(each.model_copy(update={"buffers": buffers}))
    return replace(
        plan,
        weights=weights,
        reported_bytes=plan.reported_bytes + draft.reported_bytes,
        contexts=tuple(contexts),
    )


def most_needed(plan: MemoryPlan) -> MemoryNeed | None:
    """The need of the largest context planned; None where the engine refuses all."""
    needs = [planned_need(plan, each) for each in plan.contexts if each.n_ctx is not None]
    return max(needs, key=lambda need: need.n_bytes, default=None)


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

    def shortage_at(self, n_positions: int) -> str | None:
        """
        Why it does not go into what is free with so many positions; None where it does.

        Of the contexts planned the shortest that holds them counts, or else the longest.
        """
        planned = [(each.context.request.n_ctx, each.need) for each in self.contexts if each.need]
        if not planned:
            return None
        lengths = {n_ctx for n_ctx, _ in planned}
        length = min((n for n in lengths if n >= n_positions), default=max(lengths))
        needs = (need for n_ctx, need in planned if n_ctx == length)
        return shortage(min(needs, key=lambda need: need.n_bytes), self.capacity)

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
