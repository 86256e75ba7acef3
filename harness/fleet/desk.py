"""The submitter's side of one machine: a job goes there, and its answer comes back, once."""

from __future__ import annotations

import concurrent.futures
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Protocol

from harness.errors import HarnessError
from harness.fleet.job import AnyAnswer, AnyJob, Busy, Refused, read_answer
from harness.fleet.members import BENCHMARK, Member, host_resource, machine_resource
from harness.fleet.order import Hello
from harness.fleet.plan import FleetObserver, Links

_LOOK_S = 0.5
"""How often whoever waits looks up: for a signal, and for workers that went or came."""


class GaveUp(HarnessError):
    """The machine is not waited for any longer, or refuses; what it measured is kept."""


class Asked(Protocol):
    """What of a Cluster a fleet needs."""

    def hear(self, topic: str, on_text: Callable[[object], None]) -> None:
        """What workers tell under `topic`, from here on."""

    def members(self) -> Mapping[str, Member]:
        """The workers that are there, by host."""

    def ask(
        self, job: str, key: str, resources: Mapping[str, float]
    ) -> concurrent.futures.Future[str]:
        """What a worker with `resources` answers."""


class Watch:
    """Which workers are there, asked of the scheduler twice a second for all desks together."""

    def __init__(self, members: Callable[[], Mapping[str, Member]]) -> None:
        self._members = members
        self._lock = threading.Lock()
        self._asked_ns: int | None = None
        self._known: Mapping[str, Member] = {}

    def member(self, host: str) -> Member | None:
        """
        The worker of a host.

        Raises:
            HarnessError: The scheduler is gone.
        """
        with self._lock:
            now_ns = monotonic_ns()
            if self._asked_ns is None or now_ns - self._asked_ns >= _LOOK_S * 1e9:
                self._known, self._asked_ns = self._members(), now_ns
            return self._known.get(host)


@dataclass(frozen=True)
class Office:
    """What the desks of a fleet share; `telling` is held by the one that tells the observer."""

    cluster: Asked
    watch: Watch
    observer: FleetObserver
    links: Links | None
    patience_ns: int
    stopping: threading.Event = field(default_factory=threading.Event)
    telling: threading.RLock = field(default_factory=threading.RLock)


@dataclass(frozen=True)
class Answered:
    """An answer, and how far the machine's clock was ahead of this one's when it came."""

    answer: AnyAnswer
    clock_offset_ns: int


class Desk:
    """
    Asks the worker of one host, whichever that is at the time.

    Attributes:
        gave_up: Why the host is not waited for any longer; None while it is.
    """

    def __init__(self, office: Office, host: str) -> None:
        self.host = host
        self.gave_up: str | None = None
        self._office = office
        self._machine_id: str | None = None
        self._lost_ns: int | None = None
        self._is_told_busy = False

    def join(self) -> Hello:
        """
        What the host's worker says of itself, waited for.

        Raises:
            GaveUp: None has come, or none will.
            KeyboardInterrupt: The fleet is being ended.
        """
        began_ns = monotonic_ns()
        while True:
            member = self._office.watch.member(self.host)
            if member is not None and member.hello is not None:
                self._machine_id = member.machine_id
                return member.hello
            if why := self._why_out():
                raise self._giving_up(why)
            if monotonic_ns() - began_ns > self._office.patience_ns:
                raise self._giving_up("no worker has come")
            self._rest()

    def ask(self, job: AnyJob) -> Answered:
        """
        What the machine answers; a job whose worker is lost is done by the next one.

        Raises:
            WorkersDied: Its worker was lost as often as a job is tried (cluster.py).
            GaveUp: The machine refuses, or is not waited for any longer.
            KeyboardInterrupt: The fleet is being ended.
        """
        text = job.model_dump_json(by_alias=True)
        while True:
            sent_utc_ns = time.time_ns()
            answer = self._answer_to(text)
            came_utc_ns = time.time_ns()
            if isinstance(answer, Refused):
                raise self._giving_up(answer.message)
            if not isinstance(answer, Busy):
                self._is_told_busy = False
                there_ns = answer.received_utc_ns + answer.sent_utc_ns
                return Answered(answer, (there_ns - sent_utc_ns - came_utc_ns) // 2)
            self._rest()
            if not self._is_told_busy:
                self._is_told_busy = True
                with self._office.telling:
                    self._office.observer.waiting(self.host, answer.message)

    def _answer_to(self, text: str) -> AnyAnswer:
        assert self._machine_id is not None
        resources = {
            BENCHMARK: 1.0,
            host_resource(self.host): 1.0,
            machine_resource(self._machine_id): 1.0,
        }
        # Everybody who has the scheduler shares its keys: the same one would be the same job.
        coming = self._office.cluster.ask(text, f"harness-{uuid.uuid4().hex}", resources)
        try:
            while True:
                done, _ = concurrent.futures.wait((coming,), _LOOK_S)
                if done:
                    return read_answer(coming.result())
                self._look_for_worker()
        finally:
            coming.cancel()

    def _look_for_worker(self) -> None:
        """Tells that the worker went, or that another came, while an answer is waited for."""
        if self._office.stopping.is_set():
            raise KeyboardInterrupt
        member = self._office.watch.member(self.host)
        if member is None:
            self._is_lost()
        elif member.machine_id != self._machine_id:
            raise self._giving_up(
                f"another machine is called {self.host} now; its plan is for the one before"
            )
        elif self._lost_ns is not None:
            self._lost_ns = None
            with self._office.telling:
                self._office.observer.back(self.host)

    def _is_lost(self) -> None:
        if self._lost_ns is None:
            self._lost_ns = monotonic_ns()
            links = self._office.links
            why = (links.why_lost(self.host) if links else None) or "its worker is gone"
            with self._office.telling:
                self._office.observer.lost(self.host, why)
        if why_out := self._why_out():
            raise self._giving_up(why_out)
        if monotonic_ns() - self._lost_ns > self._office.patience_ns:
            raise self._giving_up("it was lost for too long")

    def _why_out(self) -> str | None:
        return self._office.links.why_out(self.host) if self._office.links else None

    def _giving_up(self, why: str) -> GaveUp:
        self.gave_up = why
        return GaveUp(f"{self.host}: {why}")

    def _rest(self) -> None:
        if self._office.stopping.wait(_LOOK_S):
            raise KeyboardInterrupt
