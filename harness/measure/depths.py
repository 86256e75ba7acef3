"""The depths at which work is measured: those that are named, or as far as memory and time go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Literal

from harness import units
from harness.analysis.speed.hardware_class import CALIBRATE
from harness.analysis.stats.interval import min_values
from harness.errors import UsageError
from harness.measure.jobs.measure import MeasureJob, measure
from harness.measure.jobs.plan import ContextRequest, plan_memory
from harness.measure.lock import machine_held
from harness.measure.memory import capacity_here
from harness.models.find import local_model
from harness.models.model import Model
from harness.schema.experiment import Experiment
from harness.schema.machine import Machine
from harness.schema.model import AnyModel, ModelFile, ModelKey
from harness.schema.settings import Settings
from harness.schema.workload import Prefill, parse_workload
from harness.scratch import own_folder

Depths = tuple[int, ...] | Literal["auto"]
"""Tokens in the cache before the work begins."""

OF_FILES = ("pp512", "tg128")
OF_SERVERS = ("pp64+tg128",)
"""What is measured over depths, of files and of servers, where nobody asks for other work."""

# Where a header does not say how long a context the model was trained for.
_UNKNOWN_CONTEXT = 131_072
# Of a 70B model on a CPU this takes half a minute, and of most others a second.
_PROBE = Prefill(128)
_LEAST_STEP, _MOST_STEP = 128, 4096
_STEPS = 4
# Less than that behind the last depth the deepest possible one adds nothing.
_WORTH_A_POINT = 1.25


@dataclass(frozen=True)
class DepthsAsked:
    """Which depths somebody asks for of which work, and of what; `paths` are those of files."""

    depths: Depths
    workloads: tuple[str, ...]
    models: Sequence[AnyModel]
    paths: Mapping[ModelKey, Path]


@dataclass(frozen=True)
class Means:
    """
    What decides how deep a model is measured: `budget_ns` is the time for it. For `wait_ns` another
    measurement is waited for.
    """

    machine: Machine
    settings: Settings
    budget_ns: int
    wait_ns: int = 0


def at_depths(asked: DepthsAsked, means: Means) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    The workloads at the depths that are asked for, and what is to be said of where they end.

    Raises:
        UsageError: No work that can be at a depth, or "auto" of what is no file here.
    """
    if asked.depths != "auto":
        return behind_depths(asked.workloads, asked.depths, asked.models), ()
    files = [it for it in asked.models if isinstance(it, ModelFile) and it.key in asked.paths]
    if len(files) < len(asked.models):
        raise UsageError("--depths auto is for model files; name depths, as in --depths 0,4k,16k")
    at_none, at_one = (behind_depths(asked.workloads, (it,), asked.models) for it in (0, 1))
    # What has a depth of its own fills no more caches the deeper others are measured.
    what = [name for name in at_none if name not in at_one]
    depths, notes = _that_go(files, asked.paths, what, means)
    return behind_depths(asked.workloads, depths, asked.models), notes


def behind_depths(
    workloads: Sequence[str], depths: Sequence[int], models: Sequence[AnyModel]
) -> tuple[str, ...]:
    """
    `workloads` at each of `depths`; what has a depth of its own, or none, stays as it is.

    Args:
        workloads: Their names; none are the usual ones of `models`.
        depths: Tokens in the cache before; of a request its prompt.
        models: What is to be measured.

    Raises:
        UsageError: None of them can be at a depth.
    """
    usual = OF_SERVERS if all(model.served for model in models) else OF_FILES
    found: list[str] = []
    why, has_depths = "", False
    for task in map(parse_workload, workloads or usual):
        try:
            found += [task.behind(task.depth or depth).name for depth in depths]
            has_depths = True
        except ValueError as error:
            found.append(task.name)
            why = str(error)
    if not has_depths:
        raise UsageError(f"--depths: {why}")
    return tuple(dict.fromkeys(found))


def unpredicted(experiment: Experiment) -> Iterator[str]:
    """Nothing where speeds are predicted beside the depths; else what makes predictions of them."""
    predicted = any(each.component == "tok_per_s" for each in experiment.predictions)
    machine = experiment.machine
    is_of_others = isinstance(machine, Machine) and bool(machine.rpc)
    if experiment.plan.engine_settings and not predicted and not is_of_others:
        yield (
            "No speed is predicted beside the depths, since this machine is not calibrated: "
            f"{CALIBRATE}"
        )


