"""
Asking a served model: trials of requests, each over a fresh connection.

Inside the clock: from the first byte of a request to the last event of its answer. Outside:
connecting, making the text, reading what the lines say (harness/endpoint/stream.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from time import perf_counter_ns

import numpy as np
from numpy.random import Generator

from harness.endpoint.address import Address
from harness.endpoint.answer import read
from harness.endpoint.call import chat_call
from harness.endpoint.failure import RequestFailed
from harness.endpoint.stream import ask
from harness.machine.energy.meters import Meters
from harness.machine.listener import Listener, listener_at
from harness.machine.memory import Moment
from harness.measure.jobs.chat_text import CHAT_MESSAGE
from harness.measure.jobs.measure import (
    LoadedEvent,
    MemoryEvent,
    WorkloadFailedEvent,
)
from harness.measure.jobs.repetition_worker import repeat, rest, watched
from harness.measure.jobs.request import AskingEvent, RequestJob
from harness.measure.protocol import Send
from harness.schema.experiment import Load, Trial
from harness.schema.machine import Counters
from harness.schema.request import Request
from harness.schema.served import Served
from harness.schema.workload import parse_workload
from harness.schema.workload_kind import Workload

_NONCE_BYTES = 8


@dataclass
class Client:
    """Asks one served model; every text it sends begins like no other one."""

    job: RequestJob
    rng: Generator

    def __post_init__(self) -> None:
        self._address = Address.parse(self.job.served.url)
        variable = self.job.key_variable
        self._key = os.environ.get(variable) if variable else None

    def request(self, text: str, n_tokens: int) -> Request:
        """What the answer to `text`, of `n_tokens` at most, yielded."""
        served = self.job.served
        seed = int(self.rng.integers(2**31))
        # At its start, so that no cache of earlier prompts holds more than the template.
        text = f"{self.rng.bytes(_NONCE_BYTES).hex()}\n{text}"
        call = chat_call(served.model, text, n_tokens, served.api, seed)
        raw = ask(self._address, call, key=self._key, silence_s=self.job.silence_ns / 1e9)
        return read(raw, served.api)


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
    client = Client(job, np.random.default_rng(job.seed))
    started_ns = perf_counter_ns()
    _require_answer(client.request("Say hello.", 1))
    load = Load(
        cached_ratio=None,
        is_cold=None,
        process_ns=max(1, started_ns - began_ns),
        model_ns=perf_counter_ns() - started_ns,
        total_ns=perf_counter_ns() - began_ns,
    )
    send(LoadedEvent(load=load, weights=(), devices_before=(), devices_loaded=()))
    server.tell_memory("loaded", send)
    for workload in map(parse_workload, job.workloads):
        send(AskingEvent(workload=workload.name))
        try:
            repeat(workload, partial(_trial, client, workload, server, meters), job, send)
        except RequestFailed as failure:
            why = failure.failure
            send(
                WorkloadFailedEvent(workload=workload.name, reason=why.reason, message=why.message)
            )
    server.tell_memory("end", send)


def _trial(
    client: Client,
    workload: Workload,
    server: _Server,
    meters: Meters,
    index: int,
    *,
    is_warm_up: bool,
) -> Trial:
    busy = server.cpu_ns()
    request, counted, energy = watched(
        partial(client.request, CHAT_MESSAGE, workload.n_generated), meters
    )
    _require_answer(request)
    return Trial(
        workload=workload.name,
        index=index,
        is_warm_up=is_warm_up,
        n_tokens=request.n_tokens or request.n_events,
        total_ns=request.answered_ns,
        step_ns=request.gap_ns,
        n_prompt=request.n_prompt,
        ttft_ns=request.ttft_ns,
        chat_template="applied",
        counters=server.counted(counted, busy),
        energy=energy,
        requests=(request,),
    )


def _require_answer(request: Request) -> None:
    """
    Nothing, if there is one.

    Raises:
        RequestFailed: There is none, or half of one.
    """
    if request.failure is not None:
        raise RequestFailed(request.failure)
