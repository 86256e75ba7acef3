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
from harness.measure.subjects import Subjects, find_subjects, is_served
from harness.models.catalog.catalog import Catalog
from harness.records.listing import find
from harness.records.store import StoredExperiment, load
from harness.schema.experiment import Plan
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
    for option in ("n_users", "rates", "depths"):
        if option in typed:
            raise UsageError(
                f"{typed[option]} is for a plan of its own, and {stored.experiment.id} has "
                f"{','.join(plan.workloads)}; leave it away"
            )
    for each in _asked(request, plan, is_in_turns=is_in_turns):
        if each.parameter in typed and each.asked != each.planned:
            raise UsageError(
                f"{typed[each.parameter]} contradicts the plan of {stored.experiment.id}, which "
                f"has {each.text}; leave it away"
            )


def models_of(
    stored: StoredExperiment,
    named: Sequence[str],
    catalog: Catalog,
    on_progress: OnProgress,
    key_variable: str | None = None,
) -> Subjects:
    """
    The models of its plan as they are now, its drafts among them: those that are named, the rest by
    their keys, and of servers what these tell when they are asked again.

    Raises:
        UsageError: One that is named is not of the plan.
        ModelNotFound: One is not found by its key.
        HarnessError: As `find_subjects`.
    """
    experiment = stored.experiment
    plan = experiment.plan
    planned_models = {model.key: model for model in (*plan.drafts, *plan.models)}
    keys = [*planned_models]
    of_named = key_variable if any(map(is_served, named)) else None
    found = find_subjects(named, catalog, on_progress, of_named)
    models = {model.key: model for model in found.models}
    paths = dict(found.paths)
    for key in models:
        if key not in keys:
            raise UsageError(f"{key} is not in the plan of {experiment.id}: {', '.join(keys)}")
    for planned in planned_models.values():
        served = planned.served
        if planned.key in models or (served and served.started_for):
            continue
        name = f"{served.url}#{served.model}" if served else planned.key
        try:
            again = find_subjects([name], catalog, on_progress, key_variable if served else None)
        except ModelNotFound as error:
            raise ModelNotFound(
                f"{planned.key}, which {experiment.id} measured, is not found by that name; pass "
                f"its path: harness run --resume {experiment.id} PATH"
            ) from error
        models[planned.key] = again.models[0]
        if served is None:
            (paths[planned.key],) = again.paths.values()
    return Subjects(tuple(models.values()), paths)


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
    for each in ("workloads", "n_users", "rates"):
        yield _Asked(each, *workloads, ",".join(plan.workloads))
    if plan.slo is not None or request.slo is not None:
        yield _Asked("slo", request.slo, plan.slo, plan.slo.text if plan.slo else "none")
    for field, asked in (("draft", request.drafts), ("draft_max", request.draft_max)):
        guessing = {getattr(each, field) for each in plan.engine_settings} - {None}
        yield _Asked(field, {*asked}, guessing, _listed(guessing))
    turns = "always" if is_in_turns else "never"
    yield _Asked("in_turns", request.in_turns, turns, f"--in-turns {turns}")
    for field, values in request.settings.items():
        planned = {getattr(each, field) for each in plan.engine_settings}
        yield _Asked(field, {*values}, planned, _listed(planned))


def _listed(values: set[object]) -> str:
    return ",".join(sorted(map(value_text, values))) or "none of it"
