"""
Whether a model fits into this machine's memory, at which context, and what would make it fit.

The engine's planner gives every figure (planning.py); here they are set against what there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.hardware import Device, Machine
from harness.measure.planned import (
    SYSTEM,
    ContextWish,
    Limit,
    PlannedContext,
    device_of,
    is_within,
    limits_of,
)
from harness.measure.planning import MemoryPlan, plan_memory
from harness.models.ghost import ghost
from harness.models.headers import FoundHeaders
from harness.schema import Settings

DEFAULT_CONTEXTS = (4096, 8192, 32_768, 131_072)
# Where a header does not say how long a context the model was trained for.
_UNKNOWN_CONTEXT = 131_072
# Ten million are the most that any published model claims.
_MOST_CONTEXT = 1 << 24
_COMPACT_CACHE = "q8_0"

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

    found: FoundHeaders
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
    limits = (machine.memory_bytes, machine.memory_limit_bytes)
    total = min(limit for limit in limits if limit)
    return Room(min(free_bytes, total), total, machine.gpu_limit_bytes)


def context_lengths(n_ctx_train: int | None, asked: Sequence[int] = ()) -> tuple[int, ...]:
    """The lengths to plan: those asked for, or the usual ones that the model was trained for."""
    if asked:
        return tuple(asked)
    trained = n_ctx_train or _UNKNOWN_CONTEXT
    return tuple(n for n in DEFAULT_CONTEXTS if n <= trained) or (trained,)


def fit_model(
    found: FoundHeaders,
    settings: Settings,
    room: Room,
    *,
    lengths: Sequence[int] = (),
    cache_types: Sequence[tuple[str, str]] = (("f16", "f16"),),
) -> ModelFit:
    """
    What the model takes at each length and with each pair of cache types.

    Args:
        found: Its header, from anywhere.
        settings: How the engine would be set up; context and cache types are the others'.
        room: The machine's memory.
        lengths: Contexts; none takes `context_lengths`.
        cache_types: Of keys and of values.

    Raises:
        HarnessError: The ghost cannot be written.
    """
    trained = found.file.n_ctx_train
    wishes = [
        ContextWish(n_ctx=n, type_k=key, type_v=value)
        for key, value in cache_types
        for n in context_lengths(trained, lengths)
    ]
    compact = (_COMPACT_CACHE, _COMPACT_CACHE)
    sought = [*cache_types, *([compact] if compact not in cache_types else [])]
    most = trained or _UNKNOWN_CONTEXT
    with ghost(found) as path:
        plan = plan_memory(
            path,
            found.headers,
            settings,
            [wish for wish in wishes if wish.n_ctx <= (trained or _MOST_CONTEXT)],
            largest=[ContextWish(n_ctx=most, type_k=k, type_v=v) for k, v in sought],
            system_bytes=room.free_bytes,
            gpu_limit_bytes=room.gpu_limit_bytes,
        )
    planned = {context.wish: context for context in plan.contexts}
    contexts = tuple(
        _judged(planned[wish], plan, room) if wish in planned else _refused(wish, trained)
        for wish in wishes
    )
    fit = ModelFit(found, settings, room, plan, contexts, plan.largest[: len(cache_types)])
    hints = _hints(fit, plan.largest[-1] if plan.largest else None)
    return replace(fit, hints=tuple(hints))


def _refused(wish: ContextWish, trained: int | None) -> ContextFit:
    # As `harness run` refuses it. The engine would take memory for every position it plans.
    message = f"beyond the {trained or _MOST_CONTEXT} positions that the model was trained for"
    context = PlannedContext(wish=wish, n_ctx=None, reason="context-too-large", message=message)
    return ContextFit(context, {}, None)


def _judged(context: PlannedContext, plan: MemoryPlan, room: Room) -> ContextFit:
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


# ------------------------------------------------------------------ what would help


def _hints(fit: ModelFit, compact: PlannedContext | None) -> Iterable[str]:
    """What would make fit what does not, the least loss first."""
    if all(each.fits in ("yes", None) for each in fit.contexts):
        yield from _about_copies(fit)
        return
    smallest = min((each for each in fit.contexts if each.fits), key=lambda each: each.total_bytes)
    if smallest.fits == "when-freed":
        yield "close other programs: it fits into this machine's memory when that is free"
    if compact is not None and compact.n_ctx and _gains(fit, compact):
        yield (
            f"a cache in {_COMPACT_CACHE} (-ctk {_COMPACT_CACHE} -ctv {_COMPACT_CACHE}) "
            f"makes room for {compact.n_ctx} positions"
        )
    yield from _about_copies(fit)
    yield from _about_gpus(fit, smallest)
    if smallest.fits != "yes":
        yield from _about_variants(fit, smallest)


def _gains(fit: ModelFit, compact: PlannedContext) -> bool:
    assert compact.n_ctx is not None
    return all((each.n_ctx or 0) < compact.n_ctx for each in fit.largest)


def _about_copies(fit: ModelFit) -> Iterable[str]:
    """Load mode: with a mapped file, what is rearranged for the CPU is resident twice."""
    copied = fit.plan.copied_bytes
    totals = [each.total_bytes for each in fit.contexts if each.fits == "yes"]
    if copied and totals and max(totals) + copied > fit.room.free_bytes:
        yield (
            f"--load-mode none: mapped, {copied / 1e9:.1f} GB of weights are in memory twice "
            "while they are rearranged for this CPU"
        )


def _about_gpus(fit: ModelFit, smallest: ContextFit) -> Iterable[str]:
    """Fewer layers on a GPU that is too small, if system memory has room for the rest."""
    limits = free_limits(fit.plan.devices, fit.room)
    for limit in limits:
        names = [name for name in limit.devices if name != SYSTEM]
        on_gpu = sum(fit.plan.weights.get(name, 0) for name in names)
        taken = sum(smallest.by_device.get(name, 0) for name in names)
        if SYSTEM in limit.devices or taken <= limit.n_bytes or not on_gpu:
            continue
        excess = taken - limit.n_bytes
        if fit.found.file.n_expert:
            experts = _expert_layer_bytes(fit)
            n_layers = -(-excess // experts) if experts else 0
            if 0 < n_layers <= _n_layer(fit):
                yield f"experts of {n_layers} layers in system memory: -ncmoe {n_layers} or more"
        n_layer = _n_layer(fit)
        n_fitting = int(n_layer * (1 - excess / taken))
        if n_fitting > 0:
            yield f"about {n_fitting} of {n_layer} layers on the GPU: -ngl {n_fitting}"


def _expert_layer_bytes(fit: ModelFit) -> int:
    """The mean of what the routed experts of a layer take."""
    sizes = [
        tensor.n_bytes
        for header in fit.found.headers
        for tensor in header.tensors
        if "_exps." in tensor.name
    ]
    return sum(sizes) // _n_layer(fit)


def _n_layer(fit: ModelFit) -> int:
    n_layer = fit.found.file.n_layer
    assert n_layer is not None  # of a header that was read
    return n_layer


def _about_variants(fit: ModelFit, smallest: ContextFit) -> Iterable[str]:
    """The largest variant of the model that would fit at the smallest context asked for."""
    spec = fit.found.spec
    if spec is None:
        return
    beside = smallest.total_bytes - fit.plan.weights_bytes
    available = max(limit.n_bytes for limit in free_limits(fit.plan.devices, fit.room))
    fitting = [
        (variant.size_bytes, variant.quantization)
        for variant in spec.variants
        if variant.size_bytes is not None
        and variant.size_bytes < fit.plan.weights_bytes
        and variant.size_bytes + beside <= available
    ]
    if fitting:
        yield f"the smaller variant {spec.name}:{max(fitting)[1]}"
    else:
        yield "no variant of it in the catalogue is small enough for the memory that is free"
