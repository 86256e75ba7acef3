"""Asking a served model: the job of a Run whose engine is in another process, or elsewhere."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

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
    request that yields nothing for `silence_ns` has failed.
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

    @property
    def n_threads(self) -> int:
        """A client does not compute."""
        return 1
