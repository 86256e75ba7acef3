"""
What an answer to a request for a file says (where its bytes begin, and whose they are), and its
body, in pieces as large as the system has ready.

The HTTP client hands a body on in pieces of 64 kB, each parsed and copied several times: a core
busy at 500 MB/s, which the thread that hashes needs too. A body whose length is known needs no
parsing, so that all but its beginning is read from the connection itself (the client's own
stream, thus through its TLS and proxy), which then is closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import httpcore2
import httpx2

PIECE_BYTES = 1 << 20
_BROKEN = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)
_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-(?P<end>\d+)/(?P<total>\d+|\*)")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class BadReply(Exception):
    """An answer that cannot be used; asking again may bring a better one."""


@dataclass(frozen=True)
class Reply:
    """
    Where the bytes that follow belong in the file.

    `etag` is fit for If-Range: strong, of the server that sends the bytes.
    """

    start: int
    etag: str | None


def read_reply(status: int, headers: Mapping[str, str], asked_from: int, n_bytes: int) -> Reply:
    """
    What the answer to a request for the bytes from `asked_from` on says.

    Args:
        status: 200 or 206.
        headers: Of the answer, found in any case.
        asked_from: The first byte that was asked for; 0 asks for the whole file.
        n_bytes: How long the file is.

    Raises:
        BadReply: Compressed, another range, or a file of another length.
    """
    etag = headers.get("etag", "")
    strong = etag if etag.startswith('"') else None
    is_encoded = headers.get("content-encoding", "identity").lower() != "identity"
    if status == 200:
        # Compressed, its length says nothing; whole, it can still be unpacked and checked.
        length = None if is_encoded else headers.get("content-length")
        if length is not None and length != str(n_bytes):
            raise BadReply(f"{length} bytes instead of {n_bytes}")
        return Reply(0, strong)
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if status != 206 or is_encoded or not match:
        raise BadReply(f"HTTP {status} without a usable range")
    if int(match["start"]) != asked_from:
        raise BadReply(f"bytes from {match['start']} instead of {asked_from}")
    if match["total"] not in ("*", str(n_bytes)):
        raise BadReply(f"{match['total']} bytes instead of {n_bytes}")
    return Reply(asked_from, strong)


def stated_digest(headers: Mapping[str, str]) -> str | None:
    """The digest that the hub itself states with an answer; None if it states none."""
    stated = headers.get("x-linked-etag") or headers.get("etag") or ""
    stated = stated.removeprefix("W/").strip('"')
    return stated if _DIGEST.fullmatch(stated) else None


class _Stream(Protocol):
    """The part of the client's connection that is needed here."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What there is, up to so much; nothing at the end."""


def pieces(response: httpx2.Response, timeout_s: float) -> Iterator[bytes]:
    """
    The body of a streamed `response`.

    Args:
        response: Nothing of its body has been read yet.
        timeout_s: How long the connection may stay silent.

    Raises:
        httpx2.RequestError: It broke, fell silent, or ended before its length was reached.
    """
    stream: _Stream | None = response.extensions.get("network_stream")
    n_left = _plain_length(response)
    if stream is None or n_left is None:
        yield from response.iter_bytes()
        return
    # What came together with the headers lies in the client: its first piece is all of that. The
    # iterator has to live on: it closes the connection when it goes.
    raw = response.iter_raw()
    first = next(raw, b"")
    yield first
    n_left -= len(first)
    while n_left > 0:
        try:
            piece = stream.read(min(n_left, PIECE_BYTES), timeout=timeout_s)
        except _BROKEN as error:
            raise httpx2.ReadError(str(error) or type(error).__name__) from error
        if not piece:
            raise httpx2.RemoteProtocolError("the connection was closed before the end")
        n_left -= len(piece)
        yield piece


def _plain_length(response: httpx2.Response) -> int | None:
    """How long the body is, if it comes as it is: in one, not packed, over HTTP/1.1."""
    headers = response.headers
    is_packed = headers.get("content-encoding", "identity").lower() != "identity"
    if is_packed or "transfer-encoding" in headers or response.http_version != "HTTP/1.1":
        return None
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None
