"""
A request and the lines of its answer, each with the time at which it came.

While they come nothing is done but to stamp what the system hands over; it is divided into lines
when all is there, and `answer.read` parses them. Whoever measures turns off the garbage collector
meanwhile.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns

from harness.endpoint import failure as said
from harness.endpoint.address import Address
from harness.endpoint.call import Call
from harness.endpoint.connection import Connection
from harness.endpoint.failure import RequestFailed
from harness.schema.request import RequestFailure

# An event of a token takes 200 to 400 bytes and two lines; what is longer than an answer of 300,000
# tokens, or comes in more pieces, is none, and would fill the memory.
_MOST_BYTES = 1 << 27
_MOST_PIECES = 1 << 20
_MOST_READ_BYTES = 1 << 16
# Servers of many kinds leave the connection open behind it.
_ENDS = (b"data: [DONE]", b"data:[DONE]")
_TAIL_BYTES = 32


@dataclass(frozen=True, slots=True)
class Raw:
    """
    What came back, unparsed.

    Attributes:
        url: Of whom.
        model: The name that was asked for.
        sent_ns: When the first byte of the request was sent, by perf_counter_ns; without a
            connection, when it was given up.
        connect_ns: How long connecting took before; None without a connection.
        status: Of HTTP; None where nothing came.
        headers: By their names in lower case.
        lines: Of the body, with their line breaks.
        stamps_ns: When each of them was whole.
        ended_ns: When the last of it had come, or the rest was given up.
        is_framed: Whether the body said where it ends, so that an orderly end is told from a cut.
        failure: What went wrong on the way; None where the server ended it.
        secret: The key, which no message may repeat.
    """

    url: str
    model: str
    sent_ns: int
    ended_ns: int
    connect_ns: int | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    lines: tuple[bytes, ...] = field(default=(), repr=False)
    stamps_ns: tuple[int, ...] = field(default=(), repr=False)
    is_framed: bool = False
    failure: RequestFailure | None = None
    secret: str = field(default="", repr=False)


def ask(
    address: Address,
    call: Call,
    *,
    key: str | None,
    silence_s: float,
    deadline_ns: int | None = None,
) -> Raw:
    """
    Connects, sends the request and reads what comes until the server ends it.

    Args:
        address: Of the server.
        call: What to ask.
        key: Sent to it alone; None sends none.
        silence_s: How long connecting may take, and how long nothing may come.
        deadline_ns: When all of it must be over, by perf_counter_ns; None sets no such limit.
    """
    try:
        prepared = prepare(address, call, key=key, silence_s=silence_s)
    except RequestFailed as error:
        now_ns = perf_counter_ns()
        return Raw(address.url, call.model, now_ns, now_ns, failure=error.failure)
    return prepared.send(deadline_ns)


def prepare(address: Address, call: Call, *, key: str | None, silence_s: float) -> Prepared:
    """
    A request whose connection stands, to be sent when it is due.

    Raises:
        RequestFailed: The server cannot be reached.
    """
    connection = Connection(address, key=key, timeout_s=silence_s)
    return Prepared(connection, call, key or "", silence_s)


@dataclass(slots=True)
class Prepared:
    """A request that is not yet sent."""

    connection: Connection
    call: Call
    secret: str = field(repr=False)
    silence_s: float

    def send(self, deadline_ns: int | None = None) -> Raw:
        """Sends it and reads what comes; see `ask`."""
        try:
            return self._send(deadline_ns)
        finally:
            self.connection.close()

    def _send(self, deadline_ns: int | None) -> Raw:
        sent_ns = perf_counter_ns()
        blocks: list[tuple[int, bytes]] = []
        response = None
        failure = None
        try:
            sent_ns = self.connection.send("POST", self.call.path, self.call.body)
            response = self.connection.response("POST", self.silence_s, deadline_ns)
            if 300 <= response.status < 400:
                location = response.headers.get("Location", "")
                failure = said.redirected(
                    self.connection.address, response.status, location, self.secret
                )
            else:
                failure = None if _read(response, blocks) else self._too_long()
        except (OSError, http.client.HTTPException, ValueError) as error:
            failure = said.ended(
                self.connection.address,
                error,
                response.status if response else None,
                silence_s=self.silence_s,
                deadline_ns=deadline_ns,
            )
        ended_ns = perf_counter_ns()
        if sum(block.count(b"\n") for _, block in blocks) > _MOST_PIECES:
            blocks, failure = [], self._too_long()
        lines, stamps_ns = _lines(blocks)
        return Raw(
            url=self.connection.address.url,
            model=self.call.model,
            sent_ns=sent_ns,
            ended_ns=ended_ns,
            connect_ns=self.connection.connect_ns,
            status=response.status if response else None,
            headers={k.lower(): v for k, v in response.getheaders()} if response else {},
            lines=lines,
            stamps_ns=stamps_ns,
            is_framed=_is_framed(response),
            failure=failure,
            secret=self.secret,
        )

    def _too_long(self) -> RequestFailure:
        message = f"{self.connection.address.url} sends more than any answer is long"
        return RequestFailure(reason="not-a-stream", message=message)


def _read(response: http.client.HTTPResponse, blocks: list[tuple[int, bytes]]) -> bool:
    """Takes what comes, with its times, up to its end; False where it is too long for an answer."""
    read, now = response.read1, perf_counter_ns
    n_bytes = 0
    tail = b""
    while block := read(_MOST_READ_BYTES):
        blocks.append((now(), block))
        n_bytes += len(block)
        tail = (tail + block[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        if tail.rstrip().endswith(_ENDS):
            return True
        if n_bytes > _MOST_BYTES or len(blocks) > _MOST_PIECES:
            return False
    if response.length:  # of the body's own count; http.client ends such a one without a word
        raise http.client.IncompleteRead(b"", response.length)
    return True


def _lines(blocks: list[tuple[int, bytes]]) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """The lines of a body and when each was whole, out of the pieces in which it came."""
    lines: list[bytes] = []
    stamps_ns: list[int] = []
    begun: list[bytes] = []
    for at_ns, block in blocks:
        first, *others = block.split(b"\n")
        for rest in others:
            lines.append(b"".join((*begun, first, b"\n")))
            stamps_ns.append(at_ns)
            begun, first = [], rest
        begun.append(first)
    if last := b"".join(begun):
        lines.append(last)
        stamps_ns.append(blocks[-1][0])
    return tuple(lines), tuple(stamps_ns)


def _is_framed(response: http.client.HTTPResponse | None) -> bool:
    if response is None:
        return False
    return bool(response.chunked) or response.headers.get("Content-Length") is not None
