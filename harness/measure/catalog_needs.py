"""
What the catalogue's models need of a machine's memory, offline: estimated from their headers, and
planned by the engine where the estimate leaves open whether it fits.

`harness models --fits` and `harness claim` ask here. Planning takes half a second a model, and for
most the answer is clear without.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from harness.analysis.device_memory import MemoryCapacity, MemoryNeed
from harness.errors import HarnessError
from harness.measure.jobs.plan import ContextRequest, MemoryPlan
from harness.measure.jobs.plan_each import PlanRequest, plan_each
from harness.measure.memory import DEFAULT_CONTEXT, planned_need
from harness.models.catalog.catalog import Catalog, Entry
from harness.models.catalog.spec import GeneratedSource, ModelSpec, Variant
from harness.models.find import find
from harness.models.gguf.layouts import SIZE_TOLERANCE
from harness.models.model import Model
from harness.models.twin.stub import header_stub
from harness.schema.figure import Figure
from harness.schema.model_kind import ModelKind, kind_of
from harness.schema.settings import Settings
from harness.schema.work import Work

# The number of threads changes nothing of what is planned.
_SETTINGS = Settings(n_threads=1)
# Beside weights and cache: scores for a micro-batch of 512 positions, four bytes each, and as
# much again as eight rows of the model's width for what a layer is computed with (gpt-oss-20b:
# 412 + 47 MB; its buffers are 0.4 GB).
_UBATCH = 512
_FLOAT_BYTES = 4
_WIDTHS = 8
# What the estimate beside the weights may be off by. Against the engine's planner it was within
# 14 % for 58 models of the catalogue, for 48 within 8 %; but compute buffers, up to half of it, are
# laid out otherwise for each device, and the planner knows only the devices here.
_CONTEXT_SPREAD = 0.2
# Without a header, beside the file: ten per cent, the caches and buffers of large models
# (gpt-oss-20b: 4096 positions take 0.2 GB and its buffers 0.4 GB, beside 12.1 GB), and at least
# 0.6 GB, scores for 512 positions of the largest vocabulary (262144 entries, 0.54 GB).
_BESIDE_RATIO = 0.10
_BESIDE_LEAST_BYTES = 600_000_000
# IQ1_S, the smallest quantization that models not trained for it are published in: 50 bytes for
# 256 weights (ggml-common.h).
_LEAST_BYTES_PER_WEIGHT = 50 / 256
# The bits that a quantization is named after are fewer than it takes: Q4_K_M has 4.8, IQ2_XXS 2.06.
_NAMED_BITS = re.compile(r"(?:^|-)(?:I?Q|MXFP|BF|F)(?P<bits>\d+)(?:_|$)")


OnPlanning = Callable[[int, int, str], None]
"""Told before a model is planned: which one, counted from 1, of how many, and its key."""


@dataclass
class CatalogNeeds:
    """Needs at 4,096 positions; `here` is the capacity of the machine whose devices plan."""

    catalog: Catalog
    here: MemoryCapacity | None = None
    _found: dict[str, Model | None] = field(default_factory=dict)
    _plans: dict[str, MemoryPlan | None] = field(default_factory=dict)

    def model(self, spec: ModelSpec, variant: Variant) -> Model | None:
        """By its file if that is here, else by its layout; None where neither is to be had."""
        key = Entry(spec, variant).key
        if key not in self._found:
            try:
                self._found[key] = find(key, self.catalog, asks_hub=False)
            except HarnessError:
                self._found[key] = None  # it is judged by its size alone
        return self._found[key]

    def kind(self, spec: ModelSpec) -> ModelKind:
        """What it does, by its usual variant's header, or where there is none its architecture."""
        usual = spec.variants[0] if spec.variants else None
        # To look at a generated one would be to write it.
        if usual and not isinstance(usual.source, GeneratedSource):
            model = self.model(spec, usual)
            if model is not None:
                return model.file.kind
        return kind_of(spec.architecture or "")

    def work(self, spec: ModelSpec, variant: Variant) -> Work | None:
        """By the header's tensor table; None without one."""
        model = self.model(spec, variant)
        return model.work if model else None

    def size_bytes(self, spec: ModelSpec, variant: Variant) -> int | None:
        """Of the variant's file: published, else by its layout; None where neither is."""
        if variant.size_bytes is not None:
            return variant.size_bytes
        model = self.model(spec, variant)
        return model.file.n_bytes if model else None

    def need(
        self, spec: ModelSpec, variant: Variant, capacity: MemoryCapacity
    ) -> MemoryNeed | None:
        """What the variant needs, as surely as `capacity` asks for; None: nobody knows its size."""
        size = self.size_bytes(spec, variant)
        if size is None:
            return None
        estimate = MemoryNeed(self._estimate(spec, variant, size))
        if not _leaves_open(estimate, capacity):
            return estimate
        plan = self._plan(spec, self._stand_in(spec, variant, capacity))
        if plan is None:
            return estimate
        if capacity == self.here:
            return planned_need(plan, plan.contexts[0])
        beside = sum(buffer.n_bytes for buffer in plan.contexts[0].buffers)
        return MemoryNeed(_around(size, beside, _unsure(variant, size), "planned by the engine"))

    def plan_ahead(
        self,
        specs: Iterable[ModelSpec],
        capacities: Sequence[MemoryCapacity],
        on_planning: OnPlanning = lambda *_: None,
    ) -> None:
        """
        Plans whatever `need` would plan of these, all by one worker.

        Raises:
            HarnessError: The folder for temporary files cannot be written.
        """
        missing: dict[str, Model] = {}
        for spec, capacity in product(specs, capacities):
            for variant in spec.variants:
                planned = self._stand_in(spec, variant, capacity)
                key = Entry(spec, planned).key
                if key in self._plans or not self._is_open(spec, variant, capacity):
                    continue
                if model := self.model(spec, planned):
                    missing[key] = model
        self._plan_all(missing, on_planning)

    def _is_open(self, spec: ModelSpec, variant: Variant, capacity: MemoryCapacity) -> bool:
        size = self.size_bytes(spec, variant)
        if size is None:
            return False
        return _leaves_open(MemoryNeed(self._estimate(spec, variant, size)), capacity)

    def _stand_in(self, spec: ModelSpec, variant: Variant, capacity: MemoryCapacity) -> Variant:
        """The variant that is planned: elsewhere one for all, for the cache is the same."""
        return variant if capacity == self.here else spec.variants[0]

    def _plan(self, spec: ModelSpec, variant: Variant) -> MemoryPlan | None:
        """None where the engine cannot plan it."""
        key = Entry(spec, variant).key
        if key not in self._plans:
            self._plans[key] = None
            if model := self.model(spec, variant):
                self._plan_all({key: model})
        return self._plans[key]

    def _plan_all(
        self, models: Mapping[str, Model], on_planning: OnPlanning = lambda *_: None
    ) -> None:
        keys = list(models)
        with contextlib.ExitStack() as stack:
            requests = [
                _request(stack.enter_context(header_stub(model)), model)
                for model in models.values()
            ]
            plans = plan_each(requests, lambda n: on_planning(n + 1, len(keys), keys[n]))
        for key, plan in zip(keys, plans, strict=True):
            is_known = bool(plan.contexts) and plan.contexts[0].n_ctx is not None
            self._plans[key] = plan if is_known else None

    def _estimate(self, spec: ModelSpec, variant: Variant, size: int) -> Figure:
        shape, usual = spec.shape, spec.variants[0]
        # To look at a generated one would be to write it.
        is_written = not isinstance(usual.source, GeneratedSource)
        work = self.work(spec, usual) if is_written else None
        if work is None or shape is None or shape.n_vocab is None:
            beside = max(int(size * _BESIDE_RATIO), _BESIDE_LEAST_BYTES)
            return _predicted(size + beside, beside, "estimated from the size")
        compute = _FLOAT_BYTES * _UBATCH * (shape.n_vocab + _WIDTHS * shape.n_embd)
        context = _cache_bytes(work) + shape.state_bytes + compute
        return _around(size, context, _unsure(variant, size), "estimated from the shape")


