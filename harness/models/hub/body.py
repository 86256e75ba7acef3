"""
The bytes of an answer, in pieces as large as the system has ready.

The HTTP client hands a body on in pieces of 64 kB, each parsed and copied several times: a core
busy at 500 MB/s, which the thread that hashes needs too. A body whose length is known needs no
parsing, so that all but its beginning is read from the connection itself (the client's own
stream, thus through its TLS and proxy), which then is closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import httpcore2
import httpx2

PIECE_BYTES = 1 << 20
_BROKEN = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)


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
