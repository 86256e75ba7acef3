"""A TCP proxy that stands for a network: what passes comes later, and no faster than so."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PART_BYTES = 64 * 1024


@contextmanager
def slow_link(port: int, delay_s: float = 0.0, bits_per_s: float | None = None) -> Iterator[int]:
    """
    A port of the loopback that leads to another of it, for one connection after the other.

    Args:
        port: Where it leads.
        delay_s: Of each direction, half of what is added to a ping.
        bits_per_s: Of each direction; None: as fast as the proxy itself is.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(
            target=_serve, args=(listener, port, delay_s, bits_per_s), daemon=True
        )
        thread.start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _serve(listener: socket.socket, port: int, delay_s: float, bits_per_s: float | None) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return  # the link is taken down
        threading.Thread(target=_join, args=(near, port, delay_s, bits_per_s), daemon=True).start()


def _join(near: socket.socket, port: int, delay_s: float, bits_per_s: float | None) -> None:
    """Both directions of a connection, until both have ended."""
    with (
        near,
        suppress(ConnectionRefusedError),
        socket.create_connection(("127.0.0.1", port)) as far,
    ):
        for it in (near, far):
            it.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        under_way = []
        for source, sink in ((near, far), (far, near)):
            parts: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            under_way += [
                threading.Thread(
                    target=_take, args=(source, parts, delay_s, bits_per_s), daemon=True
                ),
                threading.Thread(target=_pass_on, args=(sink, parts), daemon=True),
            ]
        for thread in under_way:
            thread.start()
        for thread in under_way:
            thread.join()


def _take(
    source: socket.socket,
    parts: queue.SimpleQueue[tuple[float, bytes]],
    delay_s: float,
    bits_per_s: float | None,
) -> None:
    """Each part with the moment at which the last bit of it is through."""
    free_at = 0.0  # when the wire has sent all that came before
    data = b"-"
    while data:
        try:
            data = source.recv(_PART_BYTES)
        except OSError:
            data = b""
        now = time.perf_counter()
        free_at = max(now, free_at) + (len(data) * 8 / bits_per_s if bits_per_s else 0.0)
        parts.put((free_at + delay_s, data))
        if free_at - now > 0.05:  # a wire holds little of what waits for it
            time.sleep(free_at - now - 0.05)


def _pass_on(sink: socket.socket, parts: queue.SimpleQueue[tuple[float, bytes]]) -> None:
    while True:
        due, data = parts.get()
        while (left := due - time.perf_counter()) > 0:
            # The last part of it awake: a sleep ends some 60 µs late.
            time.sleep(max(0.0, left - 0.0001))
        with suppress(OSError):
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data)
