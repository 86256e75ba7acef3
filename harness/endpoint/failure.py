"""What is said where a request has no answer: one line, which never repeats the key."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from time import perf_counter_ns
from typing import NoReturn
from urllib.parse import urlsplit

from harness import units
from harness.endpoint.address import Address
from harness.files import system_reason
from harness.schema.request import RequestFailure, RequestReason

_MOST_CHARACTERS = 200
_LEAST_KEY = 8
_HIDDEN = "[key]"


class RequestFailed(Exception):
    """A request that got no answer; `failure` says why."""

    def __init__(self, failure: RequestFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def fail(reason: RequestReason, message: str, status: int | None = None) -> NoReturn:
    """Raises RequestFailed."""
    raise RequestFailed(RequestFailure(reason=reason, message=message, status=status))


def quoted(text: str, secret: str = "", most: int = _MOST_CHARACTERS) -> str:
    """What a server wrote, fit for a message: one line, `most` characters, without the key."""
    text = without_key(text, secret)
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def without_key(text: str, secret: str) -> str:
    """`text`, should a server have repeated the key in it; a short key only as a whole word."""
    if not secret:
        return text
    if len(secret) >= _LEAST_KEY:
        return text.replace(secret, _HIDDEN)
    return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", _HIDDEN, text)


def unreachable(address: Address, error: OSError) -> RequestFailure:
    """Why no connection could be made, with what to do next."""
    return RequestFailure(reason="unreachable", message=_unreachable(address, error))


def _unreachable(address: Address, error: OSError) -> str:
    url = address.url
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or "it cannot be verified"
        return (
            f"the certificate of {url} is not trusted ({why}); if it is yours, name the file of "
            "its authority in SSL_CERT_FILE"
        )
    if isinstance(error, ssl.SSLError):
        return f"{url} does not speak TLS; if it serves without, write http://"
    if isinstance(error, socket.gaierror):
        return f"there is no server called {address.host}; check the name in {url}"
    if isinstance(error, TimeoutError):
        return f"{url} does not answer; check the address, and that no firewall is between"
    if isinstance(error, ConnectionRefusedError):
        return f"nobody listens at {url}; start the server, or see what runs: `harness endpoints`"
    return f"{url} cannot be reached ({system_reason(error)})"


def ended(
    address: Address,
    error: Exception,
    status: int | None,
    *,
    silence_s: float,
    deadline_ns: int | None,
) -> RequestFailure:
    """
    Why an answer ends before its end.

    Args:
        address: Of the server.
        error: What reading it raised.
        status: Of the answer; None where none had come.
        silence_s: How long nothing might come.
        deadline_ns: When it had to be over.
    """
    url = address.url
    if isinstance(error, TimeoutError):
        if deadline_ns is not None and perf_counter_ns() >= deadline_ns:
            return RequestFailure(
                reason="late", message=f"{url} was not done in time", status=status
            )
        waited = units.duration(silence_s * 1e9)
        message = f"{url} sent nothing for {waited}"
        return RequestFailure(reason="silent", message=message, status=status)
    is_cut = isinstance(error, OSError | http.client.IncompleteRead)  # RemoteDisconnected is one
    if status is None and not is_cut:
        return RequestFailure(reason="not-a-stream", message=f"{url} does not speak HTTP")
    when = "without an answer" if status is None else "in the middle of its answer"
    message = f"{url} closed the connection {when}"
    return RequestFailure(reason="cut", message=message, status=status)


def redirected(address: Address, status: int, location: str, secret: str) -> RequestFailure:
    """It is not followed: another server would be measured, and be told the key."""
    try:
        parts = urlsplit(location)
        host = parts.netloc.rpartition("@")[2]
        target = f"{parts.scheme}://{host}{parts.path}" if host else parts.path
    except ValueError:
        target = ""
    where = f" to {quoted(target, secret)}" if target else ""
    return RequestFailure(
        reason="redirected",
        message=f"{address.url} redirects{where}, which is not followed; name the server itself",
        status=status,
    )
