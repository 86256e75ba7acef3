"""
Whether a speed lies in the range that an uncalibrated CPU gets, whatever ran when its memory was
read.

    python -m benchmarks.planted_load --model smollm2-135m --twin llama-3.2-1b-instruct:Q4_K_M
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median
from time import sleep

import click
import numpy as np
from tabulate import tabulate

from benchmarks import sweeps
from benchmarks.memory_load import KINDS
from harness.analysis.disturbance import others_share
from harness.analysis.formulas import trials_of, why_disturbed
from harness.analysis.speed.hardware_class import cpu_speed, read_cpu_speed
from harness.analysis.speed.known_bandwidth import KnownBandwidth, MemoryReading, with_reading
from harness.analysis.speed.predict import MachineSpeed, predict_speed
from harness.files import untold
from harness.machine.bandwidth import watched_bandwidth
from harness.models.catalog.catalog import load_catalog
from harness.models.download import download_all
from harness.models.find import find, local_model
from harness.models.model import Model
from harness.models.twin.twin import twin_of
from harness.schema.experiment import Run
from harness.schema.machine import Machine
from harness.schema.settings import Settings
from harness.schema.work import Work
from harness.schema.workload import parse_workload

_LOAD = Path(__file__).with_name("memory_load.py")
_SETTLING_S = 0.5
# Of each model and workload; then its median is taken for the speed in quiet.
_CLEAN_TRIALS = 5


@dataclass(frozen=True)
class Truth:
    """What one workload of one model reached while nobody disturbed it."""

    model: str
    workload: str
    work: Work
    tok_per_s: float


@dataclass(frozen=True)
class Case:
    """
    What was predicted from one reading beside one load: as it was `before` (from the reading as it
    is), with that reading `alone`, and with the best of all so far `stored`.
    """

    load: str
    n_processes: int
    others_ratio: float | None
    gb_per_s: float
    model: str
    workload: str
    tok_per_s: float
    before: tuple[float, float]
    alone: tuple[float, float]
    stored: tuple[float, float]

    def holds(self, way: str) -> bool:
        """Whether the speed lies in that range."""
        low, high = getattr(self, way)
        return bool(low <= self.tok_per_s <= high)


@click.command()
@click.option("--model", "models", multiple=True, help="Measured in quiet first.")
@click.option("--twin", "twins", multiple=True, help="Rehearsed: twins of these are measured too.")
@click.option("--workload", "workloads", multiple=True, default=("tg64", "tg32@d1024"))
@click.option(
    "--known",
    multiple=True,
    type=(str, str, float),
    help="MODEL WORKLOAD TOK_PER_S: measured in quiet before; it need not be here.",
)
@click.option("--cycles", default=3, show_default=True, help="Of all loads.")
@click.option("--budget", default="10m", show_default=True, type=sweeps.Duration())
@sweeps.common_options
def main(
    models: tuple[str, ...],
    twins: tuple[str, ...],
    workloads: tuple[str, ...],
    known: tuple[tuple[str, str, float], ...],
    cycles: int,
    budget: int,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    """Read the memory beside planted loads, and hold what is predicted to speeds in quiet."""
    machine, settings = sweeps.machine_and_settings(threads)
    with sweeps.alone(__file__, wait), ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        paths = {local.key: local.path for local in download_all(models)}
        for name in twins:
            found = _found(name)
            paths[found.key] = stack.enter_context(twin_of(found, folder, untold))
        truths = [
            truth
            for key, path in paths.items()
            for truth in _truths(key, path, workloads, budget, machine, settings, seed)
        ]
        truths += [Truth(name, workload, _found(name).work, rate) for name, workload, rate in known]
        cases = list(_cases(truths, machine, settings, cycles, Random(seed)))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in cases], indent=1))
    else:
        click.echo(_table(cases))


def _found(name: str) -> Model:
    return find(name, load_catalog(()), on_progress=untold, asks_hub=False)


def _truths(
    key: str,
    path: Path,
    workloads: Sequence[str],
    budget_ns: int,
    machine: Machine,
    settings: Settings,
    seed: int,
) -> Iterator[Truth]:
    """Of each workload that was measured in quiet within the budget."""

    def clean(runs: Sequence[Run], workload: str) -> list[float]:
        return [
            trial.n_tokens / trial.total_ns * 1e9
            for run in runs
            for trial in trials_of(run, workload)
            if why_disturbed(trial, run, machine) is None
        ]

    def is_enough(runs: Sequence[Run]) -> bool:
        return all(len(clean(runs, workload)) >= _CLEAN_TRIALS for workload in workloads)

    limits = sweeps.Limits(1, 200, 0.0, budget_ns)
    plan = sweeps.plan_of({key: path}, workloads, settings, limits, n_trials=5, seed=seed)
    runs = sweeps.swept(plan, {key: path}, machine, sweeps.Watcher(), is_enough)
    for workload in workloads:
        rates = clean(runs, workload)
        sweeps.tell(f"{key} {workload}: {len(rates)} clean trials of {len(runs)} Runs")
        if rates:
            yield Truth(key, workload, local_model(path, key).work, median(rates))


def _cases(
    truths: Sequence[Truth], machine: Machine, settings: Settings, n_cycles: int, rng: Random
) -> Iterator[Case]:
    loads = [("none", 0), *((kind, n) for kind in KINDS for n in (1, 2, 3, 4))]
    known: KnownBandwidth | None = None
    for _ in range(n_cycles):
        for kind, n in rng.sample(loads, len(loads)):
            reading = _reading(kind, n, machine, settings)
            alone = _known(reading, machine, settings)
            known = with_reading(known, reading) if known else alone
            sweeps.tell(f"{n} x {kind}: {reading.text}")
            speeds = {
                "before": cpu_speed(reading.bytes_per_s),
                "alone": read_cpu_speed(alone),
                "stored": read_cpu_speed(known),
            }
            for truth in truths:
                ranges = {way: _range(truth, speed, settings) for way, speed in speeds.items()}
                yield Case(
                    kind, n, reading.others_ratio, reading.bytes_per_s / 1e9,
                    truth.model, truth.workload, truth.tok_per_s, **ranges,
                )  # fmt: skip


def _reading(kind: str, n: int, machine: Machine, settings: Settings) -> MemoryReading:
    with _planted(kind, n):
        watched = watched_bandwidth(machine, settings.n_threads)
    others = others_share([watched.counters], machine.n_cores_logical)
    return MemoryReading(
        bytes_per_s=watched.sample.q90_bytes_per_s,
        read_at="2026-12-01T00:00:00+00:00",
        others_ratio=None if others is None else min(1.0, others),
    )


def _known(reading: MemoryReading, machine: Machine, settings: Settings) -> KnownBandwidth:
    nothing = KnownBandwidth(
        machine=machine,
        n_threads=settings.n_threads,
        n_cores_usable=machine.n_cores_usable,
        best=reading,
    )
    return with_reading(nothing, reading)


def _range(truth: Truth, speed: MachineSpeed, settings: Settings) -> tuple[float, float]:
    workload = parse_workload(truth.workload)
    (told,) = predict_speed(truth.work, speed, workload, truth.model, settings)
    assert told.low is not None
    assert told.high is not None
    return told.low, told.high


@contextmanager
def _planted(kind: str, n: int) -> Iterator[None]:
    """`n` processes that do nothing else, for as long as the block runs."""
    command = [sys.executable, "-P", str(_LOAD), kind]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    children = [subprocess.Popen(command, env=environment) for _ in range(n)]
    try:
        sleep(_SETTLING_S)
        yield
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.wait()


def _table(cases: Sequence[Case]) -> str:
    """A row for each kind of load, and one for all."""
    groups: Mapping[str, Sequence[Case]] = {
        **{kind: [it for it in cases if it.load == kind] for kind in ("none", *KINDS)},
        "all": cases,
    }
    rows = []
    for name, mine in groups.items():
        if not mine:
            continue
        cells: list[object] = [name, len(mine)]
        for way in ("before", "alone", "stored"):
            held = sum(it.holds(way) for it in mine)
            width = median(math.exp(np.diff(np.log(getattr(it, way)))[0]) for it in mine)
            cells += [f"{held} ({held / len(mine):.0%})", f"x{width:.1f}"]
        rows.append(cells)
    headers = (
        "load", "n", "as it was", "width", "nothing stored", "width", "best stored", "width",
    )  # fmt: skip
    return tabulate(rows, headers)


if __name__ == "__main__":
    main()
