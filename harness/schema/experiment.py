"""
The types of an experiment file: facts only, nothing derived (the machine's: schema/machine.py).

All are frozen and refuse unknown keys. Times are integers of nanoseconds, sizes integers of
bytes. `None` means "this machine does not tell", never zero.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from harness.schema.fleet import FleetPart
from harness.schema.machine import (
    BandwidthSample,
    Conditions,
    Counters,
    Device,
    Energy,
    Machine,
    MachineFacts,
    MemoryMark,
)
from harness.schema.model import AnyModel, ModelFile, ModelKey, ServedModel
from harness.schema.moment import Moment
from harness.schema.outcome import CaseFailure, Outcome
from harness.schema.prediction import Prediction
from harness.schema.record import Record
from harness.schema.request import LoadSearch, Request, ServiceLevel, SessionState
from harness.schema.served import Served
from harness.schema.settings import AnySettings, Settings
from harness.schema.work import Work
from harness.schema.workload import WorkloadName

SCHEMA_VERSION = 9
# History of the experiment file, newest first. When a field changes: raise the number, add an
# upgrade function to records/store.py and a gold file to tests/gold/.
# 9 (2026-11): the part of an experiment in a fleet.
# 8 (2026-11): turns of a conversation, its saved state, and speculation with its drafts.
# 7 (2026-11): models that a server has loaded, and the requests of a trial.
# 6 (2026-11): is_in_turns of a Run.
# 5 (2026-11): what a cached position adds is told by the works alone; TTFT is predicted in ns;
#   predictions corrected by what was measured here are by "local-results"; a chat trial says
#   whether the model's template was applied; energy_obstacles are energy_reasons_missing; counters
#   of a Run.
# 4 (2026-11): works of an experiment.
# 3 (2026-11): energy of a trial and of the idle machine; the origin of an experiment.
# 2 (2026-11): predictions of an experiment; is_twin of a model.
# 1 (2026-11): the first.

ChatTemplate = Literal["applied", "absent", "unknown"]
"""Whether the model's own one was put around a text; "unknown": the engine has none like it."""


class Trial(Record):
    """
    One repetition of one workload.

    `step_ns` are the durations of the decode steps, in order. `total_ns` is the whole timed
    region. A chat trial has `ttft_ns` (text in to first text out) and its `step_ns` are the
    gaps between later tokens. A sustain trial has windows of about a second instead of steps.
    `counters` are None where another program measured: nobody knows what disturbed it. The
    windows of `energy` hold the timed region and some µs around it. Of a served model the
    `requests` are all that were sent, and of a single one the other fields say the same:
    `step_ns` are gaps between events, `n_tokens` the server's count, or where it has none events.
    Of a conversation the `requests` are its answers, also without a server, and `session` is its
    cache, saved at the end.
    """

    workload: WorkloadName
    index: NonNegativeInt
    is_warm_up: bool = False
    n_tokens: PositiveInt
    total_ns: PositiveInt
    step_ns: tuple[int, ...] = ()
    n_prompt: NonNegativeInt | None = None
    tokenize_ns: NonNegativeInt | None = None
    ttft_ns: PositiveInt | None = None
    chat_template: ChatTemplate | None = None
    window_tokens: tuple[int, ...] = ()
    window_ns: tuple[int, ...] = ()
    counters: Counters | None = None
    energy: tuple[Energy, ...] = ()
    requests: tuple[Request, ...] = ()
    session: SessionState | None = None


class Buffer(Record):
    """A buffer the engine reports in its log. `device` is the engine's name of it."""

    device: str
    kind: Literal["weights", "kv", "recurrent", "compute", "output"]
    n_bytes: NonNegativeInt


class ContextFacts(Record):
    """The context made for one workload: its size and the engine's buffers for it."""

    workload: WorkloadName
    n_ctx: PositiveInt
    create_ns: PositiveInt
    buffers: tuple[Buffer, ...]


class Load(Record):
    """
    How long loading took. `total_ns` runs from process start to the first ready context.

    `cached_ratio` is the share of the file in the page cache before loading; the load is cold
    when the file was evicted and next to nothing of it was left.
    """

    cached_ratio: float | None
    is_cold: bool | None
    process_ns: PositiveInt
    model_ns: PositiveInt
    total_ns: PositiveInt


