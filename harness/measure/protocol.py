"""
What parent and worker say to each other, one JSON document a line.

The parent sends a Job on the worker's stdin. The worker sends events on a private copy of its
stdout, and after each of them waits for a line `go`: so nothing that the parent does in answer
(redraw, write) ever falls into a timed region.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter

from harness.schema.experiment import Buffer, ContextFacts, EngineInfo, Load, Reason, Trial
from harness.schema.machine import Device, Energy, MemoryMark
from harness.schema.planned import PlannedContext, Planning
from harness.schema.quality import ChunkScores, Tokenization
from harness.schema.quantized import PlannedFile, Quantizing
from harness.schema.record import Record
from harness.schema.scored import Scoring, Tokenizing
from harness.schema.settings import Settings

GO = "go"


class Job(Record):
    """
    What one worker is to do.

    `started_ns` and `deadline_ns` are readings of the system-wide perf_counter. Trials that
    others disturbed are repeated until `n_trials` clean ones are there, `n_trials_max` were made
    or the deadline has passed. With no model the worker only describes its engine; with
    `planning` it plans contexts, and reads nothing of the model but its header; with
    `quantizing` it makes other files of it; with `tokenizing` or `scoring` it reads a text. With
    `reads_energy` it looks for the machine's energy counters, and rests before loading if any.
    """

    model_path: str | None = None
    settings: Settings
    workloads: tuple[str, ...] = ()
    planning: Planning | None = None
    quantizing: Quantizing | None = None
    tokenizing: Tokenizing | None = None
    scoring: Scoring | None = None
    n_trials: PositiveInt = 1
    n_trials_max: PositiveInt = 1
    seed: NonNegativeInt = 0
    is_cold: bool = False
    reads_energy: bool = False
    n_cores_logical: PositiveInt = 1
    n_cores_usable: PositiveInt = 1
    started_ns: int
    deadline_ns: int


class HelloEvent(Record):
    """The worker is alive and the library is loaded."""

    event: Literal["hello"] = "hello"
    pid: int
    engine: EngineInfo


class LoadedEvent(Record):
    """The model is loaded and the first context is ready."""

    event: Literal["loaded"] = "loaded"
    load: Load
    weights: tuple[Buffer, ...]
    devices_before: tuple[Device, ...]
    devices_loaded: tuple[Device, ...]


class ContextEvent(Record):
    """A context was made for a workload; its trials follow."""

    event: Literal["context"] = "context"
    context: ContextFacts


class TrialEvent(Record):
    """A repetition is complete."""

    event: Literal["trial"] = "trial"
    trial: Trial


class EnergyEvent(Record):
    """What the machine took at rest before loading, and why sources of it tell nothing."""

    event: Literal["energy"] = "energy"
    idle: tuple[Energy, ...]
    obstacles: dict[str, str]


class MemoryEvent(Record):
    """The worker's own memory at a mark."""

    event: Literal["memory"] = "memory"
    memory: MemoryMark


class PlannedModelEvent(Record):
    """The model was laid out: the names of the tensors in each kind of buffer."""

    event: Literal["planned-model"] = "planned-model"
    tensors: dict[str, tuple[str, ...]]
    n_ctx_train: NonNegativeInt


class PlannedContextEvent(Record):
    """A context was planned, or refused."""

    event: Literal["planned-context"] = "planned-context"
    context: PlannedContext


class PlannedFileEvent(Record):
    """What the model would become as one file type."""

    event: Literal["planned-file"] = "planned-file"
    file: PlannedFile


class QuantizedTensorEvent(Record):
    """The quantizer begins with this tensor."""

    event: Literal["quantized-tensor"] = "quantized-tensor"
    tensor: str


class TokenizedEvent(Record):
    """What a text becomes in the model's vocabulary."""

    event: Literal["tokenized"] = "tokenized"
    tokenization: Tokenization


class SpilledEvent(Record):
    """The reference's log-probabilities of a chunk are on the disk."""

    event: Literal["spilled"] = "spilled"
    index: NonNegativeInt


class ChunkEvent(Record):
    """A chunk is scored."""

    event: Literal["chunk"] = "chunk"
    chunk: ChunkScores


class FailedEvent(Record):
    """
    The engine refused; what was measured before stands.

    With a workload, only that one: the worker goes on with the next.
    """

    event: Literal["failed"] = "failed"
    workload: str | None = None
    reason: Reason
    message: str


class DoneEvent(Record):
    """All workloads were measured."""

    event: Literal["done"] = "done"


Event = Annotated[
    HelloEvent
    | LoadedEvent
    | ContextEvent
    | TrialEvent
    | EnergyEvent
    | MemoryEvent
    | PlannedModelEvent
    | PlannedContextEvent
    | PlannedFileEvent
    | QuantizedTensorEvent
    | TokenizedEvent
    | SpilledEvent
    | ChunkEvent
    | FailedEvent
    | DoneEvent,
    Field(discriminator="event"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
"""Reads and validates one event."""
