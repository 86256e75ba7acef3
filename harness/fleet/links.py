"""The workers of all hosts that are reached from here: started side by side, and ended so."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from harness.fleet.connection import HostUnusable, MakeOrder, Reach
from harness.fleet.link import Link
from harness.fleet.order import Hello

# Between the end of a connection and when its process has ended and said why.
_WORDS_S = 2.0
# A wait that a signal can interrupt on Windows too.
_LOOK_S = 0.2


class HostLinks:
    """
    A link to each host; a context manager, at whose end no worker of theirs is left.

    It is also what measure_fleet asks why a host is lost.
    """

    def __init__(self, reaches: Sequence[Reach], order_of: Callable[[str], MakeOrder]) -> None:
        self._links = {each.host: Link(each, order_of(each.host)) for each in reaches}

    def started(self) -> Iterator[tuple[str, Hello | HostUnusable]]:
        """Each host with its worker's Hello, or why it has none, as they come."""
        answers: queue.SimpleQueue[tuple[str, Hello | HostUnusable]] = queue.SimpleQueue()

        def start(link: Link) -> None:
            try:
                answers.put((link.host, link.start()))
            except HostUnusable as error:
                answers.put((link.host, error))

        for link in self._links.values():
            threading.Thread(target=start, args=(link,), daemon=True).start()
        n_left = len(self._links)
        while n_left:
            try:
                answer = answers.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            n_left -= 1
            yield answer

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
            link.end_input()
        for link in self._links.values():
            link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