def _that_go(
    models: Sequence[ModelFile],
    paths: Mapping[ModelKey, Path],
    workloads: Sequence[str],
    means: Means,
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """
    Depths that double up to the deepest that all models have memory for, and that time allows.

    Filling caches must leave room for as many Runs as an interval needs.
    """
    n_tokens = max((parse_workload(name).n_ctx for name in workloads), default=0)
    limit_s = means.budget_ns / 1e9 / min_values()
    chosen: tuple[int, ...] | None = None
    notes: list[str] = []
    for each in models:
        path = paths[each.key]
        seeker = _Seeker.of(local_model(path, each.key), path, means)
        possible = tuple(_doubled(seeker.n_most - n_tokens))
        affordable = seeker.affordable(possible, len(workloads), limit_s)
        notes.append(seeker.note(possible, affordable))
        # Every model is measured at the same depths.
        chosen = affordable if chosen is None else tuple(it for it in chosen if it in affordable)
    return chosen or (0,), tuple(notes)


def _prompt_speed(model: Model, path: Path, means: Means) -> float | None:
    """Tokens a second of a short prompt, measured once; None where that fails."""
    started_ns = perf_counter_ns()
    job = MeasureJob(
        model_path=str(path),
        kind=model.file.kind,
        settings=means.settings,
        workloads=(_PROBE.name,),
        started_ns=started_ns,
        deadline_ns=started_ns + means.budget_ns,
    )
    with machine_held(model.key, means.wait_ns), own_folder("harness-probe") as folder:
        report = measure(job, log=folder / "log")
    rates = [trial.n_tokens / trial.total_ns * 1e9 for trial in report.trials]
    return rates[-1] if rates else None


def _doubled(most: int) -> Iterator[int]:
    """0, a quarter of the deepest or 4096, twice as deep each, and the deepest."""
    yield 0
    step = _MOST_STEP
    while step > _LEAST_STEP and step * _STEPS > most:
        step //= 2
    last = 0
    while step <= most:
        yield (last := step)
        step *= 2
    if most > _WORTH_A_POINT * last and most >= _LEAST_STEP:
        yield most


@dataclass(frozen=True)
class _Seeker:
    """
    How deep one model may be measured.

    `n_most` are the positions of the largest context that it was trained for and that fits, 0 where
    none does; `tok_per_s` is what reading _PROBE took just now, None where the engine could not.
    """

    model: Model
    n_most: int
    tok_per_s: float | None

    @classmethod
    def of(cls, model: Model, path: Path, means: Means) -> _Seeker:
        settings = means.settings
        most = settings.n_ctx or model.file.n_ctx_train or _UNKNOWN_CONTEXT
        request = ContextRequest(n_ctx=most, type_k=settings.type_k, type_v=settings.type_v)
        capacity = capacity_here(means.machine)
        plan = plan_memory(
            path,
            model.headers,
            settings,
            [],
            largest=[request],
            system_bytes=capacity.free_bytes,
            gpu_limit_bytes=capacity.gpu_limit_bytes,
        )
        n_most = next((it.n_ctx or 0 for it in plan.largest), 0)
        return cls(model, n_most, _prompt_speed(model, path, means) if n_most else None)

    def fill_s(self, depth: int) -> float | None:
        """
        Seconds that filling a cache so far takes; None where nobody knows.

        By the speed of a short prompt, with attention growing as its arithmetic does.
        """
        if self.tok_per_s is None:
            return None
        work = self.model.work
        short, mean = (
            2 * work.n_params_multiplied + work.attention_flops(n / 2)
            for n in (_PROBE.n_prompt, depth)
        )
        return depth / self.tok_per_s * mean / short

    def affordable(
        self, depths: Sequence[int], n_workloads: int, limit_s: float
    ) -> tuple[int, ...]:
        """Those of them that a Run has time to fill, once for each workload."""
        found: list[int] = []
        taken_s = 0.0
        for depth in depths:
            fill_s = self.fill_s(depth)
            taken_s += n_workloads * (fill_s or 0.0)
            if depth and (fill_s is None or taken_s > limit_s):
                break
            found.append(depth)
        return tuple(found)

    def note(self, possible: Sequence[int], affordable: Sequence[int]) -> str:
        """Where they end, and why."""
        key = self.model.key
        if self.n_most <= 0:
            return f"{key}: no context fits into what is free, so only depth 0 is tried."
        fits = f"{key}: the largest context that it was trained for and fits is {self.n_most}"
        left = possible[len(affordable) :]
        if not left:
            return f"{fits}; measured up to depth {affordable[-1]}."
        fill_s = self.fill_s(left[0])
        if fill_s is None:
            why = "the engine could not be asked how long filling a cache takes"
        else:
            taken = units.duration(round(fill_s * 1e9))
            why = f"filling one to {left[0]} takes about {taken}, for each workload in each Run"
        return (
            f"{fits}; measured up to depth {affordable[-1]}, since {why}: raise --budget, or name "
            "the depths."
        )
