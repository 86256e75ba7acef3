"""What was measured on this machine before, set beside what its class would have said of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.analysis.device_memory import MemoryCapacity, fits
from harness.analysis.measured import Measured, measured_of
from harness.analysis.speed.class_rates import class_rates
from harness.analysis.speed.corrections import LocalResult, LocalResults
from harness.analysis.speed.predict import MachineSpeed, predict_speed
from harness.errors import ResultsInvalid
from harness.measure.memory import capacity_of, least_need
from harness.records.listing import list_experiments
from harness.records.store import StoredExperiment, load
from harness.schema.experiment import EngineInfo, Experiment
from harness.schema.machine import Machine
from harness.schema.prediction import Prediction
from harness.schema.settings import Settings
from harness.schema.work import Work
from harness.schema.workload import Decode, Prefill, parse_workload
from harness.schema.workload_kind import Workload

# Behind more context than this a figure is one of the cache too, which is predicted apart.
_SHALLOW_TOKENS = 2100
# Whoever has more results than these has tried the same models again and again.
_MOST_EXPERIMENTS = 30
# A result so far off was spoilt by something that no other model will meet.
_FARTHEST = math.log(3)

Kind = type[Decode] | type[Prefill]
Found = dict[tuple[Kind, str], LocalResult]
"""By kind of workload and model."""
_KINDS: tuple[Kind, Kind] = (Decode, Prefill)


def corrected_here(
    by_class: MachineSpeed, results: Path, machine: Machine, engine: EngineInfo
) -> MachineSpeed:
    """
    `by_class`, corrected by what `results` hold of this machine and this build of the engine.

    Of each model the newest result counts, a twin's as much as the model's: their speeds agree.
    Results without the model's Work (schema 3 and older) do not, nor those of which only a part was
    on the GPU or would fit there.
    A folder that cannot be read corrects nothing: whoever asks for it elsewhere is told.
    """
    found: Found = {}
    capacity = capacity_of(machine, machine.usable_bytes, engine.devices).idle
    told = _without_ranges(by_class)
    try:
        listings = list_experiments(results)
    except ResultsInvalid:
        return by_class
    usable = [it for it in listings if it.experiment and _is_of(it.experiment, machine, engine)]
    for listing in reversed(usable[-_MOST_EXPERIMENTS:]):
        try:
            stored = load(listing.path)
        except ResultsInvalid:
            continue
        for kind, local in _of_experiment(stored, told, capacity):
            found.setdefault((kind, local.model), local)
    if not found:
        return by_class
    decode, prefill = (
        tuple(local for (kind, _), local in found.items() if kind == wanted) for wanted in _KINDS
    )
    rates = class_rates()
    local_results = LocalResults(decode, prefill, rates.known_decode, rates.known_prefill)
    return replace(by_class, local_results=local_results)


def _without_ranges(speed: MachineSpeed) -> MachineSpeed:
    """The same with a figure, to set results beside it, where the class tells only a range."""
    prefill = speed.prefill and replace(speed.prefill, only_a_range=None)
    return replace(speed, decode=replace(speed.decode, only_a_range=None), prefill=prefill)


def _is_of(experiment: Experiment, machine: Machine, engine: EngineInfo) -> bool:
    measured_with = experiment.provenance.engine
    return (
        bool(experiment.works)
        and experiment.machine.is_same_as(machine)
        and measured_with.library_commit == engine.library_commit
        and [it.name for it in measured_with.devices] == [it.name for it in engine.devices]
    )


def _of_experiment(
    stored: StoredExperiment, by_class: MachineSpeed, capacity: MemoryCapacity
) -> Iterator[tuple[Kind, LocalResult]]:
    for group in measured_of(stored.experiment, stored.runs):
        work = stored.experiment.works.get(group.model.key)
        if work is None or group.model.kind != "generates":
            continue
        if fits(least_need(work), capacity) != "yes":
            continue
        for kind in _KINDS:
            local = _local_result(group, work, kind, by_class)
            if local is not None and abs(local.log_ratio) < _FARTHEST:
                yield kind, local


def _local_result(
    group: Measured, work: Work, kind: Kind, by_class: MachineSpeed
) -> LocalResult | None:
    """Of the longest shallow workload of its kind, where the class says something of it."""
    shallow: list[tuple[int, float, float]] = []
    for case in group.cases:
        workload = parse_workload(case.workload)
        measured = case.metrics.get("tok_per_s")
        if not isinstance(workload, kind) or measured is None or not _is_shallow(workload):
            continue
        assert isinstance(group.settings, Settings)  # of a file, so of the engine in this process
        (told,) = predict_speed(work, by_class, workload, group.model.key, group.settings)
        if isinstance(told, Prediction):
            shallow.append((workload.n, measured.value, told.value))
    if not shallow:
        return None
    _, measured_per_s, told_per_s = max(shallow)
    return LocalResult(group.model.key, work, math.log(measured_per_s / told_per_s))


def _is_shallow(workload: Workload) -> bool:
    return workload.n_ctx <= _SHALLOW_TOKENS
