"""Measuring one model under one Settings: the job of a Run, and what its worker tells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter

from harness.analysis import disturbance
from harness.analysis.disturbance import Disturbance
from harness.measure import runner
from harness.measure.conversation import Report
from harness.measure.protocol import CommonEvent, Event, FailureEvent, Job
from harness.schema.experiment import Buffer, ContextFacts, EngineInfo, Load, Trial
from harness.schema.machine import Counters, Device, Energy, MemoryMark
from harness.schema.model_kind import ModelKind
from harness.schema.outcome import CaseFailure, Outcome
from harness.schema.settings import Settings


class LoadedEvent(Event):
    """The model is loaded and the first context is ready."""

    event: Literal["loaded"] = "loaded"
    load: Load
    weights: tuple[Buffer, ...]
    devices_before: tuple[Device, ...]
    devices_loaded: tuple[Device, ...]


class ContextEvent(Event):
    """A context was made for a workload; its trials follow."""

    event: Literal["context"] = "context"
    context: ContextFacts

    @property
    def activity(self) -> str:
        """Its trials."""
        return f"during {self.context.workload}"


class AskingEvent(Event):
    """The requests of a workload begin."""

    event: Literal["asking"] = "asking"
    workload: str

    @property
    def activity(self) -> str:
        """Its trials."""
        return f"during {self.workload}"


class ReadyEvent(Event):
    """
    In turns: what a trial of a workload needs is there; the answer says whether to make one.

    "enough" ends the workload. Nothing of the trial is done before the answer.
    """

    event: Literal["ready"] = "ready"
    workload: str


class TrialEvent(Event):
    """A repetition is complete; `disturbed_by` says what takes it out of the headline."""

    event: Literal["trial"] = "trial"
    trial: Trial
    disturbed_by: str | None = None


class RepeatEvent(Event):
    """
    As many trials of a workload as asked for are made, but not enough clean ones: more follow.

    `disturbed_by` says of those `n_disturbed` what disturbed them.
    """

    event: Literal["repeat"] = "repeat"
    workload: str
    n_disturbed: PositiveInt
    n_trials: PositiveInt
    n_trials_max: PositiveInt
    disturbed_by: str


class TurnEvent(Event):
    """
    Another turn of a conversation is over, `number` from 1: a trial of it may take so long that its
    silence would be taken for an engine that hangs.
    """

    event: Literal["turn"] = "turn"
    workload: str
    number: PositiveInt
    n_turns: PositiveInt

    @property
    def activity(self) -> str:
        """The turns behind it."""
        return f"during {self.workload}, behind turn {self.number}"


class CountersEvent(Event):
    """What was counted from before loading to behind the last trial."""

    event: Literal["counters"] = "counters"
    counters: Counters


class EnergyEvent(Event):
    """What the machine took when idle before loading, and why sources of it tell nothing."""

    event: Literal["energy"] = "energy"
    idle: tuple[Energy, ...]
    reasons_missing: dict[str, str]


class MemoryEvent(Event):
    """The worker's own memory at a mark."""

    event: Literal["memory"] = "memory"
    memory: MemoryMark


class WorkloadFailedEvent(FailureEvent):
    """The engine refused one workload; the worker goes on with the next."""

    event: Literal["workload-failed"] = "workload-failed"
    workload: str


