"""From what the user asked for to an Experiment: the plan, the provenance, what to warn of."""

from __future__ import annotations

import platform
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness import __version__, units
from harness.machine.conditions import read_conditions
from harness.machine.memory import available_memory_bytes
from harness.measure import runner
from harness.measure import schedule as matrix
from harness.schema.experiment import Experiment, ModelFile, Plan, Provenance
from harness.schema.machine import Machine


@dataclass(frozen=True)
class Request:
    """What the user asked for; `settings` holds a list of values for each field of Settings."""

    workloads: tuple[str, ...]
    settings: Mapping[str, Sequence[Any]]
    n_runs_max: int
    n_trials: int
    n_cold_loads: int
    budget_ns: int
    precision: float
    seed: int


def plan(request: Request, models: Sequence[ModelFile]) -> Plan:
    """
    The plan for `models`, which must have different keys.

    Raises:
        UsageError: Settings that cannot be.
    """
    return Plan(
        models=tuple(models),
        settings=matrix.settings_product(request.settings),
        workloads=request.workloads,
        n_runs_max=request.n_runs_max,
        n_trials=request.n_trials,
        n_cold_loads=request.n_cold_loads,
        budget_ns=request.budget_ns,
        precision=request.precision,
        seed=request.seed,
    )


def new_experiment(plan: Plan, machine: Machine) -> Experiment:
    """
    An experiment about to begin: what measures, on what, in which condition.

    Raises:
        HarnessError: The engine cannot be loaded.
    """
    return Experiment(
        id=uuid.uuid4().hex[:8],
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        conditions=read_conditions(machine),
        provenance=Provenance(
            harness_version=__version__,
            python_version=platform.python_version(),
            engine=runner.describe_engine(),
        ),
        plan=plan,
    )


def warnings(experiment: Experiment) -> list[str]:
    """What the user should know before waiting for it."""
    machine, plan = experiment.machine, experiment.plan
    assert isinstance(machine, Machine)  # of this machine, so told in full
    found = [*experiment.conditions.warnings]
    n_threads = max(settings.n_threads for settings in plan.settings)
    if n_threads > machine.n_cores_usable:
        found.append(
            f"{n_threads} threads on {machine.n_cores_usable} usable cores: they will wait for "
            "each other at every step"
        )
    available_bytes = available_memory_bytes()
    found.extend(
        f"{model.key} has {units.memory_size(model.weights_bytes)} of weights and "
        f"{units.memory_size(available_bytes)} of memory are free: it will page or be killed; "
        "close programs or choose a smaller variant"
        for model in plan.models
        if model.weights_bytes > available_bytes
    )
    return found
