"""
What parent and worker say to each other, one JSON document a line.

The parent sends a Job on the worker's stdin. The worker sends events on a private copy of its
stdout, and after each of them waits for a line with an Answer: so nothing that the parent does
meanwhile (redraw, write, let another worker measure) ever falls into a timed region.

What a worker can do is a type. Each Job, and the events that only it has, stand in jobs/ beside
the parent's half of the work; here is what all of them share.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from harness.errors import HarnessError
from harness.schema.experiment import EngineInfo
from harness.schema.outcome import Reason
from harness.schema.record import Record
from harness.schema.settings import Settings

Answer = Literal["go", "enough"]
"""
What the parent says to an event: go on, or end what you have begun. A worker that has told
something waits, asleep, for as long as it takes; so one of several can be kept waiting its turn.
"""
GO: Answer = "go"
ENOUGH: Answer = "enough"

VERSION = 7
"""Of the protocol; a worker of another Python environment may speak another one."""
# History, newest first. Raise it whenever a job or an event changes.
# 7 (2026-11): devices of other machines.
# 6 (2026-11): guessed tokens, and the turns of a conversation.
# 5 (2026-11): served models are asked.
# 4 (2026-11): measuring in turns: a worker is told before each trial whether to make it.
# 3 (2026-11): several models are planned by one worker.
# 2 (2026-11): measuring tells that it repeats, what disturbed a trial, and the counters of the Run.
# 1 (2026-11): each job is a type of its own.


class Event(Record):
    """Something that a worker tells; `event` names the kind."""

    event: str

    @property
    def activity(self) -> str | None:
        """What the worker does from here on, "during tg128"; None: what it did before."""
        return None


Send = Callable[[Event], Answer]
"""How a worker tells an event: it returns when the parent has done what it does about it."""


class HelloEvent(Event):
    """The worker is alive and its `engine` loaded, if it needs one. The first event of a job."""

    event: Literal["hello"] = "hello"
    protocol: int = VERSION
    pid: int
    engine: EngineInfo | None = None

    @property
    def activity(self) -> str:
        """What every job but describing does next."""
        return "while loading the model"


class FailureEvent(Event):
    """The engine refused something; what was told before stands."""

    reason: Reason
    message: str


class FailedEvent(FailureEvent):
    """The job is over, and not done."""

    event: Literal["failed"] = "failed"


class DoneEvent(Event):
    """The job is done."""

    event: Literal["done"] = "done"


CommonEvent = HelloEvent | FailedEvent | DoneEvent
"""What the worker of any job may tell."""


class Job(Record):
    """
    What one worker is to do; `job` names the kind.

    A kind that has events of its own says in `EVENTS` how all that it may tell is read.
    """

    EVENTS: ClassVar[TypeAdapter[Any]] = TypeAdapter(
        Annotated[CommonEvent, Field(discriminator="event")]
    )

    job: str
    protocol: int = VERSION

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers of llama.cpp's RPC whose devices the engine is to have, as addresses."""
        settings = getattr(self, "settings", None)
        return settings.rpc if isinstance(settings, Settings) else ()

    def line(self) -> str:
        """
        What the worker reads.

        Raises:
            HarnessError: A path in it is no text in this locale, as the engine asks for one.
        """
        try:
            return self.model_dump_json()
        except PydanticSerializationError:
            path = next(filter(None, map(_odd_text, self.model_dump().values())), "A path")
            raise HarnessError(
                f"{path} is a name that is not UTF-8 for this locale, and the engine opens no such "
                "file; rename it, or set LC_ALL=C.UTF-8"
            ) from None


def _odd_text(value: object) -> str | None:
    """The first text in `value` that cannot be encoded, its odd bytes written out."""
    if isinstance(value, dict | tuple | list):
        inner = value.values() if isinstance(value, dict) else value
        return next(filter(None, map(_odd_text, inner)), None)
    if not isinstance(value, str | Path) or str(value).isascii():
        return None
    shown = os.fsencode(value).decode("utf-8", "backslashreplace")
    return shown if shown != str(value) else None


class DescribeJob(Job):
    """Say which engine this is, with the devices of these servers; HelloEvent does."""

    job: Literal["describe"] = "describe"
    rpc: tuple[str, ...] = ()

    @property
    def servers(self) -> tuple[str, ...]:
        """Those."""
        return self.rpc


class _Versioned(BaseModel):
    """Of a message of any version, what says which."""

    protocol: int | None = None


def version_of(message: str | bytes) -> int | None:
    """The version of the protocol that a job or a hello is written in; None: it does not say."""
    try:
        return _Versioned.model_validate_json(message).protocol
    except ValidationError:
        return None
