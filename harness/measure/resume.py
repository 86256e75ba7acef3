"""
An interrupted experiment gone on with: the same plan, in the same file.

What both sessions measured is judged as one experiment, so machine, engine and files must be the
same; docs/decisions/0023-an-interrupted-record-goes-on.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.comparison import power_differences
from harness.errors import HarnessError, UsageError
from harness.interrupts import held
from harness.machine.conditions import named, read_others
from harness.machine.probe import probe_machine
from harness.measure import rpc, runner
from harness.measure.also_served import Servers, servers_of
from harness.measure.experiment import new_experiment
from harness.measure.load_sweep import sweep_of
from harness.measure.rounds import RunMaker
from harness.measure.session import SessionObserver, SessionResult, kept
from harness.measure.subjects import Subjects
from harness.records.store import ExperimentWriter, StoredExperiment, load
from harness.schema.configuration import configurations_of
from harness.schema.experiment import SCHEMA_VERSION, EngineInfo, Experiment
from harness.schema.machine import MachineFacts
from harness.schema.model import AnyModel, ModelKey
from harness.schema.settings import settings_text
from harness.serving.program import ServerProgram

# What a server tells of a model beside its digest, which few do.
_OF_SERVED = ("quantization", "n_params", "n_bytes")


@dataclass(frozen=True)
class Again:
    """What starts the servers of a plan that goes on, and what is to be said before."""

    servers: Servers | None
    notes: tuple[str, ...]


def require_unfinished(stored: StoredExperiment) -> None:
    """
    Nothing, if the experiment was interrupted and can be gone on with.

    Raises:
        UsageError: It cannot; the message says why.
    """
    experiment = stored.experiment
    if experiment.origin != "harness":
        raise UsageError(f"{experiment.id} was imported, not measured here; it cannot go on")
    if any(model.is_twin for model in experiment.plan.models):
        raise UsageError(
            f"{experiment.id} measured twins, which are gone; rehearse them again: harness rehearse"
        )
    if stored.schema != SCHEMA_VERSION:
        raise UsageError(
            f"{experiment.id} is of schema {stored.schema} and this harness writes "
            f"{SCHEMA_VERSION}; measure it anew: harness run"
        )
    known = configurations_of(experiment.plan)
    if not all(any(each.is_of(run) for each in known) for run in stored.runs):
        raise UsageError(
            f"{experiment.id} holds a Run that its plan does not know; it cannot go on"
        )
    if not stored.was_interrupted:
        raise UsageError(
            f"{experiment.id} was not interrupted, it came to its end; see `harness show "
            f"{experiment.id}`, or measure anew: harness run"
        )


def resume(
    path: Path,
    found: Subjects,
    observer: SessionObserver,
    silence_ns: int = runner.SILENCE_NS,
    program: ServerProgram | None = None,
    key_variable: str | None = None,
) -> SessionResult:
    """
    Measures what is left of the plan of the experiment in `path`, and stores it there.

    The machine should be held meanwhile (lock.py).

    Args:
        path: The experiment file.
        found: The models of its plan, as they are now.
        observer: Told what happens.
        silence_ns: A worker that says nothing for so long is ended.
        program: The server, where the plan wants some started.
        key_variable: Names what holds the servers' key in the environment.

    Raises:
        UsageError: It cannot be gone on with.
        HarnessError: Machine, engine or a file is another one than it was.
        ResultsUnwritable: The record cannot be written.
    """
    # Another process may have come to its end while the machine was waited for.
    stored = load(path)
    require_unfinished(stored)
    experiment = stored.experiment
    again = same_here(experiment, found, program)
    for note in again.notes:
        observer.warn(note)
    with held(), ExperimentWriter.reopened(stored) as writer:
        maker = RunMaker(
            experiment,
            found.paths,
            writer.path,
            observer,
            silence_ns,
            key_variable=key_variable,
            servers=again.servers,
        )
        sweep = sweep_of(experiment.plan)(
            experiment,
            maker,
            writer,
            observer,
            is_in_turns=any(run.is_in_turns for run in stored.runs),
            runs=stored.runs,
            stops=stored.stops,
        )
        with observer.shown(experiment, stored.runs, sweep.stops):
            result = sweep.measure()
    return kept(experiment, result, writer.path)


def same_here(
    experiment: Experiment,
    found: Subjects,
    program: ServerProgram | None = None,
    advice: str = "measure it anew: harness run",
) -> Again:
    """
    What is needed to go on with `experiment` on the machine that it was begun on.

    Args:
        experiment: Line 1 of its record.
        found: The models of its plan, as they are now.
        program: The server, where the plan wants some started.
        advice: What to do where something is not as it was.

    Raises:
        HarnessError: Machine, engine or a file is another one than it was.
    """
    others = read_others()
    machine = rpc.machine_with(probe_machine(), rpc.servers_of(experiment.plan.engine_settings))
    here = new_experiment(experiment.plan, machine, others)
    if difference := _difference(experiment, here, found, program):
        raise HarnessError(f"{experiment.id} cannot go on: {difference}; {advice}")
    notes = [*here.conditions.warnings]
    changed = power_differences(experiment, here)
    notes += [f"Before the interruption and now: {finding.text}" for finding in changed]
    if others:
        notes.append(f"The other processes are {named(others)}.")
    servers = servers_of(experiment.plan, found.paths, program, here.provenance.engine)
    return Again(servers, tuple(notes))


def _difference(
    stored: Experiment, here: Experiment, found: Subjects, program: ServerProgram | None
) -> str | None:
    """What is not as it was when the experiment began, the first of it, in words."""
    before, now = stored.provenance, here.provenance
    facts = [
        *_facts_of_machine(stored.machine, here.machine),
        ("harness", before.harness_version, now.harness_version),
        ("engine", before.engine.title, now.engine.title),
        ("engine's build", before.engine.system_info, now.engine.system_info),
        ("engine's devices", _devices(before.engine), _devices(now.engine)),
    ]
    for what, then, present in facts:
        if then != present:
            return f"the {what} was {then} and is {present}"
    models = {model.key: model for model in found.models}
    planned = (*stored.plan.models, *stored.plan.drafts)
    differing = (_changed(it, _now(it, models, program)) for it in planned)
    return next(filter(None, differing), None)


def _now(
    planned: AnyModel, models: Mapping[ModelKey, AnyModel], program: ServerProgram | None
) -> AnyModel:
    """What stands now for a model of the plan: what was found, or what the harness would serve."""
    served = planned.served
    if served is None or served.started_for is None:
        return models[planned.key]
    served = served.model_copy(update={"version": program.build if program else None})
    return planned.model_copy(
        update={"served": served, "sha256": models[served.started_for or ""].sha256}
    )


def _changed(planned: AnyModel, model: AnyModel) -> str | None:
    """What of a model is not as it was; of a file that cannot be told its digest."""
    a, b = planned.served, model.served
    if a is not None and b is not None:
        facts = [
            ("server", a.title, b.title),
            ("server's name of the model", a.model, b.model),
            ("server's setting", *(settings_text(it.settings) for it in (a, b))),
            *((what.replace("_", " "), *_texts(what, planned, model)) for what in _OF_SERVED),
        ]
        for what, then, present in facts:
            if then != present:
                return f"the {what} of {planned.key} was {then} and is {present}"
    unknown = planned.served is None and planned.sha256 is None
    if unknown or planned.sha256 != model.sha256:
        digests = [(it.sha256 or "unknown")[:12] for it in (planned, model)]
        return f"the file of {planned.key} had sha256 {digests[0]} and has {digests[1]}"
    return None


def _texts(fact: str, *models: AnyModel) -> tuple[str, ...]:
    return tuple(str(getattr(model, fact) or "unknown") for model in models)


def _devices(engine: EngineInfo) -> str:
    return ", ".join(f"{it.name} ({it.description})" for it in engine.devices)


def _facts_of_machine(before: MachineFacts, now: MachineFacts) -> list[tuple[str, str, str]]:
    if not before.is_same_as(now):
        return [("machine", f"{before.id} ({before.cpu})", f"{now.id} ({now.cpu})")]
    # A container's limits, of which the id knows nothing, decide what is measured as well.
    return [
        ("number of usable cores", str(before.n_cores_usable), str(now.n_cores_usable)),
        ("memory limit in bytes", str(before.memory_limit_bytes), str(now.memory_limit_bytes)),
    ]
