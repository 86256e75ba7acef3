"""Asking a served model: the job of a Run whose engine is in another process, or elsewhere."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt, TypeAdapter

from harness.measure.jobs.measure import (
    CountersEvent,
    EnergyEvent,
    LoadedEvent,
    MemoryEvent,
    ReadyEvent,
    RepeatEvent,
    TrialEvent,
    TrialsJob,
    WorkloadFailedEvent,
)
from harness.measure.protocol import CommonEvent, Event
from harness.schema.served import Served


class AskingEvent(Event):
    """The requests of a workload begin."""

    event: Literal["asking"] = "asking"
    workload: str

    @property
    def activity(self) -> str:
        """Its trials."""
        return f"during {self.workload}"


class RequestJob(TrialsJob):
    """
    Send requests to a served model, all over connections of their own.

    `key_variable` names what holds the key in the environment, so that it is written nowhere. A
    request that yields nothing for `silence_ns` has failed. `ready_ns` is how long a server that
    was started for it took from its start until it had loaded; None: it has been there before.
    """

    EVENTS: ClassVar[TypeAdapter[Any]] = TypeAdapter(
        Annotated[
            CommonEvent
            | LoadedEvent
            | AskingEvent
            | ReadyEvent
            | TrialEvent
            | RepeatEvent
            | CountersEvent
            | EnergyEvent
            | MemoryEvent
            | WorkloadFailedEvent,
            Field(discriminator="event"),
        ]
    )

    job: Literal["request"] = "request"
    served: Served
    key_variable: str | None = None
    silence_ns: int
    ready_ns: PositiveInt | None = None

    @property
    def n_threads(self) -> int:
        """A client does not compute."""
        return 1
