"""
The lowest rate at which a server may send, watched where its bytes arrive.

A time-out counts from byte to byte, so that one byte every two seconds never runs into it, neither
in a body nor in the headers before it. Here all that a connection has waited for one answer counts.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from time import monotonic
from typing import Any

import httpcore2
import httpx2

from harness.models.hub.plan import HubUnreachable
from harness.units import duration, file_size

# A modem of 1998 had seven times that; at this rate a file of 1 GB takes eleven days.
LOWEST_BYTES_PER_S = 1000
# Above every time-out between two bytes (30 s), so that an answer that is only late is not slow.
WINDOW_S = 60.0

_SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


class TooSlow(HubUnreachable):
    """A server that sends, but next to nothing; another connection may be better."""


def watch(client: httpx2.Client) -> httpx2.Client:
    """`client`, all of whose connections raise TooSlow from here on."""
    # The library has no public place for this; without it its own time-outs remain.
    for transport in (client._transport, *client._mounts.values()):
        pool = getattr(transport, "_pool", None)
        if (backend := getattr(pool, "_network_backend", None)) is not None:
            pool._network_backend = _Backend(backend)  # type: ignore[union-attr]  # has one
    return client


class _Stream(httpcore2.NetworkStream):
    """A connection that adds up how long it waits for an answer, and how much it gets."""

    def __init__(self, inner: httpcore2.NetworkStream, host: str) -> None:
        self._inner, self._host = inner, host
        self._waited_s, self._n_bytes = 0.0, 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        # Only waiting counts: a slow disk of ours keeps no server from sending.
        started_s = monotonic()
        data = self._inner.read(max_bytes, timeout)
        self._waited_s += monotonic() - started_s
        self._n_bytes += len(data)
        if self._waited_s >= WINDOW_S:
            if self._n_bytes < LOWEST_BYTES_PER_S * self._waited_s:
                raise TooSlow(
                    f"{self._host} sent {file_size(self._n_bytes)} in "
                    f"{duration(self._waited_s * 1e9)}, too slow to go on; check the network, the "
                    "proxy and HF_ENDPOINT, and try again"
                )
            self._waited_s, self._n_bytes = 0.0, 0
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._waited_s, self._n_bytes = 0.0, 0  # a question, after which another answer comes
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._host)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore2.NetworkBackend):
    """What makes connections, each of them watched."""

    def __init__(self, inner: httpcore2.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        stream = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream, host)

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        return _Stream(self._inner.connect_unix_socket(path, timeout, socket_options), path)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
