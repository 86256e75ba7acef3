"""What a fleet's scheduler takes for each worker that is there, and to place tasks by machine."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import psutil
from tabulate import tabulate

from harness.fleet.cluster import Cluster
from harness.fleet.members import BENCHMARK, host_resource, machine_resource
from harness.fleet.order import Hello, WorkerOrder, read_order

_HELP = """
Start the scheduler of `harness fleet run` here, with its TLS, and many workers in another process.

For each number of workers: the scheduler's processor time while all wait, over --idle seconds; its
memory and open files beside those without a worker; the workers' own, which share an interpreter;
what one look at who is there takes, which a fleet has twice a second; then --tasks empty tasks for
the machines in turn, and the processor time that scheduler and submitter, which are one process,
take for each. At the end a line by least squares through all sizes, and what it makes of 1,000
workers: that is extrapolated.
"""
_MIB = 2**20
_TOGETHER = 20
_LOOKS = 20


@dataclass(frozen=True)
class Size:
    """What one number of workers cost; times in seconds, shares of one core."""

    n_workers: int
    join_s: float
    idle_share: float
    workers_share: float
    scheduler_bytes: int
    worker_bytes: float
    n_files: int
    look_s: float
    placing_s: float
    task_cpu_s: float


@click.command(help=_HELP)
@click.option("--workers", default="10,50,100,200", show_default=True, help="How many, each time.")
@click.option("--idle", default=30.0, show_default=True, help="Seconds to look at waiting.")
@click.option("--tasks", default=1000, show_default=True, help="Tasks to place.")
@click.option("--serve", is_flag=True, hidden=True)
def main(workers: str, idle: float, tasks: int, serve: bool) -> None:
    """Prints a table and a fit."""
    if serve:
        asyncio.run(_serve([read_order(line) for line in sys.stdin.buffer]))
        return
    found = [_size(int(text), idle, tasks) for text in workers.split(",")]
    click.echo(tabulate(_rows(found), headers="firstrow"))
    for line in _fits(found):
        click.echo(line)


def _size(n: int, idle_s: float, n_tasks: int) -> Size:
    own = psutil.Process()
    with Cluster.start() as cluster, tempfile.TemporaryDirectory() as folder:
        gc.collect()
        alone, n_files_alone = own.memory_info().rss, own.num_fds()
        hosts = [f"host{at:04}" for at in range(n)]
        orders = [cluster.order_for(host) for host in hosts]
        began = time.perf_counter()
        with _workers(orders, Path(folder)) as there:
            join_s = time.perf_counter() - began
            before = time.process_time(), _cpu_s(there)
            time.sleep(idle_s)
            after = time.process_time(), _cpu_s(there)
            taken = own.memory_info().rss - alone
            of_workers = there.memory_info().rss
            look_s = _looking_s(cluster, n)
            placing_s, cpu_s = _place(cluster, hosts, n_tasks)
            n_files = own.num_fds() - n_files_alone
    return Size(
        n_workers=n,
        join_s=join_s,
        idle_share=(after[0] - before[0]) / idle_s,
        workers_share=(after[1] - before[1]) / idle_s,
        scheduler_bytes=taken,
        worker_bytes=of_workers / n,
        n_files=n_files,
        look_s=look_s,
        placing_s=placing_s,
        task_cpu_s=cpu_s / n_tasks,
    )


@contextmanager
def _workers(orders: Sequence[WorkerOrder], folder: Path) -> Iterator[psutil.Process]:
    """A process in which all of them are, once they have joined."""
    command = [sys.executable, "-m", "benchmarks.fleet_scheduler", "--serve"]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        for order in orders:
            process.stdin.write(f"{order.model_dump_json()}\n")
        process.stdin.close()
        if process.stdout.readline().strip() != "joined":
            raise click.ClickException((folder / "log").read_text("utf-8")[-2000:])
        yield psutil.Process(process.pid)
        process.terminate()


async def _serve(orders: Sequence[WorkerOrder]) -> None:
    """Is all of these workers until it is ended; each answers every job with one word."""
    from harness.fleet.dask_here import prepare_dask
    from harness.fleet.plain_pickle import guard

    prepare_dask()
    guard(lambda _: "done")
    from harness.fleet.worker import FleetWorker

    with tempfile.TemporaryDirectory() as folder:
        workers = [FleetWorker(it, f"machine{at:04}", Path(folder)) for at, it in enumerate(orders)]
        # A few at a time, as over a network: all at once wait for each other's handshakes.
        for at in range(0, len(workers), _TOGETHER):
            some = workers[at : at + _TOGETHER]
            await asyncio.gather(*some)
            for each in some:
                each.hello = _hello(each.order.name)
            await asyncio.gather(*(each.heartbeat() for each in some))
        print("joined", flush=True)
        await asyncio.Event().wait()


def _hello(name: str) -> str:
    """What a worker on a machine says of itself, as the scheduler keeps it."""
    hello = Hello(
        harness_version="0.1.0",
        python_version="3.11.7",
        distributed_version="2026.1.1",
        machine_id=name,
        machine_title="Synthetic A, 4 cores, 23.5 GiB",
        hostname=name,
        utc_ns=time.time_ns(),
        idle_cores_share=0.001,
        idle_over_ns=2_000_000_000,
        rss_bytes=90 * _MIB,
    )
    return hello.model_dump_json()


def _looking_s(cluster: Cluster, n: int) -> float:
    """Processor time of asking who is there, which a fleet does twice a second."""
    used = time.process_time()
    for _ in range(_LOOKS):
        if len(cluster.members()) != n:
            raise click.ClickException("not every worker is there")
    return (time.process_time() - used) / _LOOKS


def _place(cluster: Cluster, hosts: Sequence[str], n: int) -> tuple[float, float]:
    """How long it takes until each of `n` tasks has come back from its machine, and CPU time."""
    began, used = time.perf_counter(), time.process_time()
    asked = [
        cluster.ask(
            '"x"',
            f"task-{number}",
            {
                BENCHMARK: 1,
                host_resource(hosts[number % len(hosts)]): 1,
                machine_resource(f"machine{number % len(hosts):04}"): 1,
            },
        )
        for number in range(n)
    ]
    concurrent.futures.wait(asked)
    answers = {future.result() for future in asked}
    if answers != {"done"}:
        raise click.ClickException(f"tasks came back with {answers}")
    return time.perf_counter() - began, time.process_time() - used


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _rows(found: Sequence[Size]) -> Iterator[Sequence[object]]:
    yield (
        *("workers", "join (s)", "idle: scheduler (%)", "all workers (%)", "scheduler (MiB)"),
        *("a worker (MiB)", "files", "a look (ms)", "tasks in (s)", "CPU a task (ms)"),
    )
    for it in found:
        yield (
            it.n_workers,
            round(it.join_s, 1),
            round(it.idle_share * 100, 2),
            round(it.workers_share * 100, 2),
            round(it.scheduler_bytes / _MIB, 1),
            round(it.worker_bytes / _MIB, 2),
            it.n_files,
            round(it.look_s * 1e3, 2),
            round(it.placing_s, 2),
            round(it.task_cpu_s * 1e3, 2),
        )


def _fits(found: Sequence[Size]) -> Iterator[str]:
    if len(found) < 2:
        return
    n = [it.n_workers for it in found]
    for name, values, unit in (
        ("scheduler while all wait", [it.idle_share * 100 for it in found], "% of a core"),
        ("scheduler's memory", [it.scheduler_bytes / _MIB for it in found], "MiB"),
        ("scheduler's open files", [it.n_files for it in found], ""),
        ("a look at who is there", [it.look_s * 1e3 for it in found], "ms"),
        ("processor time a task", [it.task_cpu_s * 1e3 for it in found], "ms"),
    ):
        slope, start = np.polyfit(n, values, 1)
        at_thousand = start + 1000 * slope
        yield f"{name}: {start:.3g} + {slope:.3g} x workers; of 1,000: {at_thousand:.3g} {unit}"


if __name__ == "__main__":
    main()
