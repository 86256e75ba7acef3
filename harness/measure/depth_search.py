"""How deep into a context models are worth measuring: as far as memory goes, and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns

from harness import units
from harness.analysis.stats.interval import min_values
from harness.measure.jobs.measure import MeasureJob, measure
from harness.measure.jobs.plan import ContextRequest, plan_memory
from harness.measure.lock import machine_held
from harness.measure.memory import capacity_here
from harness.models.find import local_model
from harness.models.model import Model
from harness.schema.machine import Machine
from harness.schema.model import ModelFile, ModelKey
from harness.schema.settings import Settings
from harness.schema.work import Work
from harness.schema.workload import Decode, Prefill, Sustain, Verify
from harness.schema.workload_kind import Workload
from harness.scratch import own_folder

# Where a header does not say how long a context the model was trained for.
_UNKNOWN_CONTEXT = 131_072
# Of a 70B model on a CPU both take a minute, and of most others a second.
_READING, _WRITING = Prefill(128), Decode(8)
_N_WARM_UPS = 1
_LEAST_STEP, _MOST_STEP = 128, 4096
_STEPS = 4
# Less than that behind the last depth the deepest possible one adds nothing.
_WORTH_A_POINT = 1.25


@dataclass(frozen=True)
class Means:
    """
    What decides how deep a model is measured: `budget_ns` is the time for it, in which each Run
    makes `n_trials` of each workload. For `wait_ns` another measurement is waited for.
    """

    machine: Machine
    settings: Settings
    budget_ns: int
    n_trials: int
    wait_ns: int = 0


@dataclass(frozen=True)
class Pace:
    """How fast a model begins to read and to write here, and so how long a Run of it takes."""

    work: Work
    read_tok_per_s: float
    write_tok_per_s: float

    def read_s(self, n_tokens: int, depth: int = 0) -> float:
        """
        Seconds that reading so many tokens behind `depth` others takes.

        By the speed of a short prompt, with attention growing as its arithmetic does.
        """
        short, there = (
            2 * self.work.n_params_multiplied + self.work.attention_flops(n_positions)
            for n_positions in (_READING.mean_positions, depth + n_tokens / 2)
        )
        return n_tokens / self.read_tok_per_s * there / short

    def write_s(self, n_tokens: int, depth: int = 0) -> float:
        """Of writing them: by the speed at the beginning, with the cache that is read growing."""
        short, there = (
            self.work.token_bytes(n_positions)
            for n_positions in (_WRITING.mean_positions, depth + n_tokens / 2)
        )
        return n_tokens / self.write_tok_per_s * there / short

    def run_s(self, task: Workload, n_trials: int) -> float:
        """Of a Run's share for `task`: its cache filled once, and its trials with their warm-up."""
        trial_s = task.n_sequences * self.read_s(task.n_prompt, task.depth)
        trial_s += self.write_s(_n_written(task), task.depth)
        if isinstance(task, Sustain):
            trial_s = task.seconds
        filled_s = task.n_sequences * self.read_s(task.depth)
        return filled_s + (_N_WARM_UPS + task.n_trials(n_trials)) * trial_s


def depths_that_go(
    models: Sequence[ModelFile],
    paths: Mapping[ModelKey, Path],
    moving: Sequence[Workload],
    beside: Sequence[Workload],
    means: Means,
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """
    Depths that double up to the deepest that all models have memory for, and that time allows:
    for as many Runs as an interval needs. And a sentence for each model, of where it ends.

    Args:
        models: All are to be measured at the same depths.
        paths: Where they lie.
        moving: What is to be measured at each depth.
        beside: What is measured once, at a depth of its own.
        means: The machine and the time.
    """
    n_tokens = max((task.n_ctx for task in moving), default=0)
    limit_s = means.budget_ns / 1e9 / min_values()
    chosen: tuple[int, ...] | None = None
    notes: list[str] = []
    for each in models:
        path = paths[each.key]
        seeker = Seeker.of(local_model(path, each.key), path, means)
        possible = tuple(_doubled(seeker.n_most - n_tokens))
        costs_s = seeker.costs_s(possible, moving, beside, means.n_trials)
        affordable = tuple(
            depth
            for depth, cost_s in zip(possible, costs_s, strict=True)
            if not depth or (cost_s is not None and cost_s <= limit_s)
        )
        notes.append(seeker.note(possible, affordable, costs_s, limit_s))
        chosen = affordable if chosen is None else tuple(it for it in chosen if it in affordable)
    return chosen or (0,), tuple(notes)


def _n_written(task: Workload) -> int:
    return task.n_steps * task.n if isinstance(task, Verify) else task.n_generated


def _pace(model: Model, path: Path, means: Means) -> Pace | None:
    """As it is just now; None where the engine cannot."""
    started_ns = perf_counter_ns()
    job = MeasureJob(
        model_path=str(path),
        kind=model.file.kind,
        settings=means.settings,
        workloads=(_READING.name, _WRITING.name),
        started_ns=started_ns,
        deadline_ns=started_ns + means.budget_ns,
    )
    with machine_held(model.key, means.wait_ns), own_folder("harness-probe") as folder:
        report = measure(job, log=folder / "log")
    rates = {trial.workload: trial.n_tokens / trial.total_ns * 1e9 for trial in report.trials}
    if not {_READING.name, _WRITING.name} <= rates.keys():
        return None
    return Pace(model.work, rates[_READING.name], rates[_WRITING.name])


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
class Seeker:
    """
    How deep one model may be measured.

    `n_most` are the positions of the largest context that it was trained for and that fits, 0 where
    none does; `pace` is None where the engine could not be asked.
    """

    model: Model
    n_most: int
    pace: Pace | None

    @classmethod
    def of(cls, model: Model, path: Path, means: Means) -> Seeker:
        """By the engine's planner, and by what the model does in the second that this takes."""
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
        return cls(model, n_most, _pace(model, path, means) if n_most else None)

    def costs_s(
        self,
        depths: Sequence[int],
        moving: Sequence[Workload],
        beside: Sequence[Workload],
        n_trials: int,
    ) -> list[float | None]:
        """Seconds that a Run takes up to each of these depths; None where nobody knows."""
        if self.pace is None:
            return [None] * len(depths)
        taken_s = sum(self.pace.run_s(task, n_trials) for task in beside)
        costs_s: list[float | None] = []
        for depth in depths:
            taken_s += sum(self.pace.run_s(task.behind(depth), n_trials) for task in moving)
            costs_s.append(taken_s)
        return costs_s

    def note(
        self,
        possible: Sequence[int],
        affordable: Sequence[int],
        costs_s: Sequence[float | None],
        limit_s: float,
    ) -> str:
        """Where they end, and why."""
        key = self.model.key
        if self.n_most <= 0:
            return f"{key}: no context fits into what is free, so only depth 0 is tried."
        fits = f"{key}: the largest context that it was trained for and fits is {self.n_most}"
        if len(affordable) == len(possible):
            return f"{fits}; measured up to depth {affordable[-1]}."
        cost_s = costs_s[len(affordable)]
        if cost_s is None:
            why = "the engine could not be asked how long filling a cache takes"
        else:
            taken, room = (units.duration(round(it * 1e9)) for it in (cost_s, limit_s))
            why = (
                f"a Run up to {possible[len(affordable)]} takes about {taken}, and the budget has "
                f"{room} for each of {min_values()}"
            )
        return (
            f"{fits}; measured up to depth {affordable[-1]}, since {why}: raise --budget, or name "
            "the depths."
        )
