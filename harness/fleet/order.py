"""
What a worker of a fleet is told when it starts, and what it answers: one line of JSON each.

The order comes on standard input, never as an argument and never as a file: it holds a key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
)

from harness import __version__
from harness.bounded import parsed_json
from harness.endpoint.failure import quoted
from harness.errors import HarnessError, UsageError
from harness.schema.record import Record, first_mistake

MOST_BYTES = 64 << 10
"""Of an order or an answer: three certificates and keys take some 3 KB."""

_MOST_TOLD = 600
_MOST_PORT = 65_535
# More than any machine has.
_MOST_CORES = 1e5

SILENCE_NS = 60 * 10**9
"""How long a worker waits for a scheduler that says nothing: some heartbeats, and less than the
90 s after which the scheduler takes a worker for lost and gives its cell to the next one."""


def as_told(text: str) -> str:
    """What another machine says, as one line that is no longer than anybody reads."""
    return quoted(text, most=_MOST_TOLD)


def _with_port(address: str) -> str:
    if not 1 <= int(address.rpartition(":")[2]) <= _MOST_PORT:
        raise ValueError(f"its port is none from 1 to {_MOST_PORT}")
    return address


Told = Annotated[str, AfterValidator(as_told)]
"""A sentence of another machine's."""

_Name = Annotated[str, AfterValidator(quoted)]

HostName = Annotated[str, Field(pattern=r"^[\w.@:+-]{1,200}$")]
"""What the submitter calls a machine: a name of ssh's, "user@host", or one that a user made up."""

Port = Annotated[int, Field(ge=1, le=_MOST_PORT)]
Address = Annotated[
    str, Field(pattern=r"^tls://(\[[0-9A-Fa-f:.]+\]|[\w.-]+):\d{1,5}$"), AfterValidator(_with_port)
]
"""As "tls://127.0.0.1:28786"; nothing of a fleet speaks without TLS."""


@dataclass(frozen=True)
class Certificate:
    """Who somebody is, with the key that proves it, and whom they believe; all are PEM texts."""

    ca_pem: str
    certificate_pem: str
    key_pem: str = field(repr=False)


class WorkerOrder(Record):
    """
    What a worker is to be: one line on its standard input, which then stays open; its end ends it.

    `scheduler` is the address where that is reached from the worker, `contact` the one where the
    scheduler reaches the worker, if it is not where this listens. A `listen_host` of None is the
    address from which it reaches the scheduler, a `listen_port` of None any free one. `wait_ns` is
    how long the scheduler may stay silent before the worker ends itself.
    """

    kind: Literal["order"] = "order"
    scheduler: Address
    name: HostName
    listen_host: str | None = None
    listen_port: Port | None = None
    contact: Address | None = None
    ca_pem: str = Field(repr=False)
    certificate_pem: str = Field(repr=False)
    key_pem: str = Field(repr=False)
    harness_version: str
    distributed_version: str
    wait_ns: PositiveInt


class Hello(Record):
    """
    A worker that is there, and what its being there costs: the one line on its standard output.

    `idle_cores_share` is the share of one core that its process takes while it waits, over
    `idle_over_ns`; `rss_bytes` its memory. `utc_ns` is its clock when it wrote this.
    """

    kind: Literal["hello"] = "hello"
    harness_version: _Name
    python_version: _Name
    distributed_version: _Name
    machine_id: _Name
    machine_title: _Name
    hostname: _Name
    utc_ns: PositiveInt
    idle_cores_share: float = Field(ge=0, le=_MOST_CORES)
    idle_over_ns: PositiveInt
    rss_bytes: NonNegativeInt


RefusalReason = Literal[
    "order",
    "version",
    "distributed-version",
    "missing",
    "port-in-use",
    "unreachable",
    "tls",
    "machine",
    "registered",
    "other",
]
"""
Why a worker cannot be: the order is none, another harness or distributed is here, the extra is not
installed, its port is taken, no scheduler answers, certificates do not match, the machine cannot be
described, or another worker has its name.
"""


class WorkerRefused(HarnessError):
    """A worker that cannot be; the message is one sentence."""

    def __init__(self, reason: RefusalReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Refusal(Record):
    """A worker that cannot be, and why, in one sentence: instead of a Hello, before it ends."""

    kind: Literal["refusal"] = "refusal"
    reason: RefusalReason
    message: Told


_ANSWER: TypeAdapter[Hello | Refusal] = TypeAdapter(
    Annotated[Hello | Refusal, Field(discriminator="kind")]
)


def require_certificate(certificate: Certificate | None, address: str) -> Certificate:
    """
    The certificate for a cluster of others at `address`.

    Raises:
        UsageError: There is none.
    """
    if certificate is None:
        raise UsageError(
            f"{address}: a fleet speaks TLS alone, or anybody could have it measure; add --tls-ca, "
            "--tls-cert and --tls-key"
        )
    return certificate


def read_order(line: bytes) -> WorkerOrder:
    """
    The order in a line of standard input.

    Raises:
        WorkerRefused: It is none, or of another version of harness.
    """
    try:
        told = parsed_json(line[:MOST_BYTES])
        # Before the rest: an order of another version may have other fields.
        _require_version(told)
        return WorkerOrder.model_validate(told)
    except ValidationError as error:
        what = first_mistake(error)
    except ValueError:
        what = "it is not JSON" if line else "it is empty"
    raise WorkerRefused(
        "order",
        f"standard input holds no order for a worker: {what}; `harness fleet run` writes one",
    )


def require_same(there: str, here: str, what: str, reason: RefusalReason) -> None:
    """
    Nothing, where both sides have the same version of something.

    Raises:
        WorkerRefused: They have not.
    """
    if there != here:
        message = f"the fleet has {what} {there} and this machine {here}; install the same on both"
        raise WorkerRefused(reason, message)


def _require_version(told: Any) -> None:
    there = told.get("harness_version") if isinstance(told, dict) else None
    if isinstance(there, str):
        require_same(there, __version__, "harness", "version")


def read_answer(line: bytes) -> Hello | Refusal:
    """
    What a worker said of itself.

    Raises:
        HarnessError: It said something else.
    """
    try:
        return _ANSWER.validate_python(parsed_json(line[:MOST_BYTES]))
    except ValidationError as error:
        what = first_mistake(error)
    except ValueError:
        what = "it is not JSON"
    raise HarnessError(f"its worker did not say what it is: {what}; see that it is a harness")
