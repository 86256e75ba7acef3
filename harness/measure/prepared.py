"""An experiment that is about to begin: everything before the first line of its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import UsageError
from harness.machine.conditions import named, read_others
from harness.measure import also_served
from harness.measure.also_served import Servers
from harness.measure.experiment import new_experiment
from harness.measure.predictions import PredictedExperiment, predict, warnings
from harness.schema.configuration import configurations_of
from harness.schema.experiment import Experiment, Plan
from harness.schema.machine import Machine
from harness.schema.model import ModelKey
from harness.serving.program import ServerProgram

InTurns = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class Prepared:
    """
    Line 1 of a record, how its Runs are to be made, and what is to be said before.

    `servers` start those that the plan has started; `why_apart` says why the sides are measured one
    after the other, where they were meant to take turns.
    """

    experiment: Experiment
    servers: Servers | None
    is_in_turns: bool
    why_apart: str | None
    notes: tuple[str, ...]


def prepared(
    plan: Plan,
    machine: Machine,
    paths: Mapping[ModelKey, Path],
    *,
    results: Path | None,
    in_turns: InTurns,
    program: ServerProgram | None,
) -> Prepared:
    """
    What `plan` begins with on this machine, which should be held meanwhile (lock.py).

    Args:
        plan: What is measured.
        machine: This one, with those whose devices it takes.
        paths: Where each model of the plan lies.
        results: Where earlier experiments lie, to predict from; None: from none.
        in_turns: Whether the sides are to take turns.
        program: The server, where the plan has some started.

    Raises:
        UsageError: Settings that the engine refuses when it plans.
        HarnessError: The engine cannot be loaded.
    """
    others = read_others()
    predicted = predict(new_experiment(plan, machine, others), paths, results)
    for refusal in predicted.refusals:
        raise UsageError(f"{refusal}; leave that setting away")
    experiment = predicted.experiment
    servers = also_served.servers_of(plan, paths, program, experiment.provenance.engine)
    is_in_turns, why_apart = _sides(predicted, machine, in_turns)
    notes = warnings(predicted)
    if why_apart:
        notes.append(f"The sides are measured one after the other: {why_apart}.")
    if others:
        # Said and not kept: a record may be shared, and tells nobody what else was running.
        notes.append(f"The other processes are {named(others)}.")
    return Prepared(experiment, servers, is_in_turns, why_apart, tuple(notes))


def _sides(
    predicted: PredictedExperiment, machine: Machine, in_turns: InTurns
) -> tuple[bool, str | None]:
    """Whether they take turns; and why they do not, where they were meant to."""
    n_sides = len(configurations_of(predicted.experiment.plan))
    if n_sides == 1 or in_turns == "never" or machine.rpc:
        return False, None
    is_forced = in_turns == "always"
    return is_forced or predicted.why_apart is None, None if is_forced else predicted.why_apart
