"""
A machine's worker: Dask's, with nothing left in it but doing the jobs of a fleet.

It talks to one scheduler, over TLS, and ends when that is gone, or when whoever started it goes.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import errno
import gc
import os
import platform
import socket
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic_ns, perf_counter_ns, process_time_ns
from typing import Any

import psutil
from distributed import Security, Status, Worker

from harness import __version__
from harness.fleet.members import BENCHMARK, host_resource, machine_resource
from harness.fleet.order import Hello, WorkerOrder, WorkerRefused
from harness.fleet.scheduler import keep_only
from harness.schema.machine import Machine

HEARTBEAT_S = 10.0
"""Each takes the worker about a millisecond; the scheduler misses it after six of them."""

IDLE_NS = 2 * 10**9
"""How long a worker that has just joined looks at what its waiting costs."""

_CONNECT_S = 15.0
_LOOK_S = 1.0
"""Windows wakes nobody for a signal, so whoever waits has to look; that takes some microseconds."""
_CALLS = frozenset(("get_data", "free_keys", "terminate", "ping", "identity", "versions"))
_STREAM = frozenset(
    (
        *("close", "compute-task", "cancel-compute", "free-keys", "remove-replicas"),
        *("steal-request", "refresh-who-has", "remove-worker", "worker-status-change"),
    )
)
# What Dask looks after by the second or oftener, and a worker that waits has no use for.
_RESTLESS = ("find-missing", "shift_counters", "monitor", "tick", "ticks")


class FleetWorker(Worker):  # type: ignore[misc]  # Dask has types of its own kind
    """
    Dask's worker without what runs code, takes plug-ins or files, or shows what it does.

    Args:
        order: What it is to be.
        machine_id: Of this machine.
        folder: Where Dask may write; it writes nothing.
    """

    def __init__(self, order: WorkerOrder, machine_id: str, folder: Path) -> None:
        host = order.listen_host or host_towards(order.scheduler)
        super().__init__(
            order.scheduler,
            nthreads=1,
            name=order.name,
            host=host,
            port=order.listen_port or 0,
            contact_address=order.contact,
            protocol="tls",
            security=security_of(order),
            resources={
                BENCHMARK: 1,
                host_resource(order.name): 1,
                machine_resource(machine_id): 1,
            },
            memory_limit=0,
            dashboard=False,
            extensions={},
            local_directory=str(folder),
            death_timeout=_CONNECT_S,
            heartbeat_interval=f"{HEARTBEAT_S}s",
            metrics={"harness": lambda _: self.hello},
            startup_information={},
        )
        self.hello: str | None = None
        self.order = order
        self._heard_ns = monotonic_ns()
        keep_only(self, _CALLS, _STREAM)
        for name in _RESTLESS:
            self.periodic_callbacks.pop(name, None)
        # Whatever lies in that folder is not to be imported.
        sys.path[:] = [each for each in sys.path if each != self.local_directory]

        for op in ("free-keys", "cancel-compute"):
            self.stream_handlers[op] = partial(self._let_go, self.stream_handlers[op])

    def _let_go(self, handler: Callable[..., Any], **message: Any) -> Any:
        """A job that nobody waits for any longer measures no longer."""
        keys = {*message.get("keys", ()), message.get("key")}
        if keys & self.active_keys:
            end_children()
        return handler(**message)

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """None: it would listen without a certificate."""

    async def plugin_add(self, *_: Any, **__: Any) -> dict[str, Any]:
        """None: a plug-in of the scheduler's is code."""
        return {"status": "OK"}

    async def heartbeat(self) -> None:
        """As Dask's; a scheduler that does not answer for too long is gone, and so is this."""
        wait_s = self.order.wait_ns / 1e9
        # What waits for an answer would wait for ever where only the way is gone.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(super().heartbeat(), wait_s)
        if monotonic_ns() - self._heard_ns >= self.order.wait_ns:
            await self.close(reason="the scheduler is silent")

    async def close(self, *arguments: Any, **given: Any) -> Any:
        """As Dask's; the Run that is being made is for nobody any more, and is not waited for."""
        end_children()
        return await super().close(*arguments, **given | {"executor_wait": False})

    def _update_latency(self, latency: float) -> None:
        # Told of each answer of the scheduler's.
        super()._update_latency(latency)
        self._heard_ns = monotonic_ns()
        beat = self.periodic_callbacks["heartbeat"]
        asyncio.get_running_loop().call_soon(setattr, beat, "callback_time", HEARTBEAT_S * 1e3)


