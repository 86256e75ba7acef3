"""
What would make a model fit that does not: cache, load mode, GPU and system memory, variants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.analysis.device_memory import SYSTEM, MemoryCapacity
from harness.measure.jobs.plan import MemoryPlan, PlannedContext
from harness.measure.memory import ContextFit, ModelFit, judged

# Half a second each. The sizes of the layers nearly tell; once or twice it takes one more.
_N_PLANS = 4

PlanOf = Callable[..., MemoryPlan]
"""The model's plan with other settings and for other contexts; see planning.plan_memory."""


def hints(fit: ModelFit, compact: PlannedContext | None, plan_of: PlanOf) -> Iterable[str]:
    """
    What would make fit what does not, the least loss first.

    Args:
        fit: The model as it was planned, without hints.
        compact: The largest context with a compact cache.
        plan_of: Plans the same model with other settings.
    """
    if all(each.fits in ("yes", None) for each in fit.contexts):
        yield from _about_copies(fit)
        return
    smallest = min((each for each in fit.contexts if each.fits), key=lambda each: each.total_bytes)
    if smallest.fits == "when-freed":
        yield "close other programs: it fits into this machine's memory when that is free"
    if compact is not None and compact.n_ctx and _gains(fit, compact):
        key, value = compact.request.type_k, compact.request.type_v
        yield (
            f"a cache in {key} (-ctk {key} -ctv {value}) makes room for {compact.n_ctx} positions"
        )
    yield from _about_copies(fit)
    yield from _about_gpus(fit, smallest, plan_of)
    if smallest.fits != "yes":
        yield from _about_variants(fit, smallest)


def _gains(fit: ModelFit, compact: PlannedContext) -> bool:
    assert compact.n_ctx is not None
    return all((each.n_ctx or 0) < compact.n_ctx for each in fit.largest)


def _about_copies(fit: ModelFit) -> Iterable[str]:
    """Load mode: with a mapped file, what is rearranged for the CPU is resident twice."""
    copied = fit.plan.copied_bytes
    totals = [each.total_bytes for each in fit.contexts if each.fits == "yes"]
    if copied and totals and max(totals) + copied > fit.capacity.free_bytes:
        yield (
            f"--load-mode none: mapped, {copied / 1e9:.1f} GB of weights are in memory twice "
            "while they are rearranged for this CPU"
        )


def _about_gpus(fit: ModelFit, smallest: ContextFit, plan_of: PlanOf) -> Iterable[str]:
    """
    What a GPU that is too small can leave to system memory, as the planner finds it to fit.

    Experts first: a token reads few of them, so they cost the least on the wrong side of the bus.
    """
    excess, on_gpu = _on_small_gpus(fit.capacity, smallest)
    if not excess:
        return
    n_layer, request = _n_layer(fit), smallest.context.request

    def still_too_much(**changes: int) -> int | None:
        """Bytes that GPUs lack with other settings; None where system memory lacks some too."""
        settings = fit.settings.model_copy(update=changes)
        plan = plan_of(settings, [request])
        again = judged(plan.contexts[0], plan, fit.capacity) if plan.contexts else None
        if again is None or again.fits is None:
            return None
        lacking, _ = _on_small_gpus(fit.capacity, again)
        return lacking if lacking or again.fits == "yes" else None

    if of_layer := _expert_layer_bytes(fit):
        n_moe = _first_that_fits(
            lambda more: -(-more // of_layer),
            lambda n: still_too_much(n_cpu_moe=n) if n <= n_layer else None,
            excess,
        )
        if n_moe:
            yield f"the experts of {n_moe} of {n_layer} layers in system memory: -ncmoe {n_moe}"
            return
    n_moved = _first_that_fits(
        lambda more: -(-more * n_layer // on_gpu),
        lambda n: still_too_much(n_gpu_layers=n_layer - n) if n < n_layer else None,
        excess,
    )
    if n_moved:
        n = n_layer - n_moved
        where = "servers" if fit.settings.rpc else "GPU"
        yield f"{n} of {n_layer} layers on the {where}, the rest in system memory: -ngl {n}"


def _on_small_gpus(capacity: MemoryCapacity, context: ContextFit) -> tuple[int, int]:
    """Of the GPUs that are too small for `context`: bytes they lack, and bytes wanted of them."""
    lacking = wanted = 0
    for limit in capacity.limits:
        if SYSTEM in limit.devices:
            continue
        taken = sum(context.by_device.get(name, 0) for name in limit.devices)
        if taken > limit.n_bytes:
            lacking, wanted = lacking + taken - limit.n_bytes, wanted + taken
    return lacking, wanted


def _first_that_fits(
    layers_for: Callable[[int], int], lacking_with: Callable[[int], int | None], excess: int
) -> int | None:
    """
    How many layers to move until nothing is lacking; None where that does not help.

    What the engine puts where goes by more than sizes, so each answer is planned and mended.
    """
    n, lacking = 0, excess
    for _ in range(_N_PLANS):
        n += max(1, layers_for(lacking))
        answer = lacking_with(n)
        if answer is None:
            return None
        if not answer:
            return n
        lacking = answer
    return None


def _expert_layer_bytes(fit: ModelFit) -> int:
    """The mean of what the routed experts of a layer take; 0 in a model without."""
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
    available = max(limit.n_bytes for limit in fit.capacity.limits)
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
