"""
Several requests at once, each on a thread and a connection of its own.

Threads, because a stream's lines must be stamped when they come, and not when another stream's have
been looked at (docs/method/endpoints.md).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns

from harness.endpoint.call import Call
from harness.endpoint.stream import Raw

_NS_PER_S = 1_000_000_000
# So long before they are due all threads stand ready.
_AHEAD_NS = 20_000_000
# Logs, pipes, counters, and what the system's name service opens.
_OTHER_FILES = 128

Ask = Callable[[Call], Raw]
"""Sends one request and reads its answer, whatever comes of it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of a load, and when it was due, by perf_counter_ns; None: when the last ended."""

    raw: Raw
    due_ns: int | None = None


def closed_loop(calls: Sequence[Sequence[Call]], ask: Ask, until_ns: int) -> list[Sent]:
    """
    All users at once, each of whom asks again as soon as the last answer is there.

    Args:
        calls: Of each user, in order.
        ask: From any thread.
        until_ns: From then on, by perf_counter_ns, nobody asks again.
    """
    found: list[list[Sent]] = [[] for _ in calls]
    barrier = threading.Barrier(len(calls))

    def user(index: int) -> None:
        barrier.wait()
        for call in calls[index]:
            if found[index] and perf_counter_ns() > until_ns:
                return
            found[index].append(Sent(ask(call)))

    _run([threading.Thread(target=user, args=(index,)) for index in range(len(calls))])
    return [each for of_user in found for each in of_user]


def open_loop(calls: Sequence[Call], after_ns: Sequence[int], ask: Ask) -> list[Sent]:
    """
    Each request when it is due, whether or not earlier ones are answered.

    Args:
        calls: All of them.
        after_ns: When each is due, behind the first moment.
        ask: From any thread.
    """
    found: list[Sent | None] = [None] * len(calls)
    start_ns = perf_counter_ns() + _AHEAD_NS

    def one(index: int) -> None:
        due_ns = start_ns + after_ns[index]
        time.sleep(max(0.0, (due_ns - perf_counter_ns()) / _NS_PER_S))
        found[index] = Sent(ask(calls[index]), due_ns)

    _run([threading.Thread(target=one, args=(index,)) for index in range(len(calls))])
    return [each for each in found if each]


def at_once(users: Sequence[Callable[[], None]]) -> None:
    """Each of several on a thread of its own, all begun together."""
    barrier = threading.Barrier(len(users))

    def begin(user: Callable[[], None]) -> None:
        barrier.wait()
        user()

    _run([threading.Thread(target=begin, args=(user,)) for user in users])


def allow_connections(n: int) -> None:
    """
    Lets this process have so many at once, as far as the system does.

    What it cannot open would else be counted as what the server did not answer.
    """
    try:
        import resource
    except ImportError:  # Windows counts no sockets
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n + _OTHER_FILES
    if resource.RLIM_INFINITY not in (soft, hard):
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _run(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        # A process that is told to end does not wait for answers.
        thread.daemon = True
        thread.start()
    for thread in threads:
        thread.join()
