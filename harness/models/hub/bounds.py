"""
What answers of the hub may cost: bytes, values, pages and time, with one line for each bound.

Every answer passes here, those to huggingface_hub's own questions too. Only the body of a file
that was asked for as such (FILE) is left to its reader, who knows how long it has to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import monotonic
from typing import NoReturn

import httpx2
from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]  # documented

from harness.errors import FetchFailed
from harness.models.hub.pace import TooSlow
from harness.models.hub.plan import HubUnreachable
from harness.units import duration, file_size

# A page of a listing names 1000 files in 0.4 MB; a repository of 50,000 files is described in 4 MB.
MOST_ANSWER_BYTES = 8 << 20
# A value takes 60 bytes of memory and may stand there in two ("[],"). The page has 12,000 of them,
# the description 100,000.
MOST_VALUES = 500_000
# Between two bytes, where nobody says another: of a page of a listing huggingface_hub says none.
LONGEST_SILENCE_S = 30.0
# 0.4 MB in that time are 3 kB/s.
LONGEST_ANSWER_S = 120.0
# A hundred pages are 100,000 files, with as many questions again for what has to be repeated.
MOST_QUESTIONS = 200
MOST_BYTES_IN_ALL = 64 << 20
# The longest wait that a hub may ask for (RetryPolicy), and five minutes of answers.
LONGEST_IN_ALL_S = 900.0

FILE: Mapping[str, object] = {"harness.file": True}
"""The `extensions` of a request for the bytes of a file."""
PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})
"""Asked too often, or its trouble and not ours: what is worth another try."""

_ADVICE = "check HF_ENDPOINT and the proxy, and try again"
_SHOWN_CHARACTERS = 120
# Below 10 kB, as the few words beside a redirect are: read, so that the connection can go on.
_SHORT_DIGITS = 4


@dataclass
class _Spent:
    """What was spent so far on one question of ours, however many requests it takes."""

    what: str
    started_s: float = field(default_factory=monotonic)
    n_requests: int = 0
    n_bytes: int = 0


_SPENT: ContextVar[_Spent | None] = ContextVar("spent", default=None)


@contextmanager
def bounded(what: str) -> Iterator[None]:
    """
    All requests that this thread makes inside are one question, `what` in messages.

    Raises:
        FetchFailed: It took too many requests or bytes.
        HubUnreachable: It took too long.
    """
    token = _SPENT.set(_Spent(what))
    try:
        yield
    finally:
        _SPENT.reset(token)


def check_request(request: httpx2.Request) -> None:
    """Counts `request`, bounds its waiting, and asks for an answer that is not packed."""
    asked = request.extensions.get("timeout") or dict.fromkeys(("connect", "read", "write", "pool"))
    request.extensions["timeout"] = {
        step: LONGEST_SILENCE_S if seconds is None else seconds for step, seconds in asked.items()
    }
    # Packed, a thousandth of the bytes that are too much would be enough to send.
    request.headers["accept-encoding"] = "identity"
    spent = _SPENT.get()
    if spent is None:
        return
    spent.n_requests += 1
    if spent.n_requests > MOST_QUESTIONS:
        raise FetchFailed(
            f"{spent.what} takes more than {MOST_QUESTIONS} requests, without an end; {_ADVICE}"
        )
    waited_s = monotonic() - spent.started_s
    if waited_s > LONGEST_IN_ALL_S:
        raise HubUnreachable(f"{spent.what} took {duration(waited_s * 1e9)} so far; {_ADVICE}")


def check_response(response: httpx2.Response) -> None:
    """
    `response` made harmless before anybody reads its body.

    Raises:
        FetchFailed: Its body is larger or made of more than any answer of a hub.
        TooSlow: It takes too long.
        HfHubHTTPError: The hub is busy, which huggingface_hub would else wait out by itself, as
            long as it is told to.
    """
    is_file = "harness.file" in response.request.extensions
    if response.status_code >= 300:
        # Status and headers say it all.
        _drop(response)
        if response.status_code in PASSING_STATUS and not is_file:
            hf_raise_for_status(response)
        return
    if is_file or response.request.method == "HEAD":
        return
    packing = response.headers.get("content-encoding", "identity").lower()
    if packing != "identity":
        raise FetchFailed(
            f"{_place(response)} packs its answer ({packing[:20]!a}) though it was asked not to; "
            f"{_ADVICE}"
        )
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.stream = _Bounded(response.stream, _place(response))
    n_values = sum(response.read().count(sign) for sign in (b"[", b"{", b","))
    if n_values > MOST_VALUES:
        raise FetchFailed(
            f"{_place(response)} answers with {n_values:,} values, more than a hub has to say "
            f"of a repository; {_ADVICE}"
        )


def _drop(response: httpx2.Response) -> None:
    """Leaves `response` without a body, and the connection as it was if the body is short."""
    stream = response.stream
    assert isinstance(stream, httpx2.SyncByteStream)
    length = response.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and len(length) <= _SHORT_DIGITS:
        # Status and headers have come: whatever becomes of the rest, they count.
        with suppress(httpx2.TransportError, TooSlow):
            for _ in stream:
                pass
    stream.close()
    response.stream = httpx2.ByteStream(b"")
    response.headers.pop("content-encoding", None)


class _Bounded(httpx2.SyncByteStream):
    """A body that ends with an error when it is too long, or takes too long."""

    def __init__(self, inner: httpx2.SyncByteStream, place: str) -> None:
        self._inner, self._place = inner, place

    def __iter__(self) -> Iterator[bytes]:
        started_s, n_bytes, spent = monotonic(), 0, _SPENT.get()
        for piece in self._inner:
            n_bytes += len(piece)
            if n_bytes > MOST_ANSWER_BYTES:
                self._refuse(MOST_ANSWER_BYTES)
            if spent is not None:
                spent.n_bytes += len(piece)
                if spent.n_bytes > MOST_BYTES_IN_ALL:
                    self._refuse(MOST_BYTES_IN_ALL)
            waited_s = monotonic() - started_s
            if waited_s > LONGEST_ANSWER_S:
                raise TooSlow(
                    f"{self._place} sent {file_size(n_bytes)} in {duration(waited_s * 1e9)} and "
                    f"did not end; {_ADVICE}"
                )
            yield piece

    def close(self) -> None:
        self._inner.close()

    def _refuse(self, most_bytes: int) -> NoReturn:
        raise FetchFailed(
            f"{self._place} answers with more than {file_size(most_bytes)}, more than a hub has "
            f"to say of a repository; {_ADVICE}"
        )


def _place(response: httpx2.Response) -> str:
    """Whose answer it is; never what follows the path, which may be a signature."""
    url = response.request.url
    return (url.raw_host + url.raw_path.partition(b"?")[0]).decode("ascii")[:_SHOWN_CHARACTERS]