class TrialsJob(Job, ABC):
    """
    Make trials of `workloads`, one workload after the other.

    `started_ns` and `deadline_ns` are readings of the system-wide perf_counter. Trials that
    others disturbed are repeated until `n_trials` clean ones are there, `n_trials_max` were made
    or the deadline has passed; with `is_in_turns` the parent decides that, trial by trial, so that
    it can let another worker make one in between. With `reads_energy` the worker looks for the
    machine's energy counters, and rests before loading if there are any.
    """

    EVENTS: ClassVar[TypeAdapter[Any]] = TypeAdapter(
        Annotated[
            CommonEvent
            | LoadedEvent
            | ContextEvent
            | AskingEvent
            | ReadyEvent
            | TrialEvent
            | RepeatEvent
            | TurnEvent
            | CountersEvent
            | EnergyEvent
            | MemoryEvent
            | WorkloadFailedEvent,
            Field(discriminator="event"),
        ]
    )

    workloads: tuple[str, ...]
    n_trials: PositiveInt = 1
    n_trials_max: PositiveInt = 1
    seed: NonNegativeInt = 0
    is_in_turns: bool = False
    reads_energy: bool = False
    n_cores_logical: PositiveInt = 1
    n_cores_usable: PositiveInt = 1
    started_ns: int
    deadline_ns: int

    @property
    @abstractmethod
    def n_threads(self) -> int:
        """Threads that compute in the worker."""

    def why_disturbed(self, trial: Trial) -> Disturbance | None:
        """What takes a trial of this job out of the headline, if anything."""
        return disturbance.why_disturbed(
            trial.counters,
            n_logical=self.n_cores_logical,
            n_threads=self.n_threads,
            n_usable=self.n_cores_usable,
        )


class MeasureJob(TrialsJob):
    """
    Measure a model with the engine, each workload in a context of its own.

    `kind` is the model's, by its header. At `draft_path` is the model that the settings name as its
    draft.
    """

    job: Literal["measure"] = "measure"
    model_path: str
    kind: ModelKind = "generates"
    settings: Settings
    draft_path: str | None = None
    is_cold: bool = False

    @property
    def n_threads(self) -> int:
        """The engine's."""
        return self.settings.n_threads


@dataclass(frozen=True)
class MeasureReport:
    """What the worker of a TrialsJob told, in the terms of `schema.Run`."""

    outcome: Outcome = field(default_factory=lambda: Outcome(status="ok"))
    engine: EngineInfo | None = None
    case_failures: tuple[CaseFailure, ...] = ()
    load: Load | None = None
    weights: tuple[Buffer, ...] = ()
    contexts: tuple[ContextFacts, ...] = ()
    memory: tuple[MemoryMark, ...] = ()
    devices_before: tuple[Device, ...] = ()
    devices_loaded: tuple[Device, ...] = ()
    idle_energy: tuple[Energy, ...] = ()
    energy_reasons_missing: dict[str, str] = field(default_factory=dict)
    counters: Counters | None = None
    trials: tuple[Trial, ...] = ()


def measure(
    job: TrialsJob,
    *,
    log: Path,
    on_event: Callable[[Event], None] = lambda _: None,
    silence_ns: int = runner.SILENCE_NS,
    command: Sequence[str] = runner.WORKER,
) -> MeasureReport:
    """What one fresh worker measured, however it ended; the arguments are those of `run_worker`."""
    return measure_report(
        runner.run_worker(job, log=log, on_event=on_event, silence_ns=silence_ns, command=command)
    )


def measure_report(report: Report) -> MeasureReport:
    """The same of what any worker of a TrialsJob told."""
    loaded = next(iter(report.told(LoadedEvent)), None)
    energy = next(iter(report.told(EnergyEvent)), None)
    counted = next(iter(report.told(CountersEvent)), None)
    return MeasureReport(
        outcome=report.outcome,
        engine=report.engine,
        case_failures=tuple(
            CaseFailure(workload=it.workload, reason=it.reason, message=it.message)
            for it in report.told(WorkloadFailedEvent)
        ),
        load=loaded.load if loaded else None,
        weights=loaded.weights if loaded else (),
        contexts=tuple(event.context for event in report.told(ContextEvent)),
        memory=tuple(event.memory for event in report.told(MemoryEvent)),
        devices_before=loaded.devices_before if loaded else (),
        devices_loaded=loaded.devices_loaded if loaded else (),
        idle_energy=energy.idle if energy else (),
        energy_reasons_missing=energy.reasons_missing if energy else {},
        counters=counted.counters if counted else None,
        trials=tuple(event.trial for event in report.told(TrialEvent)),
    )
