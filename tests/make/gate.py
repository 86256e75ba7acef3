"""Experiments for a gate to judge: whole files, and sides of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.analysis.measured import Measured, measured_of
from harness.records.store import ExperimentWriter
from harness.schema.experiment import End, Experiment, Run, Stop
from harness.schema.model import ModelFile
from make.records import make_experiment, make_model, make_run

USUAL = {"pp512": 310.0, "tg128": 120.0}
MODEL = make_model()


def make_candidate(
    identity: str = "cand01", day: int = 20, build: str = "0123abc", **changes: Any
) -> Experiment:
    """An experiment of a day of November, under a build of the engine."""
    made = make_experiment(id=identity, started_at=f"2026-11-{day:02}T12:00:00+00:00", **changes)
    engine = made.provenance.engine.model_copy(update={"library_commit": build})
    provenance = made.provenance.model_copy(update={"engine": engine})
    return made.model_copy(update={"provenance": provenance})


def make_rounds(
    experiment: Experiment,
    n_runs: int = 8,
    slowdown: float = 0.0,
    noise: float = 0.01,
    seed: int = 1,
    **changes: Any,
) -> list[Run]:
    """Runs of every model and Settings of the plan, which take longer by `slowdown`."""
    rng = random.Random(seed)
    plan = experiment.plan
    runs: list[Run] = []
    for number in range(n_runs):
        for model in plan.models:
            for settings in plan.settings:
                rates = {
                    name: USUAL.get(name, 100.0)
                    / (1 + slowdown)
                    * rng.uniform(1 - noise, 1 + noise)
                    for name in plan.workloads
                }
                facts: dict[str, Any] = {"model": model.key, "settings": settings, "round": number}
                made = make_run(len(runs), plan.workloads, rates, n_trials=1, **(facts | changes))
                runs.append(made)
    return runs


def make_sides(experiment: Experiment | None = None, **given: Any) -> list[Measured]:
    """The sides of an experiment with Runs as `make_rounds` makes them."""
    experiment = experiment or make_candidate()
    return measured_of(experiment, make_rounds(experiment, **given))


def put(
    folder: Path, experiment: Experiment, runs: Sequence[Run] | None = None, **given: Any
) -> Path:
    """The experiment's file in `folder`, whole."""
    runs = make_rounds(experiment, **given) if runs is None else runs
    with ExperimentWriter(folder, experiment) as writer:
        for run in runs:
            writer.append_run(run)
        stops = tuple(
            Stop(model=model.key, settings=settings, reason="max-runs", n_runs=len(runs))
            for model in experiment.plan.models
            for settings in experiment.plan.settings
        )
        writer.finish(End(finished_at="2026-11-24T18:00:00+00:00", stops=stops))
    return writer.path


def model_called(key: str, **changes: Any) -> ModelFile:
    """A model of that name."""
    return make_model(key=key, **changes)