def least_bytes(spec: ModelSpec, variant: Variant | None = None) -> int | None:
    """
    What a file of so many parameters has at the least, where nobody published its size.

    Args:
        spec: Its parameters.
        variant: Its quantization; None is the smallest there is.

    Returns:
        None where the number of parameters is not known.
    """
    total = spec.parameters.total
    if total is None:
        return None
    named = _NAMED_BITS.search(variant.quantization.upper()) if variant else None
    return int(total * max(int(named["bits"]) / 8 if named else 0, _LEAST_BYTES_PER_WEIGHT))


def _request(path: Path, model: Model) -> PlanRequest:
    n_ctx = min(DEFAULT_CONTEXT, model.file.n_ctx_train or DEFAULT_CONTEXT)
    return PlanRequest(path, model.headers, _SETTINGS, (ContextRequest(n_ctx=n_ctx),))


def _leaves_open(need: MemoryNeed, capacity: MemoryCapacity) -> bool:
    """Whether `need` may and may not go into what there is, now or with nothing else running."""
    low, high = need.figure.bounds
    limits = [
        limit
        for each in (capacity, capacity.idle)
        for limit in (each.fast_bytes, each.fast_bytes + each.slow_bytes)
    ]
    return any(low <= limit <= high for limit in limits)


def _unsure(variant: Variant, size: int) -> float:
    return 0.0 if variant.size_bytes is not None else SIZE_TOLERANCE * size


def _cache_bytes(work: Work) -> float:
    """The cache that the engine makes: of sliding layers the window and a micro-batch more."""
    return sum(
        part.n_layer
        * min(DEFAULT_CONTEXT, (part.n_positions_max or DEFAULT_CONTEXT) + _UBATCH)
        * (part.n_key_elements + part.n_value_elements)
        * 2
        for part in work.attention
    )


def _around(size: int, context_bytes: float, unsure_bytes: float, what: str) -> Figure:
    spread = _CONTEXT_SPREAD * context_bytes + unsure_bytes
    return _predicted(size + context_bytes, spread, what)


def _predicted(need_bytes: float, spread_bytes: float, what: str) -> Figure:
    low, high = need_bytes - spread_bytes, need_bytes + spread_bytes
    return Figure(need_bytes, low, high, "bytes", "predicted", source=what)