class Run(Record):
    """
    One worker process: one model, one Settings, all workloads. The sampling unit. Of a served
    model the process is the client's.

    Whatever was measured before a failure is kept in `trials`. `outcome` is "failed" when the
    process failed or any workload did; `case_failures` says which. `devices_before` and
    `devices_loaded` bracket the loading, so their difference is the memory it took. `idle_energy`
    was taken in a short rest before loading; `energy_reasons_missing` say of a source why it tells
    nothing. `counters` are those from before loading to behind the last trial; None where the
    worker ended before, and where it was not the only one.

    With `is_in_turns` the workers of a round were alive together and their trials took turns:
    trials of a round, a workload and an `index` are neighbours. `duration_ns` leaves out how long
    it waited for the others.
    """

    kind: Literal["run"] = "run"
    index: NonNegativeInt
    round: NonNegativeInt
    model: ModelKey
    settings: AnySettings
    workloads: tuple[WorkloadName, ...]
    seed: NonNegativeInt
    started_at: Moment
    duration_ns: NonNegativeInt
    is_in_turns: bool = False
    outcome: Outcome
    case_failures: tuple[CaseFailure, ...] = ()
    load: Load | None = None
    weights: tuple[Buffer, ...] = ()
    contexts: tuple[ContextFacts, ...] = ()
    memory: tuple[MemoryMark, ...] = ()
    devices_before: tuple[Device, ...] = ()
    devices_loaded: tuple[Device, ...] = ()
    bandwidth_before: BandwidthSample | None = None
    bandwidth_after: BandwidthSample | None = None
    idle_energy: tuple[Energy, ...] = ()
    energy_reasons_missing: dict[str, str] = Field(default_factory=dict)
    counters: Counters | None = None
    trials: tuple[Trial, ...] = ()
    log: str | None = None


class EngineInfo(Record):
    """Which engine measured: binding and library versions, its build and what it found."""

    binding: str
    binding_version: str
    library_version: str
    library_commit: str
    system_info: str
    supports_gpu_offload: bool
    devices: tuple[Device, ...]

    @property
    def build(self) -> str:
        """What tells it from its other builds: the commit, else the program and its version."""
        return self.library_commit or f"{self.binding} {self.binding_version}"

    @property
    def title(self) -> str:
        """The program with its version, and the engine's commit where it has one of its own."""
        of_library = f" ({self.library_commit or 'no commit'})" if self.library_version else ""
        return f"{self.binding} {self.binding_version}{of_library}"


UNKNOWN_VERSION = "of unknown version"
"""What stands for the version of a server that does not tell its own."""


def engine_of(served: Served) -> EngineInfo:
    """A server as an engine, as far as it tells what it is."""
    return EngineInfo(
        binding=served.server,
        binding_version=served.version or UNKNOWN_VERSION,
        library_version="",
        library_commit="",
        system_info="",
        supports_gpu_offload=False,
        devices=(),
    )


class Provenance(Record):
    """
    Which software produced the record; of served models alone, their server is the engine.
    """

    harness_version: str
    python_version: str
    engine: EngineInfo


class Plan(Record):
    """
    What the experiment set out to do; `budget_ns` is per model, `slo` the service level by which
    the requests of several users are judged. With `search` the largest load that keeps that level
    was looked for: `workloads` has the first, and what the others were stands in the Runs. `drafts`
    are models that guess for others, where settings name them.
    """

    models: tuple[AnyModel, ...]
    drafts: tuple[ModelFile, ...] = ()
    settings: tuple[AnySettings, ...]
    workloads: tuple[WorkloadName, ...]
    n_runs_max: PositiveInt
    n_trials: PositiveInt
    n_cold_loads: NonNegativeInt
    budget_ns: PositiveInt
    precision: float
    seed: NonNegativeInt
    slo: ServiceLevel | None = None
    search: LoadSearch | None = None

    @property
    def engine_settings(self) -> tuple[Settings, ...]:
        """Those of the engine in this process; what servers tell of theirs comes behind them."""
        return tuple(each for each in self.settings if isinstance(each, Settings))


class StoredPrediction(Prediction):
    """A Prediction made before measuring; `settings_index` counts the plan's settings from 0."""

    workload: WorkloadName
    settings_index: NonNegativeInt = 0


class Experiment(Record):
    """
    Line 1 of an experiment file: one measuring command, or what `origin` says it came from.

    `works` are what its models ask of a machine, so that later predictions can learn from it.
    `fleet` says which others it belongs to, where several machines were measured by one plan.
    """

    schema_version: Annotated[int, Field(alias="schema")] = SCHEMA_VERSION
    kind: Literal["experiment"] = "experiment"
    id: str
    started_at: Moment
    origin: Literal["harness", "llama-bench"] = "harness"
    machine: Annotated[Machine | MachineFacts, Field(union_mode="left_to_right")]
    conditions: Conditions
    provenance: Provenance
    plan: Plan
    predictions: tuple[StoredPrediction, ...] = ()
    works: dict[ModelKey, Work] = Field(default_factory=dict)
    fleet: FleetPart | None = None

    @model_validator(mode="after")
    def _knows_its_machine(self) -> Self:
        if self.origin == "harness" and not isinstance(self.machine, Machine):
            raise ValueError("the machine is not described in full")
        return self

    def engine_for(self, model: ModelFile | ServedModel) -> EngineInfo:
        """What computed with a model of its plan: the engine here, or the model's server."""
        return engine_of(model.served) if model.served else self.provenance.engine


class Stop(Record):
    """Why measuring one model under one Settings stopped, and after how many Runs."""

    model: ModelKey
    settings: AnySettings
    reason: Literal["precise", "max-runs", "budget", "decided", "failed", "interrupted"]
    n_runs: NonNegativeInt


class End(Record):
    """Last line of an experiment file; a file without it was cut short."""

    kind: Literal["end"] = "end"
    finished_at: Moment
    stops: tuple[Stop, ...]
