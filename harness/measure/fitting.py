"""
Whether a model fits into this machine's memory, at which context, and what would make it fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.analysis.device_memory import MemoryCapacity
from harness.measure.hints import hints
from harness.measure.jobs.plan import ContextRequest, MemoryPlan, PlannedContext, plan_memory
from harness.measure.memory import DEFAULT_CONTEXT, ContextFit, ModelFit, judged
from harness.models.model import Model
from harness.models.twin.stub import header_stub
from harness.schema.settings import Settings

DEFAULT_CONTEXTS = (DEFAULT_CONTEXT, 8192, 32_768, 131_072)
# Where a header does not say how long a context the model was trained for.
_UNKNOWN_CONTEXT = 131_072
# Ten million are the most that any published model claims.
_MOST_CONTEXT = 1 << 24
_COMPACT_CACHE = "q8_0"


def context_lengths(n_ctx_train: int | None, asked: Sequence[int] = ()) -> tuple[int, ...]:
    """The lengths to plan: those asked for, or the usual ones that the model was trained for."""
    if asked:
        return tuple(asked)
    trained = n_ctx_train or _UNKNOWN_CONTEXT
    return tuple(n for n in DEFAULT_CONTEXTS if n <= trained) or (trained,)


def fit_model(
    found: Model,
    settings: Settings,
    capacity: MemoryCapacity,
    *,
    lengths: Sequence[int] = (),
    cache_types: Sequence[tuple[str, str]] = (("f16", "f16"),),
) -> ModelFit:
    """
    What the model takes at each length and with each pair of cache types.

    Args:
        found: Its header, from anywhere.
        settings: How the engine would be set up; context and cache types are the others'.
        capacity: The machine's memory; its devices are those that the plan finds.
        lengths: Contexts; none takes `context_lengths`.
        cache_types: Of keys and of values.

    Raises:
        HarnessError: The header stub cannot be written.
    """
    trained = found.file.n_ctx_train
    requests = _requests(context_lengths(trained, lengths), cache_types)
    with header_stub(found) as path:

        def plan_of(
            settings: Settings, requests: Sequence[ContextRequest], **more: Any
        ) -> MemoryPlan:
            return plan_memory(path, found.headers, settings, requests, **more)

        plan = plan_of(
            settings,
            [request for request in requests if request.n_ctx <= (trained or _MOST_CONTEXT)],
            largest=_sought(trained, cache_types),
            system_bytes=capacity.free_bytes,
            gpu_limit_bytes=capacity.gpu_limit_bytes,
        )
        capacity = replace(capacity, devices=plan.devices)
        planned = {context.request: context for context in plan.contexts}
        contexts = tuple(
            judged(planned[request], plan, capacity)
            if request in planned
            else _refused(request, trained)
            for request in requests
        )
        fit = ModelFit(found, settings, capacity, plan, contexts, plan.largest[: len(cache_types)])
        compact_largest = plan.largest[-1] if plan.largest else None
        return replace(fit, hints=tuple(hints(fit, compact_largest, plan_of)))


def _sought(trained: int | None, cache_types: Sequence[tuple[str, str]]) -> list[ContextRequest]:
    """With which cache types the largest context is sought: those asked for, then the smallest."""
    compact = (_COMPACT_CACHE, _COMPACT_CACHE)
    most = trained or _UNKNOWN_CONTEXT
    return _requests((most,), tuple(dict.fromkeys((*cache_types, compact))))


def _requests(
    lengths: Sequence[int], cache_types: Sequence[tuple[str, str]]
) -> list[ContextRequest]:
    return [
        ContextRequest(n_ctx=n, type_k=key, type_v=value)
        for key, value in cache_types
        for n in lengths
    ]


def _refused(request: ContextRequest, trained: int | None) -> ContextFit:
    # As `harness run` refuses it. The engine would take memory for every position it plans.
    message = f"beyond the {trained or _MOST_CONTEXT} positions that the model was trained for"
    context = PlannedContext(
        request=request, n_ctx=None, reason="context-too-large", message=message
    )
    return ContextFit(context, None, None)
