"""What each context of a model takes of memory, as a picture, beside what there is."""

from __future__ import annotations

from collections.abc import Iterator

from harness import units
from harness.analysis.device_memory import MemoryCapacity
from harness.commands.fit.fit import FitResult
from harness.commands.fit.page import cache_name
from harness.measure.memory import ContextFit, ModelFit
from harness.report.picture import Axis, Mark, Picture, Rule

_GIB = 1 << 30


def pictures(result: FitResult) -> tuple[Picture, ...]:
    """One for each model; none of an overview, whose models are too many."""
    if result.is_overview:
        return ()
    names = [fit.found.key for fit, _ in result.fits]
    return tuple(
        Picture(
            title=f"Memory that {name} takes at each context, as the engine plans it",
            name=f"memory-{number}" if len(names) > 1 else "memory",
            drawing="stack",
            marks=tuple(mark for each in fit.contexts if each.fits for mark in _bar(fit, each)),
            x=Axis("GiB", includes_zero=True),
            y=Axis("context"),
            rules=tuple(_limits(result.capacity)),
            series_title="taken by",
        )
        for number, ((fit, _), name) in enumerate(zip(result.fits, names, strict=True), start=1)
    )


def _bar(fit: ModelFit, each: ContextFit) -> Iterator[Mark]:
    request = each.context.request
    row = f"{request.n_ctx} positions, {cache_name(request.type_k, request.type_v)} cache"
    parts = {
        "weights": fit.plan.weights_bytes,
        "KV cache": each.of("kv", "kv-sliding"),
        "state": each.of("recurrent"),
        "compute": each.of("compute", "output"),
    }
    for part, n_bytes in parts.items():
        if n_bytes:
            said = f"{part} {units.memory_size(n_bytes)} of {units.memory_size(each.total_bytes)}"
            label = f"{fit.found.key}, {row}: {said}, planned"
            yield Mark(n_bytes / _GIB, row, label, series=part, evidence="predicted")


def _limits(capacity: MemoryCapacity) -> Iterator[Rule]:
    """What is free for a model now, and what would be if nothing else ran."""
    free, most = capacity.fast_bytes, capacity.idle.fast_bytes
    yield Rule(free / _GIB, f"{units.memory_size(free)} free now")
    if most != free:
        yield Rule(most / _GIB, f"{units.memory_size(most)} in all")
