"""What is said of an experiment before it begins, to be held against it afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.analysis.speed.predict import MachineSpeed, predict_speed
from harness.errors import HarnessError
from harness.measure.jobs.plan import ContextRequest, MemoryPlan, PlannedContext, plan_memory
from harness.measure.speed_here import known_speed
from harness.models.find import local_model
from harness.models.model import Model
from harness.schema.experiment import Experiment, ModelKey, Plan, StoredPrediction
from harness.schema.machine import Machine
from harness.schema.prediction import Component, Prediction
from harness.schema.settings import Settings
from harness.schema.work import Work
from harness.schema.workload import Workload, parse_workload

_KINDS: dict[Component, tuple[str, ...]] = {
    "kv_bytes": ("kv", "kv-sliding", "recurrent"),
    "compute_bytes": ("compute", "output"),
}
# What planning does not look at: a sweep over these is planned once.
_WITHOUT_EFFECT = {"n_threads": 1}

Speeds = Mapping[int, MachineSpeed | None]
"""What is known of this machine's speed, by the engine's threads."""


def foretell(
    experiment: Experiment, paths: Mapping[ModelKey, Path], results: Path | None = None
) -> Experiment:
    """
    The experiment with its predictions: memory by the engine's planner, speed where it is known;
    and with what its models ask, from which later predictions learn.

    Takes half a second for each model and for each of its memory settings. Whatever cannot be
    foretold is left out: no prediction is worth a measurement.

    Args:
        experiment: Without them.
        paths: Where each model of the plan lies.
        results: Where earlier experiments lie, to learn from; None learns nothing.
    """
    found: list[StoredPrediction] = []
    speeds = _speeds(experiment, results)
    works: dict[ModelKey, Work] = {}
    for key in (model.key for model in experiment.plan.models):
        try:
            model = local_model(paths[key], key)
            work = model.work
        except HarnessError:
            continue  # the worker will say what is wrong with it
        works[key] = work
        found += _of_model(model, paths[key], work, experiment, speeds)
    return experiment.model_copy(update={"predictions": tuple(found), "works": works})


def _of_model(
    found: Model, path: Path, work: Work, experiment: Experiment, speeds: Speeds
) -> Iterator[StoredPrediction]:
    plans: dict[Settings, MemoryPlan] = {}
    for index, settings in enumerate(experiment.plan.settings):
        same = settings.model_copy(update=_WITHOUT_EFFECT)
        if same not in plans:
            plans[same] = _plan(found, path, settings, experiment.plan)
        speed = speeds[settings.n_threads]
        for workload in map(parse_workload, experiment.plan.workloads):
            context = _context(plans[same], _n_ctx(workload, settings, found))
            memory = [] if context is None else memory_predictions(plans[same], context)
            told: list[Prediction] = [
                each.model_copy(update={"model": found.key, "workload": workload.name})
                for each in memory
            ]
            if speed is not None:
                need = next((int(it.value) for it in told if it.component == "total_bytes"), None)
                foretold = predict_speed(work, speed, workload, found.key, settings, need)
                told += [each for each in foretold if isinstance(each, Prediction)]
            yield from (
                StoredPrediction(settings_index=index, **each.model_dump()) for each in told
            )


def _plan(found: Model, path: Path, settings: Settings, plan: Plan) -> MemoryPlan:
    lengths = {_n_ctx(parse_workload(name), settings, found) for name in plan.workloads}
    requests = [
        ContextRequest(n_ctx=n_ctx, type_k=settings.type_k, type_v=settings.type_v)
        for n_ctx in sorted(lengths)
    ]
    return plan_memory(path, found.headers, settings, requests)


def _n_ctx(workload: Workload, settings: Settings, found: Model) -> int:
    return workload.context_length(found.file.n_ctx_train, settings.n_ctx)


def _context(plan: MemoryPlan, n_ctx: int) -> PlannedContext | None:
    return next(
        (each for each in plan.contexts if each.request.n_ctx == n_ctx and each.n_ctx), None
    )


def _speeds(experiment: Experiment, results: Path | None) -> Speeds:
    """
    Asked once for each number of threads: nothing else of the settings matters to it.

    A CPU's memory is not read for it: that gives ranges, and only figures are kept.
    """
    machine = experiment.machine
    assert isinstance(machine, Machine)  # of this machine, so told in full
    engine = experiment.provenance.engine
    return {
        n_threads: known_speed(machine, engine, n_threads, results=results).speed
        for n_threads in {settings.n_threads for settings in experiment.plan.settings}
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
