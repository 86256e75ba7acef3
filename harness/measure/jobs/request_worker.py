"""
Asking a served model in the worker: its first answer, then the trials of every workload.

What the requests of a trial are is up to asking_worker.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import perf_counter_ns

from harness.endpoint.address import Address
from harness.endpoint.failure import RequestFailed
from harness.machine.energy.meters import Meters
from harness.machine.listener import Listener, listener_at
from harness.machine.memory import Moment
from harness.measure.jobs.asking_worker import Client, PlanRequests, answered, planned
from harness.measure.jobs.measure import (
    AskingEvent,
    LoadedEvent,
    MemoryEvent,
    WorkloadFailedEvent,
)
from harness.measure.jobs.repetition_worker import repeat, rest, watched
from harness.measure.jobs.request import RequestJob
from harness.measure.jobs.turns_asking_worker import conversations
from harness.measure.protocol import Send
from harness.schema.experiment import Load, Trial
from harness.schema.machine import Counters
from harness.schema.served import Served
from harness.schema.workload import parse_workload
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import UserLoad
from harness.schema.workload_turns import Turns


@dataclass(frozen=True)
class _Server:
    """What is known of the server's process; None: it is elsewhere, or somebody else's."""

    is_local: bool
    listener: Listener | None

    @classmethod
    def of(cls, served: Served) -> _Server:
        address = Address.parse(served.url)
        return cls(served.is_local, listener_at(address.port) if served.is_local else None)

    def cpu_ns(self) -> int:
        return self.listener.cpu_ns() if self.listener else 0

    def counted(self, counters: Counters, before_ns: int) -> Counters:
        """With what the server took as ours; where that is not known, nor is what others took."""
        if self.is_local and self.listener is None:
            return counters.model_copy(update={"system_busy_ns": None})
        own_ns = counters.process_cpu_ns + max(0, self.cpu_ns() - before_ns)
        return counters.model_copy(update={"process_cpu_ns": own_ns})

    def tell_memory(self, at: Moment, send: Send) -> None:
        mark = self.listener.memory(at) if self.listener else None
        if mark is not None:
            send(MemoryEvent(memory=mark))


def request_job(job: RequestJob, send: Send) -> None:
    """
    The trials of every workload of `job`, each sent as soon as it is complete.

    A workload that the server refuses is told, and the next one measured.

    Raises:
        RequestFailed: Not even its first request was answered.
    """
    meters, rest_ns = rest(job, send)
    began_ns = job.started_ns + rest_ns
    server = _Server.of(job.served)
    server.tell_memory("start", send)
    client = Client(job)
    started_ns = perf_counter_ns()
    answered(client.ask(client.call("Say hello.", 1)), job.served.api)
    answered_ns = perf_counter_ns()
    # Of a server that was started for this its own time; between the two only the client started.
    ready_ns = job.ready_ns or max(1, started_ns - began_ns)
    load = Load(
        cached_ratio=None,
        is_cold=None,
        process_ns=ready_ns,
        model_ns=answered_ns - started_ns,
        total_ns=ready_ns + answered_ns - started_ns,
    )
    send(LoadedEvent(load=load, weights=(), devices_before=(), devices_loaded=()))
    server.tell_memory("loaded", send)
    for workload in map(parse_workload, job.workloads):
        send(AskingEvent(workload=workload.name))
        try:
            plan = _planned(workload, client, send)
            # Of a load what is not answered is a figure, and the next request may be.
            tolerated = (RequestFailed,) if isinstance(workload, UserLoad) else ()
            take = partial(_trial, workload, plan, server, meters)
            repeat(workload, take, job, send, tolerated)
        except RequestFailed as failure:
            why = failure.failure
            send(
                WorkloadFailedEvent(workload=workload.name, reason=why.reason, message=why.message)
            )
    server.tell_memory("end", send)


def _planned(workload: Workload, client: Client, send: Send) -> PlanRequests:
    if isinstance(workload, Turns):
        return conversations(workload, client, send)
    return planned(workload, client)


def _trial(
    workload: Workload,
    plan: PlanRequests,
    server: _Server,
    meters: Meters,
    index: int,
    *,
    is_warm_up: bool,
) -> Trial:
    ask = plan(is_warm_up)
    busy_ns = server.cpu_ns()
    timing, counted, energy = watched(ask, meters)
    return Trial(
        workload=workload.name,
        index=index,
        is_warm_up=is_warm_up,
        counters=server.counted(counted, busy_ns),
        energy=energy,
        **timing(),
    )
