"""
What a fleet costs for each cell beside what its Run takes, and whether its processes grow.

    python -m benchmarks.fleet_cells
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter_ns

import click
import psutil
from tabulate import tabulate

from benchmarks import sweeps
from harness import units
from harness.files import FetchProgress
from harness.fleet.cluster import Cluster
from harness.fleet.fleet import measure_fleet
from harness.fleet.order import Hello, read_answer
from harness.fleet.plan import HostPlan
from harness.records.store import load
from harness.schema.configuration import Configuration
from harness.schema.experiment import Experiment, Run, Stop

_HOST = "here"
_MOST_RUNS = 50
_HELP = """
Measure tiny-random in tg8 again and again, first as `harness run` does, then as cells of a fleet
whose scheduler and only worker are on this machine, over TLS on the loopback interface.

What a cell takes beside its Run is what lies between two Runs of the record: for `harness run` the
worker's start and the record's line, for a fleet also the way there and back.
"""


@dataclass
class Watcher:
    """When cells were sent and came back, and what the processes took at that moment."""

    worker: psutil.Process
    cells: list[Cell] = field(default_factory=list)
    _sent: Moment | None = None

    def cell_sent(self, host: str, number: int, configuration: Configuration, n_left: int) -> None:
        """A cell is about to be sent."""
        if number % 100 == 0:
            sweeps.tell(f"cell {number}; {n_left} left at most")
        self._sent = Moment.now(self.worker)

    def run_finished(self, host: str, run: Run, stop: Stop | None) -> None:
        """It is back, and stored."""
        assert self._sent
        now = Moment.now(self.worker)
        self.cells.append(
            Cell(
                now.at_ns - self._sent.at_ns - run.duration_ns,
                run.duration_ns,
                now.worker_cpu_s - self._sent.worker_cpu_s,
                now.worker_bytes,
                now.submitter_bytes,
            )
        )

    def joined(self, host: str, hello: Hello) -> None:
        """The worker is there."""
        sweeps.tell(
            f"idle worker: {units.percent(hello.idle_cores_share)} of a core, "
            f"{units.memory_size(hello.rss_bytes)}"
        )

    def prepared(self, host: str, experiment: Experiment, notes: Sequence[str]) -> None:
        """It begins."""

    def fetching(self, host: str, progress: FetchProgress) -> None:
        """Nothing: the model is made here."""

    def resumed(self, host: str, runs: Sequence[Run], stops: Sequence[Stop]) -> None:
        """Never: the folder is new."""

    def waiting(self, host: str, message: str) -> None:
        """Another measurement runs."""
        sweeps.tell(message)

    def lost(self, host: str, reason: str) -> None:
        """The worker is gone."""
        sweeps.tell(f"lost: {reason}")

    def back(self, host: str) -> None:
        """Never: nobody starts it again."""

    def gave_up(self, host: str, reason: str) -> None:
        """It is over."""
        sweeps.tell(reason)

    def finished(self, host: str, result: object) -> None:
        """It is over."""


@dataclass(frozen=True)
class Moment:
    """What the clock shows, and what both processes take."""

    at_ns: int
    worker_cpu_s: float
    worker_bytes: int
    submitter_bytes: int

    @classmethod
    def now(cls, worker: psutil.Process) -> Moment:
        """What it is now."""
        times = worker.cpu_times()
        own = psutil.Process().memory_info().rss
        cpu_s = times.user + times.system
        return cls(perf_counter_ns(), cpu_s, worker.memory_info().rss, own)


@dataclass(frozen=True)
class Cell:
    """What a cell took beside its Run, and what the Run itself took."""

    beside_ns: int
    run_ns: int
    worker_cpu_s: float
    worker_bytes: int
    submitter_bytes: int


@click.command(help=_HELP)
@click.option("--cells", default=1000, show_default=True, help="Of the fleet.")
@click.option("--local", default=200, show_default=True, help="Runs without a fleet.")
@sweeps.common_options
def main(cells: int, local: int, seed: int, threads: int | None, wait: int, as_json: bool) -> None:
    words = (
        *("tiny-random", "-w", "tg8", "--trials", "1", "--cold-loads", "0", "--budget", "24h"),
        *("--precision", "0.000001%", "--seed", str(seed), "--threads", str(threads or 1)),
    )
    with tempfile.TemporaryDirectory() as folder:
        here_ns = _locally((*words, *_runs(local)), Path(folder) / "local")
        found = _in_fleet((*words, *_runs(cells)), Path(folder) / "fleet")
    del wait
    document = {
        "load_average": os.getloadavg()[0],
        "local_beside_ns": here_ns,
        "cells": [vars(cell) for cell in found],
    }
    click.echo(json.dumps(document, indent=1) if as_json else _table(here_ns, found))


def _runs(n: int) -> tuple[str, ...]:
    """
    Options for so many Runs at least, of several settings: whether one has enough Runs is judged
    anew behind each of them, which takes the longer the more it has (a second of a thousand).
    """
    n_settings = -(-n // _MOST_RUNS)
    sizes = ",".join(str(512 + number) for number in range(n_settings))
    return "--batch-size", sizes, "--runs", str(-(-n // n_settings))


def _locally(words: Sequence[str], folder: Path) -> int:
    """What `harness run` takes beside its Runs, for each, without its beginning and its end."""
    command = (sys.executable, "-m", "harness", "run", *words, "--results", str(folder), "--jsonl")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        runs_lines = (it for it in process.stdout if json.loads(it)["kind"] == "run")
        came_ns = [perf_counter_ns() for _ in runs_lines]
    if process.returncode:
        raise click.ClickException(f"harness run failed: {' '.join(words)}")
    (path,) = folder.glob("*.jsonl")
    runs = load(path).runs[1:]
    spans = [after - before for before, after in pairwise(came_ns)]
    return round(median(it - run.duration_ns for it, run in zip(spans, runs, strict=True)))


def _in_fleet(words: tuple[str, ...], folder: Path) -> list[Cell]:
    """The cells of a fleet of one."""
    with Cluster.start() as cluster:
        command = (sys.executable, "-m", "harness", "fleet", "worker", "-")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write(cluster.order_for(_HOST).model_dump_json().encode() + b"\n")
            process.stdin.flush()
            hello = read_answer(process.stdout.readline())
            if not isinstance(hello, Hello):
                raise click.ClickException(hello.message)
            watcher = Watcher(psutil.Process(process.pid))
            sha256 = hashlib.sha256(" ".join(words).encode()).hexdigest()
            plans = [HostPlan(_HOST, words)]
            measure_fleet(plans, sha256, cluster, folder, watcher)
            process.stdin.close()
    return watcher.cells


def _table(local_ns: int, cells: Sequence[Cell]) -> str:
    rest = cells[len(cells) // 10 :]
    beside_ns = sorted(cell.beside_ns for cell in rest)
    rows = [
        ("cells", len(cells)),
        ("a Run takes (median)", units.duration(median(cell.run_ns for cell in rest))),
        ("beside it, `harness run` (median)", units.duration(local_ns)),
        ("beside it, a fleet (median)", units.duration(median(beside_ns))),
        ("beside it, a fleet (9 of 10)", units.duration(beside_ns[len(beside_ns) * 9 // 10])),
        ("CPU of the worker itself, a cell", units.duration(_cpu_ns(rest))),
        ("worker, after a tenth", units.memory_size(rest[0].worker_bytes)),
        ("worker, at the end", units.memory_size(rest[-1].worker_bytes)),
        ("submitter and scheduler, after a tenth", units.memory_size(rest[0].submitter_bytes)),
        ("submitter and scheduler, at the end", units.memory_size(rest[-1].submitter_bytes)),
        ("load of the machine", f"{os.getloadavg()[0]:.1f}"),
    ]
    return tabulate(rows, tablefmt="plain", disable_numparse=True)


def _cpu_ns(cells: Sequence[Cell]) -> float:
    return 1e9 * sum(cell.worker_cpu_s for cell in cells) / len(cells)


if __name__ == "__main__":
    main()
