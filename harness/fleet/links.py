"""The workers of all hosts that are reached from here: started side by side, and ended so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass
from time import time_ns
from typing import Self

from harness.fleet.connection import HostUnusable, MakeOrder, Reach
from harness.fleet.link import Link
from harness.fleet.order import Hello

# Between the end of a connection and when its process has ended and said why.
_WORDS_S = 2.0
# A wait that a signal can interrupt on Windows too.
_LOOK_S = 0.2


@dataclass(frozen=True)
class Joined:
    """
    A host whose worker is there, and how far its clock is before the one here.

    That is known to some tenths of a second, which is what the way of its words took; None where
    they did not come straight from it.
    """

    host: str
    hello: Hello
    clock_offset_ns: int | None


class HostLinks:
    """
    A link to each host; a context manager, at whose end no worker of theirs is left.

    It is also what measure_fleet asks why a host is lost.
    """

    def __init__(self, reaches: Sequence[Reach], order_of: Callable[[str], MakeOrder]) -> None:
        self._links = {each.host: Link(each, order_of(each.host)) for each in reaches}

    def started(self) -> Iterator[Joined | HostUnusable]:
        """Each host that has a worker, or why it has none, as they come."""
        threads = futures.ThreadPoolExecutor(max(1, len(self._links)))
        coming = {threads.submit(_joined, link) for link in self._links.values()}
        threads.shutdown(wait=False)
        while coming:
            done, coming = futures.wait(coming, _LOOK_S, futures.FIRST_COMPLETED)
            for each in done:
                yield each.result()

    def why_lost(self, host: str) -> str | None:
        """Why the connection to the host ended, in words."""
        link = self._links.get(host)
        return link.why_lost(_WORDS_S) if link else None

    def why_out(self, host: str) -> str | None:
        """Why it is not begun again: the host is not waited for any longer."""
        link = self._links.get(host)
        return link.why_out if link else None

    def close(self) -> None:
        """Ends all of them."""
        for link in self._links.values():
            link.end()
        for link in self._links.values():
            link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _joined(link: Link) -> Joined | HostUnusable:
    try:
        hello = link.start()
    except HostUnusable as error:
        return error
    return Joined(link.host, hello, hello.utc_ns - time_ns())
