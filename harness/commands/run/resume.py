"""What `harness run --resume` goes on with: an experiment, its models, and what it is not told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import units
from harness.errors import ModelNotFound, UsageError
from harness.files import OnProgress
from harness.measure.resume import require_unfinished
from harness.measure.session import MeasureRequest
from harness.models.catalog.catalog import Catalog
from harness.models.find import find_all
from harness.models.model import Model
from harness.records.listing import find
from harness.records.store import StoredExperiment, load
from harness.schema.experiment import ModelKey, Plan
from harness.schema.settings import value_text


@dataclass(frozen=True, slots=True)
class _Asked:
    """A parameter of the command: what was asked for, and what the plan has."""

    parameter: str
    asked: object
    planned: object
    text: str


def unfinished(results: Path, selector: str) -> StoredExperiment:
    """
    The interrupted experiment that `selector` names.

    Raises:
        ResultsInvalid: Nothing, or more than one, is meant.
        UsageError: It cannot be gone on with.
    """
    stored = load(find(results, selector, may_lack_result=True))
    require_unfinished(stored)
    return stored


def refuse_contradictions(
    stored: StoredExperiment, request: MeasureRequest, typed: Mapping[str, str]
) -> None:
    """
    Nothing, unless an option asks for something else than the plan has.

    Args:
        stored: What is gone on with.
        request: What all options ask for.
        typed: The parameters that stand on the command line, and how they are written.

    Raises:
        UsageError: One does; the message names it.
    """
    plan = stored.experiment.plan
    is_in_turns = any(run.is_in_turns for run in stored.runs)
    if not was_also_served(stored) and (name := typed.keys() & {"also_served", "server_binary"}):
        raise UsageError(
            f"{typed[min(name)]} contradicts the plan of {stored.experiment.id}, which starts no "
            "server; leave it away"
        )
    for each in _asked(request, plan, is_in_turns=is_in_turns):
        if each.parameter in typed and each.asked != each.planned:
            raise UsageError(
                f"{typed[each.parameter]} contradicts the plan of {stored.experiment.id}, which "
                f"has {each.text}; leave it away"
            )


def models_of(
    stored: StoredExperiment, named: Sequence[str], catalog: Catalog, on_progress: OnProgress
) -> dict[ModelKey, Model]:
    """
    The models of its plan, with their weights: those that are named, and the rest by their keys.

    Raises:
        UsageError: One that is named is not of the plan.
        ModelNotFound: One is not found by its key.
        HarnessError: As `find_all`.
    """
    experiment = stored.experiment
    keys = [model.key for model in experiment.plan.models if model.served is None]
    found = {model.key: model for model in find_all(named, catalog, on_progress)}
    for key in found:
        if key not in keys:
            raise UsageError(f"{key} is not in the plan of {experiment.id}: {', '.join(keys)}")
    for key in keys:
        if key not in found:
            try:
                found[key] = find_all([key], catalog, on_progress)[0]
            except ModelNotFound as error:
                raise ModelNotFound(
                    f"{key}, which {experiment.id} measured, is not found by that name; pass its "
                    f"path: harness run --resume {experiment.id} PATH"
                ) from error
    return found


def was_also_served(stored: StoredExperiment) -> bool:
    """Whether servers were started for its models."""
    return any(model.served and model.served.started_for for model in stored.experiment.plan.models)


def _asked(request: MeasureRequest, plan: Plan, *, is_in_turns: bool) -> Iterator[_Asked]:
    yield _Asked("runs", request.n_runs_max, plan.n_runs_max, f"{plan.n_runs_max}")
    yield _Asked("trials", request.n_trials, plan.n_trials, f"{plan.n_trials}")
    yield _Asked("cold_loads", request.n_cold_loads, plan.n_cold_loads, f"{plan.n_cold_loads}")
    budget = units.duration(plan.budget_ns)
    yield _Asked("budget", request.budget_ns, plan.budget_ns, budget)
    precision = units.percent(plan.precision)
    yield _Asked("precision", request.precision, plan.precision, precision)
    yield _Asked("seed", request.seed, plan.seed, f"{plan.seed}")
    workloads = {*request.workloads}, {*plan.workloads}
    yield _Asked("workloads", *workloads, ",".join(plan.workloads))
    turns = "always" if is_in_turns else "never"
    yield _Asked("in_turns", request.in_turns, turns, f"--in-turns {turns}")
    for field, values in request.settings.items():
        planned = list(dict.fromkeys(getattr(each, field) for each in plan.engine_settings))
        text = ",".join(map(value_text, planned))
        yield _Asked(field, {*values}, {*planned}, text)
