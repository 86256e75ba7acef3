"""
Whether the machines of RPC servers can still be reached, while a worker computes with them.

The engine waits for ever for an answer, also where the cable is pulled or the other machine sleeps:
nothing tells its socket, on which nothing is under way. So a second connection to each server is
held open here, on which nothing is ever said. The server takes it only when the engine's is closed,
but its kernel acknowledges keepalives at once: no acknowledgement means that the machine, or the
way to it, is gone. It costs one packet there and back every few seconds.
"""

from __future__ import annotations

import errno
import select
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from harness.machine.rpc import parted
from harness.measure.rpc import is_loopback

_CONNECTED_S = 5.0
_IDLE_S = 5
_INTERVAL_S = 5
_UNANSWERED = 2
LOST_AFTER_S = _IDLE_S + _INTERVAL_S * _UNANSWERED
"""After so many seconds without a word from its kernel a machine counts as gone."""

_GONE = {
    *(errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN),
    errno.ENETRESET,  # Windows' word for keepalives that nobody acknowledged
}
"""How a connection ends that nobody answers. One that was refused or reset is no sign: the server
has ended then, and the engine's own connection with it."""


class RpcWatch:
    """
    Watches the machines of servers, from `start` to `close`.

    Servers of this machine need none: their connection cannot be cut, and the tunnel that some of
    them are has keepalives of its own.

    Args:
        addresses: Of the servers, which have a client.
        on_lost: Called at most once, in another thread, with the address of one that is gone.
    """

    def __init__(self, addresses: Sequence[str], on_lost: Callable[[str], None]) -> None:
        self._addresses = [it for it in addresses if not is_loopback(parted(it)[0])]
        self._on_lost = on_lost
        self._thread: threading.Thread | None = None
        self._stop: socket.socket | None = None

    def start(self) -> None:
        """From here on."""
        if self._addresses and self._thread is None:
            self._stop, stopped = socket.socketpair()
            self._thread = threading.Thread(target=self._watch, args=(stopped,), daemon=True)
            self._thread.start()

    def close(self) -> None:
        """No more; the servers are left to whoever asks next."""
        if self._stop and self._thread:
            self._stop.close()
            self._thread.join()

    def _watch(self, stopped: socket.socket) -> None:
        with stopped, ExitStack() as stack:
            lines = {}
            for address in self._addresses:
                # One that cannot be had is not watched: others may wait for that server, too.
                with suppress(OSError):
                    lines[stack.enter_context(_line(address))] = address
            while lines:
                readable, _, _ = select.select([*lines, stopped], [], [])
                if stopped in readable:
                    return
                for line in readable:
                    address = lines.pop(line)
                    if _is_gone(line):
                        self._on_lost(address)
                        return


def _line(address: str) -> socket.socket:
    line = socket.create_connection(parted(address), timeout=_CONNECTED_S)
    line.settimeout(None)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # macOS calls the first one TCP_KEEPALIVE.
    idle = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)
    for option, value in (
        (idle, _IDLE_S),
        (getattr(socket, "TCP_KEEPINTVL", None), _INTERVAL_S),
        (getattr(socket, "TCP_KEEPCNT", None), _UNANSWERED),
    ):
        if option is not None:
            line.setsockopt(socket.IPPROTO_TCP, option, value)
    return line


def _is_gone(line: socket.socket) -> bool:
    try:
        line.recv(1)
    except OSError as error:
        return error.errno in _GONE
    return False
