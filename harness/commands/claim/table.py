"""The rows of the claim: each model of the catalogue on each machine, measured or predicted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness import units
from harness.analysis.speed.chips import Chip
from harness.analysis.speed.hardware_class import cpu_speed, speed_of_chip
from harness.analysis.verdict import Verdict, by_memory
from harness.analysis.verdict_predicted import DECODE, Place, foretell
from harness.commands.claim.conclusion import HERE, Cell, Row
from harness.models.catalog.catalog import Entry
from harness.models.catalog.choice import need_bytes
from harness.models.catalog.reference_machines import ReferenceMachine
from harness.models.catalog.spec import ModelSpec, Variant
from harness.models.gguf.layouts import SIZE_TOLERANCE
from harness.schema.figure import Figure
from harness.schema.work import Work

# Beside weights and cache: scores for a micro-batch of 512 positions, four bytes each, and as
# much again as eight rows of the model's width for what a layer is computed with (gpt-oss-20b:
# 412 + 47 MB; its buffers are 0.4 GB).
_UBATCH = 512
_FLOAT_BYTES = 4
_F16_BYTES = 2
_WIDTHS = 8
# IQ1_S, the smallest quantization that models not trained for it are published in: 50 bytes for
# 256 weights (ggml-common.h).
_LEAST_BYTES_PER_WEIGHT = 50 / 256
# What the estimate beside the weights may be off by. Against the engine's planner it was within
# 14 % for 58 models of the catalogue, for 48 within 8 %; but compute buffers, up to half of it, are
# laid out otherwise for each device, and the planner knows only the devices here.
_CONTEXT_SPREAD = 0.2


@dataclass(frozen=True)
class Site:
    """A machine of the table; `is_consumer` None where nobody says whose it is (here)."""

    name: str
    title: str
    is_consumer: bool | None
    place: Place


@dataclass(frozen=True)
class Requirements:
    """
    What models ask for.

    `works` gives the Work of a variant, None where it is not known. `context_bytes` is what each
    model (by name) takes beside its weights at 4,096 positions, as the engine plans it; a model
    that is not in it is estimated. `shape_bytes` is what the shapes of variants of unpublished
    size come to (by "name:QUANTIZATION"); one that is not in it is of unknown size.
    """

    works: Callable[[ModelSpec, Variant], Work | None]
    context_bytes: Mapping[str, int]
    shape_bytes: Mapping[str, int] = field(default_factory=dict)

    def size_bytes(self, spec: ModelSpec, variant: Variant) -> int | None:
        """Of the variant's file: published, else made from the shape; None where neither is."""
        if variant.size_bytes is not None:
            return variant.size_bytes
        return self.shape_bytes.get(Entry(spec, variant).key)


def reference_site(machine: ReferenceMachine) -> Site:
    """A reference machine with what it gives a model."""
    slow_bandwidth = (machine.system_bandwidth_gb_per_s or 0) * 1e9
    if machine.family is None:
        speed = cpu_speed(machine.bandwidth_gb_per_s * 1e9)
    else:
        assert machine.chip is not None
        assert machine.fp32_tflops is not None
        chip = Chip(
            machine.chip,
            machine.machine_class,
            machine.family,
            machine.bandwidth_gb_per_s,
            machine.fp32_tflops,
        )
        speed = speed_of_chip(chip)
    place = Place(
        machine.usable_bytes,
        speed,
        machine.system_usable_bytes,
        slow_bandwidth,
        cpu_speed(slow_bandwidth) if slow_bandwidth else None,
    )
    title = (
        f"{machine.name}: {machine.title}; {units.memory_size(machine.usable_bytes)} for a model "
        f"at {units.bandwidth(machine.bandwidth_gb_per_s * 1e9)}"
    )
    return Site(machine.name, title, machine.is_consumer, place)


def rows(
    specs: Sequence[ModelSpec],
    sites: Sequence[Site],
    requirements: Requirements,
    measured: Mapping[str, Cell],
) -> list[Row]:
    """One row a model; what was `measured` here (by the model's name) is not predicted."""
    return [_row(spec, sites, requirements, measured.get(spec.name)) for spec in specs]


def is_close(spec: ModelSpec, sites: Sequence[Site], requirements: Requirements) -> bool:
    """Whether the estimate leaves open, for some variant on one of `sites`, if it fits."""
    needs = [need for variant in spec.variants if (need := _need(spec, variant, requirements))]
    rooms = {
        room
        for site in sites
        for room in (site.place.usable_bytes, site.place.usable_bytes + site.place.slow_bytes)
    }
    return any(
        low <= room <= high for need in needs for low, high in (need.bounds,) for room in rooms
    )


