"""
One fresh connection to a server, over which one request goes.

Loopback is never reached through a proxy, whatever the environment says; others are, as it says.
Certificates are verified. Nothing is sent again, and no redirect is followed.
"""

from __future__ import annotations

import base64
import functools
import http.client
import io
import os
import re
import socket
import ssl
from time import perf_counter_ns
from typing import cast
from urllib.parse import unquote, urlsplit

from harness import __version__
from harness.endpoint.address import Address
from harness.endpoint.failure import RequestFailed, fail, unreachable
from harness.errors import UsageError

# Of several events that a server sends at once; they are taken from the system in one piece.
_BUFFER_BYTES = 1 << 16
# http.client takes 100 lines of 64 kB; what comes behind them in the same piece counts too.
_MOST_HEAD_BYTES = 1 << 23
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def require_key(key: str, variable: str) -> str:
    """
    The key without blanks around it, fit for a header.

    Raises:
        UsageError: It is empty, or holds what no key holds, or `variable` is the name of none,
            since it is the key itself; the message does not repeat it.
    """
    if not _VARIABLE.fullmatch(variable):
        raise UsageError(
            "what stands behind --api-key-env is not the name of a variable; put the server's key "
            "into one, and name that"
        )
    key = key.strip()
    if not key:
        raise UsageError(f"{variable} is empty or not set; put the server's key into it")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"what {variable} holds is no key: it has blanks or special characters")
    return key


class Connection:
    """
    Connected, and nothing sent yet; `connect_ns` is how long that took.

    Raises:
        RequestFailed: It cannot be reached.
    """

    def __init__(self, address: Address, *, key: str | None, timeout_s: float) -> None:
        self.address = address
        self._key = key
        began_ns = perf_counter_ns()
        proxy = _proxy_of(address)
        self._connection = _unconnected(address, proxy, timeout_s)
        self._base = address.url if proxy and address.scheme == "http" else address.prefix
        self._proxy_headers = proxy.headers if proxy and address.scheme == "http" else {}
        try:
            self._connection.connect()
        except UnicodeError:
            fail("unreachable", f"there is no server called {address.host}")
        except http.client.HTTPException:  # of a tunnel
            self._connection.close()
            fail("unreachable", f"the proxy before {address.url} does not speak HTTP")
        except OSError as error:
            self._connection.close()
            raise RequestFailed(unreachable(address, error)) from None
        self.connect_ns = perf_counter_ns() - began_ns

    def send(self, method: str, path: str, body: bytes | None = None) -> int:
        """
        Sends a request; the answer is when its first byte went, by perf_counter_ns.

        Raises:
            OSError: The system does not take it, or not in time.
        """
        connection = self._connection
        connection.putrequest(method, f"{self._base}{path}")
        headers = {"Connection": "close", "User-Agent": f"harness/{__version__}"}
        headers |= self._proxy_headers
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        if body is not None:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        for name, value in headers.items():
            connection.putheader(name, value)
        sent_ns = perf_counter_ns()
        connection.endheaders(body)
        return sent_ns

    def response(
        self, method: str, silence_s: float, deadline_ns: int | None = None
    ) -> http.client.HTTPResponse:
        """
        What came back, read up to the end of its headers.

        Args:
            method: The one that was sent.
            silence_s: How long nothing may come.
            deadline_ns: When all of it must have come, by perf_counter_ns.

        Raises:
            TimeoutError: One of both passed; later reads of the response raise it too.
            OSError, http.client.HTTPException, ValueError: The connection ended, or what came is
                not HTTP.
        """
        source = _Source(self._connection.sock, silence_s, deadline_ns)
        response = http.client.HTTPResponse(cast(socket.socket, source), method=method)
        response.begin()
        source.timed.n_bytes_max = None
        return response

    def close(self) -> None:
        """Ends it, however far it is."""
        self._connection.close()


class _Source:
    """A socket to http.client, whose every read keeps to the limits."""

    def __init__(self, sock: socket.socket, silence_s: float, deadline_ns: int | None) -> None:
        self.timed = _Timed(sock, silence_s, deadline_ns)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - its signature
        return io.BufferedReader(self.timed, _BUFFER_BYTES)


class _Timed(io.RawIOBase):
    """
    Reads of a socket, none of which outlasts the silence or the deadline.

    The socket's own time-out starts anew with each byte, so that a trickle would outlast it. While
    `n_bytes_max` is set no more are taken: http.client reads "100 Continue" for ever.
    """

    n_bytes_max: int | None = _MOST_HEAD_BYTES

    def __init__(self, sock: socket.socket, silence_s: float, deadline_ns: int | None) -> None:
        self._sock = sock
        self._silence_s = silence_s
        self._deadline_ns = deadline_ns
        sock.settimeout(silence_s)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what it is given
        if self._deadline_ns is not None:
            left_s = (self._deadline_ns - perf_counter_ns()) / 1e9
            if left_s <= 0:
                raise TimeoutError
            if left_s < self._silence_s:
                self._sock.settimeout(left_s)
        n_bytes = self._sock.recv_into(buffer)
        if self.n_bytes_max is not None:
            self.n_bytes_max -= n_bytes
            if self.n_bytes_max < 0:
                raise ValueError("an answer that only begins")
        return n_bytes


class _Proxy:
    """Where the environment sends requests first, and what it says there for itself."""

    def __init__(self, text: str, address: Address) -> None:
        advice = f"; set no_proxy={address.host} to reach {address.url} without"
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            self.host, self.port = parts.hostname or "", parts.port or 80
        except ValueError:
            fail("unreachable", f"the environment names a proxy that is no URL{advice}")
        if parts.scheme != "http" or not self.host:
            fail(
                "unreachable",
                f"the environment asks for a proxy that is not reached by http://{advice}",
            )
        self.headers: dict[str, str] = {}
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self.headers["Proxy-Authorization"] = f"Basic {base64.b64encode(user).decode()}"


def _proxy_of(address: Address) -> _Proxy | None:
    if address.is_loopback:
        return None
    # Imported here: it takes longer than most requests, and loopback has no use for it.
    from urllib.request import getproxies_environment, proxy_bypass

    proxies = getproxies_environment()
    text = proxies.get(address.scheme) or proxies.get("all")
    if not text or proxy_bypass(f"{address.host}:{address.port}"):
        return None
    return _Proxy(text, address)


def _unconnected(
    address: Address, proxy: _Proxy | None, timeout_s: float
) -> http.client.HTTPConnection:
    host, port = (proxy.host, proxy.port) if proxy else (address.host, address.port)
    if address.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout_s)
    context = _tls(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    if proxy:
        connection.set_tunnel(address.host, address.port, proxy.headers)
    return connection


@functools.cache
def _tls(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    """Verifies by what the system trusts, or by what these two variables name, which ssl reads."""
    del cert_file, cert_dir
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
