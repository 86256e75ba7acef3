"""What a worker has told so far: the parent's memory of one process, however it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError

from harness.measure import protocol
from harness.measure.protocol import DoneEvent, Event, FailedEvent, FailureEvent, HelloEvent, Job
from harness.schema.experiment import EngineInfo
from harness.schema.outcome import Outcome

E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Report:
    """What one worker told, however it ended."""

    outcome: Outcome
    engine: EngineInfo | None = None
    events: tuple[Event, ...] = ()

    def told(self, kind: type[E]) -> tuple[E, ...]:
        """The events of that kind, in their order."""
        return tuple(event for event in self.events if isinstance(event, kind))

    def raise_if_interrupted(self) -> None:
        """KeyboardInterrupt, if that is what ended it."""
        if self.outcome.reason == "interrupted":
            raise KeyboardInterrupt


class Unreadable(Exception):
    """What a worker says is not what one of this version says; the text says why."""


@dataclass
class Conversation:
    """The events of one worker, and by them what it is doing and how it will have ended."""

    job: Job
    outcome: Outcome = field(default_factory=lambda: Outcome(status="ok"))
    engine: EngineInfo | None = None
    events: list[Event] = field(default_factory=list)
    activity: str = "while starting"
    is_over: bool = False

    def read(self, line: bytes) -> Event:
        """
        The event in `line`, which is taken in.

        Raises:
            Unreadable: There is none in it, or the worker speaks another version.
        """
        # Before anything else of it is read: what else a hello holds is up to its version.
        if not self.events and (version := protocol.version_of(line)) not in (
            None,
            protocol.VERSION,
        ):
            raise Unreadable(
                f"the worker speaks version {version} of the protocol and this harness version "
                f"{protocol.VERSION}: its Python environment holds another harness; install the "
                "same version in both"
            )
        try:
            event: Event = self.job.EVENTS.validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]["msg"]
            raise Unreadable(f"the worker's message could not be read: {first}") from error
        self._take(event)
        return event

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self.activity = event.activity or self.activity
        if isinstance(event, HelloEvent):
            self.engine = event.engine
        # The first failure is the one that the others follow from.
        if isinstance(event, FailureEvent) and self.outcome.status == "ok":
            self.outcome = Outcome(status="failed", reason=event.reason, message=event.message)
        self.is_over = isinstance(event, (DoneEvent, FailedEvent))

    @property
    def place(self) -> str:
        """
        What it does and told last: what comes behind a trial of a workload is another one of it,
        while a model is loaded behind an event that has nothing to do with it.
        """
        return f"{self.activity}, {self.events[-1].event if self.events else 'nothing'} told"

    def fail(self, message: str) -> None:
        """It cannot go on, and that is neither the engine's fault nor the model's."""
        self.outcome = Outcome(status="failed", reason="worker-error", message=message)

    def report(self) -> Report:
        """All of it."""
        return Report(self.outcome, self.engine, tuple(self.events))