def _row(
    spec: ModelSpec, sites: Sequence[Site], requirements: Requirements, measured: Cell | None
) -> Row:
    usual = spec.variants[0] if spec.variants else None
    size = requirements.size_bytes(spec, usual) if usual else None
    cells = [
        measured if measured and site.name == HERE else _cell(spec, site, requirements)
        for site in sites
    ]
    return Row(
        model=spec.name,
        lab=spec.lab,
        country=spec.country,
        n_params=spec.parameters.total,
        n_params_active=spec.parameters.active,
        variant=usual.quantization if usual else None,
        size_bytes=size,
        is_size_estimated=size is not None and usual is not None and usual.size_bytes is None,
        cells=tuple(cells),
    )


def _cell(spec: ModelSpec, site: Site, requirements: Requirements) -> Cell:
    needs = [
        (variant, need)
        for variant in spec.variants
        if (need := _need(spec, variant, requirements)) is not None
    ]
    if not needs:
        return _cell_without_size(spec, site)
    variant, need = _chosen(spec, needs, site.place)
    work = requirements.works(spec, variant)
    found = foretell(work, need, site.place, Entry(spec, variant).key)
    is_usual = variant is spec.variants[0]
    if isinstance(found, Verdict):
        return Cell(site.name, variant.quantization, is_usual, found)
    return Cell(site.name, variant.quantization, is_usual, None, found.reason)


def _cell_without_size(spec: ModelSpec, site: Site) -> Cell:
    """Of a model without a file of known size only that it is too large can be said."""
    total = spec.parameters.total
    room = site.place.usable_bytes + site.place.slow_bytes
    least = int((total or 0) * _LEAST_BYTES_PER_WEIGHT)
    if least <= room:
        return Cell(site.name, None, True, None, "nobody knows the size of its file")
    what = "the smallest quantization of so many parameters"
    verdict = by_memory(Figure(least, least, None, "bytes", "predicted", source=what), room, None)
    return Cell(site.name, None, True, verdict)


def _chosen(
    spec: ModelSpec, needs: Sequence[tuple[Variant, Figure]], place: Place
) -> tuple[Variant, Figure]:
    """The usual variant if it fits, else the largest that does, else the smallest there is."""
    for limit in (place.usable_bytes, place.usable_bytes + place.slow_bytes):
        fitting = [(variant, need) for variant, need in needs if need.value <= limit]
        for pair in fitting:
            if pair[0] is spec.variants[0]:
                return pair
        if fitting:
            return max(fitting, key=lambda pair: pair[1].value)
    return min(needs, key=lambda pair: pair[1].value)


def _need(spec: ModelSpec, variant: Variant, requirements: Requirements) -> Figure | None:
    """Memory at 4,096 positions: planned by the engine, else estimated."""
    size = requirements.size_bytes(spec, variant)
    if size is None:
        return None
    unsure = 0.0 if variant.size_bytes is not None else SIZE_TOLERANCE * size
    planned = requirements.context_bytes.get(spec.name)
    if planned is not None:
        return _around(size, planned, unsure, "planned by the engine")
    # The cache is the same in all variants, and finding out about each takes time.
    work = requirements.works(spec, spec.variants[0])
    shape = spec.shape
    if work is None or shape is None or shape.n_vocab is None:
        needed = need_bytes(variant) or size
        return _predicted(needed, needed - size, "estimated from the size")
    compute = _FLOAT_BYTES * _UBATCH * (shape.n_vocab + _WIDTHS * shape.n_embd)
    context = _cache_bytes(work) + shape.state_bytes + compute
    return _around(size, context, unsure, "estimated from the shape")


def _cache_bytes(work: Work) -> int:
    """The cache that the engine makes: of sliding layers the window and a micro-batch more."""
    return sum(
        part.n_layer
        * min(DECODE.n_ctx, (part.n_positions_max or DECODE.n_ctx) + _UBATCH)
        * (part.n_key_elements + part.n_value_elements)
        * _F16_BYTES
        for part in work.attention
    )


def _around(size: int, context_bytes: int, unsure_bytes: float, what: str) -> Figure:
    spread = _CONTEXT_SPREAD * context_bytes + unsure_bytes
    return _predicted(size + context_bytes, spread, what)


def _predicted(need_bytes: int, spread_bytes: float, what: str) -> Figure:
    low, high = need_bytes - spread_bytes, need_bytes + spread_bytes
    return Figure(need_bytes, low, high, "bytes", "predicted", source=what)
