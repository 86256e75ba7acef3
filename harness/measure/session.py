"""
From what is asked for to a measurement and its results: what every command that measures shares.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from harness.errors import ExitCode, UsageError
from harness.interrupts import held
from harness.machine.probe import default_threads, probe_machine
from harness.measure import also_served, runner
from harness.measure.depth_search import Means
from harness.measure.depths import Depths, DepthsAsked, at_depths, unpredicted
from harness.measure.load_sweep import first_load, sweep_of
from harness.measure.possible import require_asked, require_possible_for
from harness.measure.prepared import InTurns, Prepared, prepared
from harness.measure.rounds import Observer, RunMaker, now
from harness.measure.rpc import asked_servers, machine_with, open_connections
from harness.measure.schedule import settings_product, with_drafts
from harness.measure.sweep import Result
from harness.records.rescue import rescued, unwritable
from harness.records.store import ExperimentWriter, whole
from harness.schema.configuration import usual_workloads_for
from harness.schema.experiment import End, Experiment, Plan, Run, Stop
from harness.schema.machine import Machine
from harness.schema.model import AnyModel, ModelFile, ModelKey, ServedModel
from harness.schema.request import LoadSearch, ServiceLevel
from harness.schema.settings import Settings
from harness.serving.program import ServerProgram


@dataclass(frozen=True)
class MeasureRequest:
    """
    What the user asked to be measured, how often, and where it is to be kept.

    No `workloads` are the usual ones, as far as a model can be measured in them. `settings` holds
    a list of values for each field of Settings; a field that is left out is as the machine or
    llama-bench has it. A `silence_ns` without a word ends a worker; for `wait_ns` another
    measurement is waited for. Without a `seed` one is drawn. `in_turns` says whether the trials of
    what is measured take turns, "auto": where all of it goes into memory together. `key_variable`
    names what holds the key for servers in the environment. With `also_served` each file is also
    measured behind a server of that program, started anew for each Run. With `search` the largest
    load that keeps `slo` is looked for. `depths` are those at which the workloads are measured,
    "auto": as deep as memory and time allow. `drafts` are keys of models, or NGRAM: each setting is
    measured without, and with each of them guessing up to each of `draft_max` tokens ahead.
    """

    workloads: tuple[str, ...]
    settings: Mapping[str, Sequence[object]]
    n_runs_max: int
    n_trials: int
    n_cold_loads: int
    budget_ns: int
    results: Path
    precision: float = 0.02
    silence_ns: int = runner.SILENCE_NS
    wait_ns: int = 0
    seed: int | None = None
    in_turns: InTurns = "never"
    key_variable: str | None = None
    slo: ServiceLevel | None = None
    also_served: ServerProgram | None = None
    search: LoadSearch | None = None
    depths: Depths = ()
    drafts: tuple[str, ...] = ()
    draft_max: tuple[int, ...] = ()


Decision = Callable[[Experiment, Sequence[Run]], bool]
"""Whether all Runs so far answer the question; see Sweep."""


class SessionObserver(Observer, Protocol):
    """An Observer that also hears what is to be said before the first Run."""

    def warn(self, message: str) -> None:
        """Something that the user should know, and that hinders nothing."""

    def shown(
        self, experiment: Experiment, runs: Sequence[Run] = (), stops: Sequence[Stop] = ()
    ) -> AbstractContextManager[None]:
        """
        In force for as long as it measures what `experiment` plans.

        Args:
            experiment: Line 1 of its file.
            runs: What an earlier session measured of it.
            stops: Why configurations stopped there.
        """


@dataclass(frozen=True)
class SessionResult:
    """
    What came of it, and where it is kept; None where nothing could be written any more.

    `why_apart` says why the sides were measured one after the other, where they were meant to take
    turns.
    """

    experiment: Experiment
    result: Result
    path: Path | None
    why_apart: str | None = None

    @property
    def exit_code(self) -> int:
        """
        What the command answers with.

        Raises:
            ResultsUnwritable: The record could not be kept whole.
        """
        if self.result.error is not None:
            raise self.result.error
        if self.result.is_interrupted:
            return ExitCode.INTERRUPTED
        # Those that the user ended did not fail: an earlier session may have left some.
        outcomes = [run.outcome for run in self.result.runs]
        has_failed = any(it.status == "failed" and it.reason != "interrupted" for it in outcomes)
        if self.experiment.plan.search:
            # That a load is too much for a server is what was asked.
            has_failed = any(stop.reason == "failed" for stop in self.result.stops)
        return ExitCode.ERROR if has_failed else ExitCode.DONE


@dataclass(frozen=True)
class Session:
    """What is about to be measured, on what, and what is to be said of it before."""

    request: MeasureRequest
    plan: Plan
    machine: Machine
    notes: tuple[str, ...] = ()

    def measure(
        self,
        paths: Mapping[ModelKey, Path],
        observer: SessionObserver,
        is_decided: Decision | None = None,
    ) -> SessionResult:
        """
        Measures and stores. The machine should be held meanwhile (lock.py).

        Args:
            paths: Where each model of the plan lies.
            observer: Told what happens.
            is_decided: Where the models and settings are to be compared, when to stop.

        Raises:
            UsageError: Settings that the engine refuses when it plans.
            HarnessError: The engine cannot be loaded.
            ResultsUnwritable: The record cannot be begun.
        """
        about = self.prepared(paths)
        experiment = about.experiment
        for note in about.notes:
            observer.warn(note)
        with (
            held(),
            ExperimentWriter(self.request.results, experiment) as writer,
            observer.shown(experiment),
        ):
            maker = RunMaker(
                experiment,
                paths,
                writer.path,
                observer,
                self.request.silence_ns,
                key_variable=self.request.key_variable,
                servers=about.servers,
            )
            sweep = sweep_of(self.plan)(
                experiment,
                maker,
                writer,
                observer,
                is_decided=partial(is_decided, experiment) if is_decided else None,
                is_in_turns=about.is_in_turns,
            )
            result = sweep.measure()
        return kept(experiment, result, writer.path, about.why_apart)

    def prepared(self, paths: Mapping[ModelKey, Path]) -> Prepared:
        """
        Everything before the first line of the record. The machine should be held meanwhile.

        Raises:
            UsageError: Settings that the engine refuses when it plans.
            HarnessError: The engine cannot be loaded.
        """
        found = prepared(
            self.plan,
            self.machine,
            paths,
            results=self.request.results,
            in_turns=self.request.in_turns,
            program=self.request.also_served,
        )
        more = unpredicted(found.experiment) if self.request.depths else ()
        return replace(found, notes=(*self.notes, *found.notes, *more))


def prepare(
    request: MeasureRequest,
    models: Sequence[AnyModel],
    paths: Mapping[ModelKey, Path] = MappingProxyType({}),
    drafts: Sequence[ModelFile] = (),
) -> Session:
    """
    The session that answers `request` for `models`, which must have different keys; `drafts` are
    those that it names as such. Where models lie that are files is needed only to look for depths.

    Raises:
        UsageError: Settings that cannot be, or what a model cannot do.
    """
    addresses = asked_servers(
        request.settings, request.in_turns == "always", bool(request.also_served)
    )
    machine = machine_with(probe_machine(), addresses)
    files = [model for model in models if isinstance(model, ModelFile)]
    defaults = {"n_threads": (default_threads(machine),)}
    settings = settings_product({**defaults, **request.settings}) if files else ()
    settings = with_drafts(settings, request.drafts, request.draft_max)
    workloads = request.workloads or usual_workloads_for(models)
    notes = tuple(open_connections(addresses))
    if request.depths:
        asked = DepthsAsked(request.depths, request.workloads, models, paths)
        first = settings[0] if settings else Settings(n_threads=default_threads(machine))
        workloads, more = at_depths(
            asked, Means(machine, first, request.budget_ns, request.n_trials, request.wait_ns)
        )
        notes += more
    if request.also_served:
        if request.in_turns != "never":
            raise UsageError(
                "--in-turns keeps all sides alive, and a server is started for each Run"
            )
        workloads = request.workloads or also_served.USUAL_WORKLOADS
        models = (
            *models,
            *also_served.served_twins(files, request.also_served, settings, workloads),
        )
    if request.search:
        workloads = (first_load(request.search, request.workloads, models, request.slo),)
    plan = _plan(request, models, drafts, settings, workloads)
    require_asked(models, plan.workloads, request.workloads)
    require_possible_for(files, settings, request.workloads)
    return Session(request, plan, machine, notes)


def _plan(
    request: MeasureRequest,
    models: Sequence[AnyModel],
    drafts: Sequence[ModelFile],
    settings: Sequence[Settings],
    workloads: tuple[str, ...],
) -> Plan:
    served = dict.fromkeys(it.served.settings for it in models if isinstance(it, ServedModel))
    return Plan(
        models=tuple(models),
        drafts=tuple(drafts),
        settings=(*settings, *served),
        workloads=workloads,
        n_runs_max=request.n_runs_max,
        n_trials=request.n_trials,
        n_cold_loads=request.n_cold_loads,
        budget_ns=request.budget_ns,
        precision=request.precision,
        seed=secrets.randbelow(2**31) if request.seed is None else request.seed,
        slo=request.slo,
        search=request.search,
    )


def kept(
    experiment: Experiment, result: Result, path: Path, why_apart: str | None = None
) -> SessionResult:
    """What came of a sweep into `path`; what could not be kept there whole is written elsewhere."""
    if result.error is None:
        return SessionResult(experiment, result, path, why_apart)
    end = End(finished_at=now(), stops=tuple(result.stops))
    elsewhere = rescued(path.name, whole(experiment, result.runs, end))
    n_runs = len(result.runs)
    what = "its only Run is" if n_runs == 1 else f"all {n_runs} Runs are"
    result.error = unwritable(str(result.error), what, elsewhere)
    return SessionResult(experiment, result, elsewhere)
