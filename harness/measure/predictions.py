"""What is said of an experiment before it begins, to be held against it afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.device_memory import SYSTEM, MemoryNeed
from harness.analysis.speed.predict import MachineSpeed, predict_speed
from harness.errors import HarnessError
from harness.measure.jobs.plan import ContextRequest, MemoryPlan, PlannedContext, plan_memory
from harness.measure.memory import (
    beside,
    capacity_here,
    context_request,
    memory_settings,
    most_needed,
    plan_workloads,
    planned_need,
    shortage,
    together,
)
from harness.measure.speed_here import known_speed
from harness.models.find import local_model
from harness.models.model import Model
from harness.schema.configuration import workloads_under
from harness.schema.experiment import Experiment, Plan, StoredPrediction
from harness.schema.figure import exact
from harness.schema.machine import Machine
from harness.schema.model import ModelKey
from harness.schema.prediction import Component, Prediction
from harness.schema.settings import Settings, computing_threads, settings_text
from harness.schema.work import Work
from harness.schema.workload import parse_workload

_KINDS: dict[Component, tuple[str, ...]] = {
    "kv_bytes": ("kv", "kv-sliding", "recurrent"),
    "compute_bytes": ("compute", "output"),
}
# A worker's own memory, beside what the engine takes for the model: interpreter, numpy and the
# engine's libraries (anonymous memory of a worker with tiny-random: 51 MiB).
_WORKER_BYTES = 64 << 20
Speeds = Mapping[int, MachineSpeed | None]
"""What is known of this machine's speed, by the engine's threads."""


@dataclass(frozen=True)
class PredictedExperiment:
    """
    An experiment with its predictions and the Works of its models; and of models that will not go
    into the memory that is free, under some of their settings, why. `refusals` are of settings that
    the engine cannot do on a model which it can do under its usual ones, one a model. `why_apart`
    says why not all models under all settings can be in memory at once; None: they can.
    """

    experiment: Experiment
    shortages: Mapping[ModelKey, str]
    refusals: tuple[str, ...] = ()
    why_apart: str | None = None


def predict(
    experiment: Experiment, paths: Mapping[ModelKey, Path], results: Path | None = None
) -> PredictedExperiment:
    """
    The experiment with its predictions: memory by the engine's planner, speed where it is known;
    and with what its models ask, from which later predictions learn.

    Takes half a second for each model and for each of its memory settings. Whatever cannot be
    predicted is left out: no prediction is worth a measurement.

    Args:
        experiment: Without them.
        paths: Where each model of the plan lies.
        results: Where earlier experiments lie, to learn from; None learns nothing.
    """
    found: list[StoredPrediction] = []
    speeds = _speeds(experiment, results)
    works: dict[ModelKey, Work] = {}
    shortages: dict[ModelKey, str] = {}
    refusals: list[str] = []
    planned: list[MemoryPlan | None] = []
    for key in (model.key for model in experiment.plan.models if model.served is None):
        try:
            model = local_model(paths[key], key)
            work = model.work
        except HarnessError:
            planned += [None] * len(experiment.plan.engine_settings)
            continue  # the worker will say what is wrong with it
        works[key] = work
        plans = _plans(model, paths, experiment.plan)
        planned += [plans[memory_settings(each)] for each in experiment.plan.engine_settings]
        found += _of_model(model, plans, experiment, speeds)
        refusals += _refusals(model, paths[key], experiment.plan, plans)
        for plan in plans.values():
            need = most_needed(plan)
            capacity = capacity_here(_machine_of(experiment), plan.devices)
            if need is not None and (why := shortage(need, capacity)):
                shortages.setdefault(key, why)
    made = experiment.model_copy(update={"predictions": tuple(found), "works": works})
    why_apart = _why_apart(planned, _machine_of(experiment))
    return PredictedExperiment(made, shortages, tuple(refusals), why_apart)


def _why_apart(planned: Sequence[MemoryPlan | None], machine: Machine) -> str | None:
    """
    Why workers with these plans do not go into memory together; None where they do.

    A file that several of them map is counted for each: they may share it, or may have repacked it.
    """
    if len(planned) < 2:
        return None
    needs = [most_needed(plan) if plan else None for plan in planned]
    known = [need for need in needs if need is not None]
    if len(known) < len(needs):
        return "what they need together cannot be planned"
    own_bytes = _WORKER_BYTES * len(known)
    processes = MemoryNeed(exact(own_bytes, "bytes"), {SYSTEM: own_bytes})
    devices = next(plan.devices for plan in planned if plan)
    need = together([*known, processes])
    return shortage(need, capacity_here(machine, devices), "together they need")


def _plans(model: Model, paths: Mapping[ModelKey, Path], plan: Plan) -> dict[Settings, MemoryPlan]:
    """One for each memory setting; with a draft where that has one."""
    path, found = paths[model.key], {}
    for settings in dict.fromkeys(map(memory_settings, plan.engine_settings)):
        names = workloads_under(model.file, settings, plan.workloads)
        found[settings] = plan_workloads(path, model, settings, names)
        if draft := settings.draft_model:
            try:
                other = local_model(paths[draft], draft)
            except HarnessError:
                continue  # the worker will say what is wrong with it
            of_draft = plan_memory(
                paths[draft],
                other.headers,
                settings,
                [each.request for each in found[settings].contexts],
            )
            found[settings] = beside(found[settings], of_draft)
    return found


def _refusals(
    model: Model, path: Path, plan: Plan, plans: Mapping[Settings, MemoryPlan]
) -> Iterator[str]:
    """
    Why settings are to blame for what the engine refuses: without them it does not.

    Whatever it refuses under any settings is for the worker to find out, and to be kept.
    """
    for settings in plan.engine_settings:
        contexts = plans[memory_settings(settings)].contexts
        refused = next((each for each in contexts if each.reason == "context-failed"), None)
        if refused is None:
            continue
        usual = Settings(n_threads=settings.n_threads, load_mode=settings.load_mode)
        request = ContextRequest(
            n_ctx=refused.request.n_ctx,
            n_sequences=refused.request.n_sequences,
            is_shared=refused.request.is_shared,
        )
        if any(each.n_ctx for each in plan_memory(path, model.headers, usual, [request]).contexts):
            yield f"{model.key} with {settings_text(settings)}: {refused.message}"
            return


def _of_model(
    model: Model, plans: Mapping[Settings, MemoryPlan], experiment: Experiment, speeds: Speeds
) -> Iterator[StoredPrediction]:
    for index, settings in enumerate(experiment.plan.engine_settings):
        plan = plans[memory_settings(settings)]
        capacity = capacity_here(_machine_of(experiment), plan.devices)
        # Rates were fitted on models that write, each token by itself, and hold for no others.
        is_known = model.file.kind == "generates" and settings.draft is None
        speed = speeds[settings.n_threads] if is_known else None
        names = workloads_under(model.file, settings, experiment.plan.workloads)
        for workload in map(parse_workload, names):
            request = context_request(workload, model.file.n_ctx_train, settings)
            context = next(
                (each for each in plan.contexts if each.request == request and each.n_ctx), None
            )
            memory = [] if context is None else memory_predictions(plan, context)
            told: list[Prediction] = [
                each.model_copy(update={"model": model.key, "workload": workload.name})
                for each in memory
            ]
            if speed is not None:
                why = shortage(planned_need(plan, context), capacity) if context else None
                figures = predict_speed(model.work, speed, workload, model.key, settings, why)
                told += [each for each in figures if isinstance(each, Prediction)]
            yield from (
                StoredPrediction(settings_index=index, **each.model_dump()) for each in told
            )


def _machine_of(experiment: Experiment) -> Machine:
    assert isinstance(experiment.machine, Machine)  # of this machine, so told in full
    return experiment.machine


def _speeds(experiment: Experiment, results: Path | None) -> Speeds:
    """
    Asked once for each number of threads: nothing else of the settings matters to it.

    A CPU's memory is not read for it: that gives ranges, and only figures are kept.
    """
    machine = _machine_of(experiment)
    engine = experiment.provenance.engine
    if machine.rpc:  # no rate of this machine holds for others, nor for the way to them
        return dict.fromkeys((it.n_threads for it in experiment.plan.engine_settings), None)
    return {
        n_threads: known_speed(machine, engine, n_threads, results=results).speed
        for n_threads in {settings.n_threads for settings in experiment.plan.engine_settings}
    }


def memory_predictions(plan: MemoryPlan, context: PlannedContext) -> Sequence[Prediction]:
    """
    Weights, cache, compute and all together, in the engine's own counting: exact, so without an
    interval. Model and workload are left to the caller.
    """
    values: dict[Component, int] = {
        "weights_bytes": plan.reported_bytes,
        **{
            component: sum(buffer.n_bytes for buffer in context.buffers if buffer.kind in kinds)
            for component, kinds in _KINDS.items()
        },
    }
    values["total_bytes"] = sum(values.values())
    return [
        Prediction(
            model="",
            workload="",
            component=component,
            value=n_bytes,
            low=n_bytes,
            high=n_bytes,
            method="planner",
        )
        for component, n_bytes in values.items()
    ]


def warnings(predicted: PredictedExperiment) -> list[str]:
    """What the user should know before waiting for it."""
    experiment = predicted.experiment
    machine, plan = experiment.machine, experiment.plan
    assert isinstance(machine, Machine)  # of this machine, so told in full
    found = [*experiment.conditions.warnings]
    n_threads = max(map(computing_threads, plan.settings))
    if n_threads > machine.n_cores_usable:
        found.append(
            f"{n_threads} threads on {machine.n_cores_usable} usable cores: they will wait for "
            "each other at every step"
        )
    then = "so it will page or be killed; close programs or choose a smaller variant"
    if machine.rpc:
        then = "so a server will refuse it; split it otherwise or choose a smaller variant"
    found.extend(f"{key}: {why}, {then}" for key, why in predicted.shortages.items())
    return found
