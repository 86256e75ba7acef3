"""
Requests to the hub: through huggingface_hub's own session, tried again, with the token kept in.

The session brings the user's proxy, certificates and HF_HUB_OFFLINE. What is added: the token
goes to the hub's own origin and nowhere else, wherever a redirect or a next page may lead; and an
answer may cost only so much (bounds.py, pace.py).
"""

from __future__ import annotations

import datetime
import email.utils
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import constants, get_session, set_client_factory
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

from harness.errors import FetchFailed
from harness.models.hub.bounds import PASSING_STATUS, check_request, check_response
from harness.models.hub.pace import watch
from harness.units import duration

_HOST = re.compile(r"[^.]{1,63}(?:\.[^.]{1,63})*\.?")  # RFC 1035 2.3.4; an IPv6 address has no dot
_SHOWN_CHARACTERS = 80
_DEFAULT_PORTS = {"http": 80, "https": 443}

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class RetryPolicy:
    """
    How long to keep trying while nothing comes.

    Six attempts, 1 to 16 s apart, bridge half a minute: a router's restart, a laptop's change of
    network. A hub that asks for more than ten minutes is better asked by hand later.
    """

    n_attempts: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 16.0
    longest_asked_s: float = 600.0

    def wait_s(self, n_failures: int, asked_s: float | None) -> float:
        """
        How long to wait after the `n_failures`-th failure in a row, in seconds.

        Raises:
            FetchFailed: The hub asks for a longer wait than the policy allows.
        """
        if asked_s is None:
            return float(min(self.longest_wait_s, self.first_wait_s * 2 ** (n_failures - 1)))
        if asked_s > self.longest_asked_s:
            raise FetchFailed(
                f"the hub asks to wait {duration(asked_s * 1e9)}; run the same again then, "
                "what came is kept"
            )
        return asked_s


@contextmanager
def threads(n: int) -> Iterator[ThreadPoolExecutor]:
    """
    Threads that ask the hub, for a block.

    After an interruption nobody waits for them: a server that says nothing would hold up the end
    of the process by half a minute, longer than who cancelled it lets it live.
    """
    pool = ThreadPoolExecutor(n, thread_name_prefix="hub")
    is_awaited = True
    try:
        yield pool
    except KeyboardInterrupt:
        is_awaited = False
        raise
    finally:
        pool.shutdown(wait=is_awaited, cancel_futures=True)


class Cancellation:
    """Tells the threads of one fetch to end, and lets them wait for that."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ends them at their next look."""
        self._event.set()

    def check(self) -> None:
        """Raises Cancelled if they are to end."""
        if self._event.is_set():
            raise Cancelled

    def wait(self, seconds: float) -> None:
        """Waits; raises Cancelled as soon as they are to end."""
        if self._event.wait(seconds):
            raise Cancelled


class Cancelled(Exception):
    """Another thread failed, or a person had enough."""


def session() -> httpx2.Client:
    """huggingface_hub's session, which sends the token to the hub's own origin only."""
    _take_over()
    return get_session()


@cache
def _take_over() -> None:
    # Its retries close the session and make a new one: the guard belongs into the factory.
    set_client_factory(_guarded)
    # Its warnings name addresses, and say on stderr what our own errors say in one line.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        parts.port or _DEFAULT_PORTS.get(parts.scheme),
    )


def asked_to_wait_s(headers: Mapping[str, str]) -> float | None:
    """
    How many seconds an answer asks to wait: `RateLimit`, or `Retry-After` in seconds or a date.

    Source: RFC 9110 10.2.3; draft-ietf-httpapi-ratelimit-headers-09, as the hub sends it.
    """
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000": UTC, with nothing said of the place
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0.0, (moment - datetime.datetime.now(datetime.UTC)).total_seconds())


def with_retries(
    call: Callable[[], Answer], retries: RetryPolicy, cancellation: Cancellation | None = None
) -> Answer:
    """
    What `call` returns, tried again while the hub is busy or the network is bad.

    For huggingface_hub's calls, of which some retry themselves and some never do.

    Raises:
        HfHubHTTPError: It keeps answering so, or answers something that waiting will not mend.
        httpx2.TransportError: It keeps not answering.
        FetchFailed: It asks for a longer wait than the policy allows.
    """
    n_failures = 0
    while True:
        asked_s = None
        try:
            return call()
        except HfHubHTTPError as error:
            if error.response.status_code not in PASSING_STATUS:
                raise
            asked_s = asked_to_wait_s(error.response.headers)
            failure: Exception = error
        except httpx2.ConnectError as error:
            # Nobody there: what is cached can be used at once, so this is not the place to wait.
            if n_failures:
                raise
            failure = error
        except httpx2.TransportError as error:
            failure = error
        n_failures += 1
        if n_failures >= retries.n_attempts:
            raise failure
        (cancellation or Cancellation()).wait(retries.wait_s(n_failures, asked_s))


def _guarded() -> httpx2.Client:
    """As huggingface_hub makes it, but for the hooks and the watch."""
    return watch(
        httpx2.Client(
            event_hooks={"request": [_check_address, check_request], "response": [check_response]},
            follow_redirects=True,
            timeout=None,
        )
    )


def _check_address(request: httpx2.Request) -> None:
    """Every request passes here, redirected ones and huggingface_hub's own too."""
    host, port = request.url.raw_host.decode("ascii"), request.url.port
    # The system's own complaints of these are no errors of a connection.
    if not 0 < (port or 1) < 1 << 16 or not _HOST.fullmatch(host):
        raise FetchFailed(
            f"the hub leads to {host[:_SHOWN_CHARACTERS]}:{port or ''}, which is no address; check "
            "HF_ENDPOINT and the proxy, and try again"
        )
    if constants.is_offline_mode():
        raise OfflineModeIsEnabled(f"offline mode forbids to ask {request.url.host}")
    if origin(str(request.url)) != origin(constants.ENDPOINT):
        request.headers.pop("authorization", None)
        request.headers.pop("cookie", None)
