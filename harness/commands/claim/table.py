"""The rows of the claim: each model of the catalogue on each machine, measured or predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness import units
from harness.analysis.device_memory import MemoryCapacity, MemoryNeed, fits
from harness.analysis.speed.chips import Chip
from harness.analysis.speed.hardware_class import cpu_speed, speed_of_chip
from harness.analysis.verdict import Verdict, by_memory
from harness.analysis.verdict_predicted import Host, predict_verdict
from harness.commands.claim.conclusion import HERE, Cell, Row
from harness.measure.catalog_needs import CatalogNeeds, least_bytes
from harness.models.catalog.catalog import Entry
from harness.models.catalog.reference_machines import ReferenceMachine
from harness.models.catalog.spec import ModelSpec, Variant
from harness.schema.figure import Figure
from harness.schema.machine import Device


@dataclass(frozen=True)
class NamedHost:
    """A machine of the table; `is_consumer` None where nobody says whose it is (here)."""

    name: str
    title: str
    is_consumer: bool | None
    host: Host


def reference_host(machine: ReferenceMachine) -> NamedHost:
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
    host = Host(
        _capacity(machine),
        speed,
        slow_bandwidth,
        cpu_speed(slow_bandwidth) if slow_bandwidth else None,
    )
    title = (
        f"{machine.name}: {machine.title}; {units.memory_size(machine.usable_bytes)} for a model "
        f"at {units.bandwidth(machine.bandwidth_gb_per_s * 1e9)}"
    )
    return NamedHost(machine.name, title, machine.is_consumer, host)


def _capacity(machine: ReferenceMachine) -> MemoryCapacity:
    """All of it free; a graphics card with memory of its own has the system's beside it."""
    usable, beside = machine.usable_bytes, machine.system_usable_bytes
    if not beside:
        return MemoryCapacity(usable, usable)
    card = Device(
        name="GPU",
        description=machine.title,
        kind="gpu",
        total_bytes=usable,
        free_bytes=usable,
    )
    return MemoryCapacity(beside, beside, devices=(card,))


def rows(
    specs: Sequence[ModelSpec],
    hosts: Sequence[NamedHost],
    needs: CatalogNeeds,
    measured: Mapping[str, Cell],
) -> list[Row]:
    """One row a model; what was `measured` here (by the model's name) is not predicted."""
    return [_row(spec, hosts, needs, measured.get(spec.name)) for spec in specs]


def _row(
    spec: ModelSpec, hosts: Sequence[NamedHost], needs: CatalogNeeds, measured: Cell | None
) -> Row:
    usual = spec.variants[0] if spec.variants else None
    size = needs.size_bytes(spec, usual) if usual else None
    cells = [measured if measured and at.name == HERE else _cell(spec, at, needs) for at in hosts]
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


def _cell(spec: ModelSpec, at: NamedHost, needs: CatalogNeeds) -> Cell:
    capacity = at.host.capacity
    known = [
        (variant, need)
        for variant in spec.variants
        if (need := needs.need(spec, variant, capacity)) is not None
    ]
    if not known:
        return _cell_without_size(spec, at)
    variant, need = _chosen(spec, known, capacity)
    work = needs.work(spec, variant)
    found = predict_verdict(work, need, at.host, Entry(spec, variant).key)
    is_usual = variant is spec.variants[0]
    if isinstance(found, Verdict):
        return Cell(at.name, variant.quantization, is_usual, found)
    return Cell(at.name, variant.quantization, is_usual, None, found.reason)


def _cell_without_size(spec: ModelSpec, at: NamedHost) -> Cell:
    """Of a model without a file of known size only that it is too large can be said."""
    there = at.host.capacity.fast_bytes + at.host.capacity.slow_bytes
    least = min((least_bytes(spec, each) or 0 for each in spec.variants or (None,)), default=0)
    if least <= there:
        return Cell(at.name, None, True, None, "nobody knows the size of its file")
    what = "the smallest quantization of so many parameters"
    verdict = by_memory(Figure(least, least, None, "bytes", "predicted", source=what), there, None)
    return Cell(at.name, None, True, verdict)


def _chosen(
    spec: ModelSpec, known: Sequence[tuple[Variant, MemoryNeed]], capacity: MemoryCapacity
) -> tuple[Variant, MemoryNeed]:
    """The usual variant if it fits, else the largest that does, else the smallest there is."""
    for wanted in ("yes", "split"):
        fitting = [(variant, need) for variant, need in known if fits(need, capacity) == wanted]
        for pair in fitting:
            if pair[0] is spec.variants[0]:
                return pair
        if fitting:
            return max(fitting, key=lambda pair: pair[1].n_bytes)
    return min(known, key=lambda pair: pair[1].n_bytes)
