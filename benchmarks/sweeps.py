"""A sweep of the product's own with somebody watching, and what every benchmark asks first."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from harness import units
from harness.analysis.formulas import trials_of
from harness.analysis.stats.ratio import Comparison, compare_rounds
from harness.machine.probe import default_threads, probe_machine
from harness.measure.experiment import new_experiment
from harness.measure.lock import machine_held
from harness.measure.protocol import Event
from harness.measure.rounds import RunMaker
from harness.measure.sweep import Sweep
from harness.models.find import local_model
from harness.records.store import ExperimentWriter
from harness.schema.configuration import Configuration
from harness.schema.experiment import Plan, Run, Stop
from harness.schema.machine import Machine
from harness.schema.settings import Settings

CONFIDENCE = 0.95
A_DAY_NS = 24 * 3600 * 10**9


@dataclass(frozen=True)
class Limits:
    """When enough was measured: rounds, half of the intervals as a share, and time."""

    n_min: int
    n_max: int
    precision: float
    budget_ns: int

    def are_met(self, runs: Sequence[Run], ratios: Iterable[Comparison | None]) -> bool:
        """Whether every interval is narrow enough, after the fewest rounds."""
        n_rounds = max(run.round for run in runs) + 1
        return n_rounds >= self.n_min and all(
            half_width(ratio) <= self.precision for ratio in ratios
        )


class Watcher:
    """Told what the sweep does, while no worker measures; a benchmark's own overrides some."""

    def run_started(self, number: int, configuration: Configuration) -> None:
        """Run `number` (from 1) begins."""

    def event(self, number: int, event: Event) -> None:
        """The worker of Run `number` told something, and waits."""

    def run_finished(self, run: Run, stop: Stop | None) -> None:
        """A Run is complete."""


def swept(
    plan: Plan,
    paths: Mapping[str, Path],
    machine: Machine,
    watcher: Watcher,
    is_decided: Callable[[Sequence[Run]], bool] = lambda _: False,
) -> list[Run]:
    """
    What `harness run` would have measured of `plan`; Ctrl-C ends with what there is.

    Raises:
        ClickException: A Run failed: there is nothing to compare then.
    """
    experiment = new_experiment(plan, machine, ())
    with (
        tempfile.TemporaryDirectory() as folder,
        ExperimentWriter(Path(folder), experiment) as writer,
    ):
        result = Sweep(
            experiment,
            RunMaker(experiment, paths, writer.path, watcher),
            writer,
            watcher,
            is_decided=is_decided,
        ).measure()
    failed = [run.outcome.message for run in result.runs if run.outcome.status == "failed"]
    if failed:
        raise click.ClickException(f"A Run failed: {failed[0]}")
    return [run for run in result.runs if run.outcome.status == "ok"]


def plan_of(
    paths: Mapping[str, Path],
    workloads: Sequence[str],
    settings: Settings,
    limits: Limits,
    *,
    n_trials: int,
    seed: int,
) -> Plan:
    """The plan that measures the models at `paths` side by side, no loads from a cold disk."""
    return Plan(
        models=tuple(local_model(path, key).file for key, path in paths.items()),
        settings=(settings,),
        workloads=tuple(workloads),
        n_runs_max=limits.n_max,
        n_trials=n_trials,
        n_cold_loads=0,
        budget_ns=limits.budget_ns,
        precision=0.02,
        seed=seed,
    )


def rates(run: Run, workload: str, n_trials: int | None = None) -> list[float]:
    """Tokens per second of the first `n_trials` trials, disturbed ones too."""
    return [trial.n_tokens / trial.total_ns * 1e9 for trial in trials_of(run, workload)[:n_trials]]


def cpu_rates(run: Run, workload: str, n_trials: int | None = None) -> list[float]:
    """The same by the CPU time of the process: what waits for a CPU takes none."""
    trials = trials_of(run, workload)[:n_trials]
    return [it.n_tokens / it.counters.process_cpu_ns * 1e9 for it in trials if it.counters]


def ratio_of(
    ours: Mapping[int, float], theirs: Mapping[int, float], threshold: float
) -> Comparison | None:
    """Ours over theirs by the rounds that both have; `threshold` is what counts as the same."""
    return compare_rounds(
        theirs, ours, is_more_better=True, threshold=threshold, confidence=CONFIDENCE
    )


def ratio_text(found: Comparison | None) -> str:
    """The ratio with its interval."""
    return f"{found.ratio:.3f} ({found.low:.3f} to {found.high:.3f})" if found else ""


def half_width(found: Comparison | None) -> float:
    """Half of the interval as a share: 0.03 reads ±3 %; infinite where nothing is known."""
    return (found.high - found.low) / 2 / found.ratio if found else float("inf")


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic only in new versions
    """A duration such as 30m, in nanoseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The nanoseconds."""
        if isinstance(value, int):
            return value
        try:
            return units.parse_duration_ns(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that all measuring scripts share."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON document, with all data."),
        click.option("--wait", default="1s", type=Duration(), help="Wait for other measurements."),
        click.option("--seed", default=1, show_default=True, help="Of orders and tokens."),
        click.option("--threads", type=click.IntRange(1), help="Default: the harness's own."),
    ):
        function = option(function)
    return function


def round_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of scripts that compare two sides in rounds of fresh processes."""
    models, workloads = ("smollm2-135m", "tiny-random"), ("pp512", "tg128")
    result = limit_options(function)
    for option in (
        click.option("--trials", default=5, show_default=True, help="In each process."),
        click.option("--workload", "workloads", multiple=True, default=workloads),
        click.option("--model", "models", multiple=True, default=models),
    ):
        result = option(result)
    return result


def limit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Those that say when enough was measured, as `limits`."""

    @functools.wraps(function)
    def with_limits(
        min_rounds: int, max_rounds: int, precision: float, budget: int, **others: Any
    ) -> Any:
        return function(limits=Limits(min_rounds, max_rounds, precision, budget), **others)

    result: Callable[..., Any] = with_limits
    for option in (
        click.option("--budget", default="1h", show_default=True, type=Duration()),
        click.option("--precision", default=0.03, show_default=True, help="Half of the interval."),
        click.option("--max-rounds", default=200, show_default=True),
        click.option("--min-rounds", default=10, show_default=True),
    ):
        result = option(result)
    return result


def machine_and_settings(n_threads: int | None) -> tuple[Machine, Settings]:
    """The machine, and the harness's own defaults on it."""
    machine = probe_machine()
    return machine, Settings(n_threads=n_threads or default_threads(machine))


@contextmanager
def alone(script: str, wait_ns: int) -> Iterator[None]:
    """Holds the machine, so that no other measurement of ours runs beside this one."""
    with machine_held(Path(script).name, wait_ns):
        yield


def tell(line: str) -> None:
    """One line of progress."""
    click.echo(line, err=True)
