"""
Rounds of three sides: a model, the same model again, and the same on a slowed engine.

Measured by the sweep that `harness compare` measures with, or read from data/.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks import setting_up
from harness.analysis import formulas as metrics
from harness.analysis import memory
from harness.analysis.metrics import COMPARED, METRICS
from harness.measure import runner
from harness.measure.jobs.measure import MeasureJob
from harness.measure.protocol import Event, Job
from harness.measure.runner import Report
from harness.measure.session import MeasureRequest, new_experiment, prepare
from harness.measure.sweep import Sweep
from harness.models.download import LocalWeights
from harness.models.gguf.model_file import describe
from harness.records.store import ExperimentWriter
from harness.schema.configuration import Configuration
from harness.schema.experiment import Run, Stop, Trial
from harness.schema.machine import Machine
from harness.schema.settings import Settings

SLOWED = 0.05
"""The share of its own time by which the slowed engine takes longer."""

SIDES = {"plain": 0.0, "again": 0.0, "slowed": SLOWED}
N_REPETITIONS = 5
"""llama-bench's default. A Run's value is that of the first `N_TRIALS` clean ones all the same."""
N_TRIALS = 3

WORKLOADS = ("pp512", "tg128", "chat")
"""What is measured unless something else is asked for."""

_DATA = Path(__file__).with_name("data")
_RUN_WORKER = runner.run_worker
_FOREVER_NS = 24 * 3600 * 1_000_000_000
_FIELDS = ("round", "workload", "metric", "side", "value", "repetitions")


@dataclass(frozen=True)
class Value:
    """
    What one process gave for one metric.

    `repetitions` are the rates of the first N_REPETITIONS trials, disturbed ones too, as
    llama-bench would have taken them; empty where it has no such figure.
    """

    round: int
    workload: str
    metric: str
    side: str
    value: float
    repetitions: tuple[float, ...] = ()

    @property
    def figure(self) -> str:
        """Workload and metric in one word."""
        return f"{self.workload} {self.metric}".strip()


class _Told:
    """One line for each round."""

    def run_started(self, number: int, configuration: Configuration) -> None:
        pass

    def event(self, event: Event) -> None:
        pass

    def run_finished(self, run: Run, stop: Stop | None) -> None:  # noqa: ARG002
        if run.outcome.status == "failed":
            setting_up.tell(f"Run {run.index + 1} failed: {run.outcome.message}")
        elif run.index % (10 * len(SIDES)) == 0:
            setting_up.tell(f"round {run.round + 1}")


def measure(
    local: LocalWeights,
    machine: Machine,
    settings: Settings,
    workloads: tuple[str, ...],
    n_rounds: int,
    seed: int,
) -> list[Value]:
    """`n_rounds` rounds of fresh processes, one of each side, in random order."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {side: Path(folder) / f"{side}.gguf" for side in SIDES}
        for path in paths.values():
            path.symlink_to(local.path)
        request = MeasureRequest(
            workloads=workloads,
            settings={name: (value,) for name, value in settings.model_dump().items()},
            n_runs_max=n_rounds,
            n_trials=N_REPETITIONS,
            n_cold_loads=0,
            budget_ns=_FOREVER_NS,
            results=Path(folder),
            seed=seed,
        )
        files = [describe(path, side, None) for side, path in paths.items()]
        experiment = new_experiment(prepare(request, files).plan, machine)
        with (
            patch.object(runner, "run_worker", _run_delayed),
            ExperimentWriter(Path(folder), experiment) as writer,
        ):
            sweep = Sweep(experiment, paths, writer, _Told(), is_decided=lambda _: False)
            result = sweep.measure()
    return [value for run in result.runs for value in values_of(run, machine)]


def _run_delayed(job: Job, **others: Any) -> Report:
    if not isinstance(job, MeasureJob):
        return _RUN_WORKER(job, **others)  # only asked what it is
    script = str(Path(__file__).with_name("worker_delayed.py"))
    share = str(SIDES[Path(job.model_path).stem])
    return _RUN_WORKER(job, command=(sys.executable, "-P", script, share), **others)


def values_of(run: Run, machine: Machine) -> Iterator[Value]:
    """Everything that is compared of a Run, as three clean trials would have given it."""
    usual = run.model_copy(update={"trials": tuple(_first_clean(run, machine))})
    for workload in run.workloads:
        for metric, value in metrics.run_values(usual, workload, machine).items():
            if metric in COMPARED:
                rates = _rates(run, workload) if metric == "tok_per_s" else ()
                yield Value(run.round, workload, metric, run.model, value, rates)
    for metric, value in memory.group_values(run).items():
        if metric in COMPARED and not METRICS[metric].counted:
            yield Value(run.round, "", metric, run.model, value)


def _first_clean(run: Run, machine: Machine) -> Iterator[Trial]:
    n_clean = dict.fromkeys(run.workloads, 0)
    for trial in run.trials:
        if trial.is_warm_up or n_clean[trial.workload] == N_TRIALS:
            continue
        n_clean[trial.workload] += metrics.why_disturbed(trial, run, machine) is None
        yield trial


def _rates(run: Run, workload: str) -> tuple[float, ...]:
    trials = metrics.trials_of(run, workload)[:N_REPETITIONS]
    return tuple(trial.n_tokens / trial.total_ns * 1e9 for trial in trials)


def recordings() -> list[Path]:
    """The recordings that come with the benchmark."""
    return sorted(_DATA.glob("rounds-*.csv"))


def write(values: Sequence[Value], path: Path) -> None:
    """Keeps `values`; six digits are more than any clock here resolves."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_FIELDS)
        for it in values:
            rates = ";".join(f"{rate:.6g}" for rate in it.repetitions)
            writer.writerow((it.round, it.workload, it.metric, it.side, f"{it.value:.6g}", rates))


def read(path: Path) -> list[Value]:
    """What `write` kept."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Value(
                round=int(row["round"]),
                workload=row["workload"],
                metric=row["metric"],
                side=row["side"],
                value=float(row["value"]),
                repetitions=tuple(map(float, filter(None, row["repetitions"].split(";")))),
            )
            for row in csv.DictReader(file)
        ]
