"""The way to a host, kept for as long as it is needed: a worker that is gone is started again."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from harness.fleet.connection import Connection, HostUnusable, MakeOrder, Reach, connect
from harness.fleet.order import Hello

# A machine that sleeps is not asked more often than it could be noticed by whoever waits for it.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


class Link:
    """A host's worker, from `start` to `close`, which may come from another thread."""

    def __init__(self, reach: Reach, make_order: MakeOrder) -> None:
        self.host = reach.host
        self._reach = reach
        self._make_order = make_order
        self._is_closing = threading.Event()
        self._changed = threading.Condition()
        self._connection: Connection | None = None
        self._keeper: threading.Thread | None = None
        self._why_lost: str | None = None
        self._why_out: str | None = None

    def start(self) -> Hello:
        """
        The worker's Hello; from here on it is looked after.

        Raises:
            HostUnusable: There is none, or the link is being closed.
        """
        connection, hello = connect(self._reach, self._make_order, self._took)
        self._keeper = threading.Thread(target=self._keep, args=(connection,), daemon=True)
        self._keeper.start()
        return hello

    def why_lost(self, wait_s: float) -> str | None:
        """Why the last connection ended; whoever knows that it has may have to wait for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._why_lost, wait_s)
            return self._why_lost

    @property
    def why_out(self) -> str | None:
        """Why no worker is started again; None where one is there, or may be."""
        return self._why_out

    def end(self) -> None:
        """Tells the worker to end, and waits for nothing; so that several end side by side."""
        self._is_closing.set()
        with self._changed:
            if self._connection is not None:
                self._connection.end()

    def close(self) -> None:
        """Ends the worker; it is gone then."""
        self.end()
        with self._changed:
            connection = self._connection
        if connection is not None:
            connection.close()
        if self._keeper is not None:
            self._keeper.join()

    def _took(self, connection: Connection) -> None:
        with self._changed:
            self._connection = connection
            if self._is_closing.is_set():
                connection.end()

    def _keep(self, connection: Connection | None) -> None:
        while connection is not None:
            failure = connection.wait()
            connection.close()
            if self._is_closing.is_set():
                return
            with self._changed:
                self._why_lost = failure.reason
                self._changed.notify_all()
            connection = self._again()

    def _again(self) -> Connection | None:
        """The next connection; None where there is none any more."""
        for pause_s in pauses():
            if self._is_closing.wait(pause_s):
                return None
            try:
                connection, _ = connect(self._reach, self._make_order, self._took)
            except HostUnusable as error:
                if self._is_closing.is_set():
                    return None
                if error.failure.may_pass or error.failure.is_port_taken:
                    continue
                self._why_out = error.failure.reason
                return None
            with self._changed:
                self._why_lost = None
            return connection
        return None


def pauses() -> Iterator[float]:
    """Seconds between attempts, each twice the one before, up to half a minute."""
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
