"""From files that are here to a measurement and its results: what `run` and `rehearse` share."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from harness.errors import ExitCode
from harness.machine.awake import keep_awake
from harness.machine.probe import default_threads, probe_machine
from harness.measure import experiment as experiments
from harness.measure.interrupts import held
from harness.measure.lock import measuring
from harness.measure.predictions import foretell
from harness.measure.sweep import Observer, Result, Sweep
from harness.records.store import ExperimentWriter
from harness.schema.experiment import Experiment, ModelFile, Plan, Run
from harness.schema.machine import Machine
from harness.schema.settings import Settings

Decision = Callable[[Experiment, Sequence[Run]], bool]


class SessionObserver(Observer, Protocol):
    """An Observer that also hears what is to be said before the first Run."""

    def warn(self, message: str) -> None:
        """Something that the user should know, and that hinders nothing."""

    def shown(self) -> AbstractContextManager[None]:
        """In force for as long as it measures."""


NewObserver = Callable[[int], SessionObserver]


@dataclass(frozen=True)
class Measurement:
    """What is to be measured, on what."""

    plan: Plan
    machine: Machine


def prepare(given: Mapping[str, Any], files: Sequence[ModelFile]) -> Measurement:
    """
    The plan for `files` from the options of commandline/engine_options.py.

    Raises:
        UsageError: Settings that cannot be.
    """
    machine = probe_machine()
    return Measurement(experiments.plan(_request(given, default_threads(machine)), files), machine)


@dataclass(frozen=True)
class Measured:
    """What came of it, and where it is kept."""

    experiment: Experiment
    result: Result
    path: Path


@contextlib.contextmanager
def undisturbed(
    what: str, given: Mapping[str, Any], on_wait: Callable[[str], None]
) -> Iterator[None]:
    """
    Holds the machine, awake, for as long as the block runs.

    Raises:
        MachineBusy: Another measurement is running, for longer than --wait.
    """
    wait_s = (given["wait"] or 0) / 1e9
    with measuring(what, wait_s=wait_s, on_wait=on_wait), keep_awake():
        yield


def take(
    measurement: Measurement,
    paths: Mapping[str, Path],
    given: Mapping[str, Any],
    results: Path,
    new_observer: NewObserver,
    is_decided: Decision | None = None,
) -> Measured:
    """
    Measures and stores.

    Args:
        measurement: As `prepare` made it.
        paths: Where each model of the plan lies.
        given: The options.
        results: The folder of experiment files.
        new_observer: Makes who is told what happens, from the most Runs there can be.
        is_decided: As for Sweep; it is also told the experiment.
    """
    plan = measurement.plan
    experiment = foretell(experiments.new_experiment(plan, measurement.machine), paths, results)
    observer = new_observer(plan.n_runs_max * len(plan.settings) * len(plan.models))
    for warning in experiments.warnings(experiment):
        observer.warn(warning)
    with held(), ExperimentWriter(results, experiment) as writer, observer.shown():
        sweep = Sweep(
            experiment,
            paths,
            writer,
            observer,
            silence_ns=given["timeout"],
            is_decided=partial(is_decided, experiment) if is_decided else None,
        )
        result = sweep.measure()
    return Measured(experiment, result, writer.path)


def _request(given: Mapping[str, Any], n_threads: int) -> experiments.Request:
    settings = {name: given[name] for name in Settings.model_fields if given[name] is not None}
    return experiments.Request(
        workloads=given["workloads"],
        settings={"n_threads": (n_threads,)} | settings,
        n_runs_max=given["runs"],
        n_trials=given["trials"],
        n_cold_loads=given["cold_loads"],
        budget_ns=given["budget"],
        precision=given["precision"],
        seed=secrets.randbelow(2**31) if given["seed"] is None else given["seed"],
    )


def exit_code(result: Result) -> int:
    """
    What the command answers with.

    Raises:
        ResultsUnwritable: The record could not be kept whole.
    """
    if result.error is not None:
        raise result.error
    if result.is_interrupted:
        return ExitCode.INTERRUPTED
    has_failed = any(run.outcome.status == "failed" for run in result.runs)
    return ExitCode.ERROR if has_failed else ExitCode.DONE