def security_of(order: WorkerOrder) -> Any:
    """Mutual TLS by the certificate of the order, and nothing else."""
    return Security(
        require_encryption=True,
        tls_ca_file=order.ca_pem,
        tls_worker_cert=order.certificate_pem,
        tls_worker_key=order.key_pem,
    )


def serve(
    order: WorkerOrder,
    machine: Machine,
    title: str,
    folder: Path,
    say: Callable[[Hello], None],
) -> None:
    """
    Is the worker that `order` wants, until its scheduler is gone; to be called in the main thread.

    Args:
        order: What it is to be.
        machine: This one.
        title: The machine in a few words.
        folder: Where Dask may write.
        say: Told once, when it has joined and knows what waiting costs.

    Raises:
        WorkerRefused: It cannot be.
        KeyboardInterrupt: A signal came, or the end of the input; nothing measures any more.
    """

    async def served() -> None:
        await _require_scheduler(order)
        await _serve(FleetWorker(order, machine.id, folder), machine, title, say)

    # Not in this thread: a signal's KeyboardInterrupt within Dask's code may get lost there.
    running = concurrent.futures.ThreadPoolExecutor(1).submit(lambda: asyncio.run(served()))
    try:
        while not running.done():
            concurrent.futures.wait((running,), _LOOK_S)
        running.result()
    finally:
        end_children()


async def _serve(
    worker: FleetWorker, machine: Machine, title: str, say: Callable[[Hello], None]
) -> None:
    try:
        await worker
    except (RuntimeError, OSError, TimeoutError) as error:
        raise _refused(error, worker.order) from error
    gc.collect()
    gc.freeze()
    gc.disable()  # workplace.py looks for garbage between two jobs
    hello = await _hello(machine, title)
    if worker.status != Status.running:
        raise WorkerRefused("unreachable", f"{worker.order.scheduler} ended the connection")
    worker.hello = hello.model_dump_json()
    await worker.heartbeat()
    say(hello)
    await worker.finished()


async def _hello(machine: Machine, title: str) -> Hello:
    """What this worker is, and what its waiting costs from here on."""
    from distributed import __version__ as distributed_version

    began_ns, used_ns = perf_counter_ns(), process_time_ns()
    await asyncio.sleep(IDLE_NS / 1e9)
    over_ns, used_ns = perf_counter_ns() - began_ns, process_time_ns() - used_ns
    return Hello(
        harness_version=__version__,
        python_version=platform.python_version(),
        distributed_version=str(distributed_version),
        machine_id=machine.id,
        machine_title=title,
        hostname=socket.gethostname(),
        utc_ns=time.time_ns(),
        idle_cores_share=used_ns / over_ns,
        idle_over_ns=over_ns,
        rss_bytes=psutil.Process().memory_info().rss,
    )


async def _require_scheduler(order: WorkerOrder) -> None:
    """Nothing, if one answers that believes our certificate, and whose we believe."""
    host, port = _split(order.scheduler)
    context = security_of(order).get_connection_args("worker")["ssl_context"]
    try:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(host, port, ssl=context), _CONNECT_S
        )
        try:
            # Under TLS 1.3 the other side's "no" comes only now, in place of its greeting.
            if not await asyncio.wait_for(reader.read(1), _CONNECT_S):
                raise WorkerRefused("unreachable", f"{order.scheduler} ended the connection")
        finally:
            writer.close()
    except ssl.SSLError as error:
        raise WorkerRefused(
            "tls",
            f"{order.scheduler} and this worker do not believe each other's certificates "
            f"({_words(error)}); start both from one `harness fleet run`",
        ) from error
    except (OSError, TimeoutError) as error:
        raise WorkerRefused(
            "unreachable", f"no scheduler answers at {order.scheduler}: {_words(error)}"
        ) from error


def _refused(error: BaseException, order: WorkerOrder) -> WorkerRefused:
    """Why Dask could not start."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
        return WorkerRefused("port-in-use", f"port {order.listen_port} is in use on this machine")
    if isinstance(cause, ValueError) and "register" in str(cause):
        return WorkerRefused(
            "registered", f"another worker is called {order.name}; wait until it is gone"
        )
    return WorkerRefused("other", f"the worker cannot start: {_words(cause)}")


def _words(error: BaseException) -> str:
    text = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(text) or type(error).__name__


def host_towards(scheduler: str) -> str:
    """The address of this machine from which it reaches the scheduler; nothing is sent."""
    host, port = _split(scheduler)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, port))
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("tls://").rpartition(":")
    return host.strip("[]"), int(port)


def end_children() -> None:
    """Ends what measures for this process: nobody is left to measure for."""
    for child in psutil.Process(os.getpid()).children(recursive=True):
        try:
            child.kill()
        except psutil.Error:
            continue
