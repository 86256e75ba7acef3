"""What every measuring script needs first: the machine, held for itself, and its models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from harness import units
from harness.machine.awake import keep_awake
from harness.machine.probe import default_threads, probe_machine
from harness.measure.lock import measuring
from harness.models.download import LocalWeights, download_all
from harness.schema.machine import Machine
from harness.schema.settings import Settings
from harness.schema.workload import Decode, Prefill, Workload, parse_workload


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


def measuring_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that all measuring scripts share."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON document, with all data."),
        click.option("--wait", default="1s", type=Duration(), help="Wait for other measurements."),
        click.option("--seed", default=1, show_default=True, help="Of orders and tokens."),
        click.option("--threads", type=click.IntRange(1), help="Default: the harness's own."),
    ):
        function = option(function)
    return function


def pair_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of scripts that compare two sides in interleaved pairs of fresh processes."""
    models, workloads = ("smollm2-135m", "tiny-random"), ("pp512", "tg128")
    for option in (
        click.option("--budget", default="1h", show_default=True, type=Duration()),
        click.option("--precision", default=0.03, show_default=True, help="Half of the interval."),
        click.option("--max-pairs", default=200, show_default=True),
        click.option("--min-pairs", default=10, show_default=True),
        click.option("--reps", default=5, show_default=True, help="Repetitions in each process."),
        click.option("--workload", "workloads", multiple=True, default=workloads),
        click.option("--model", "models", multiple=True, default=models),
    ):
        function = option(function)
    return function


def machine_and_settings(n_threads: int | None) -> tuple[Machine, Settings]:
    """The machine, and the harness's own defaults on it."""
    machine = probe_machine()
    return machine, Settings(n_threads=n_threads or default_threads(machine))


def cells(
    models: tuple[str, ...], workloads: tuple[str, ...]
) -> list[tuple[LocalWeights, Workload]]:
    """Every workload of every model; the models are fetched if need be."""
    tasks = [parse_workload(name) for name in workloads]
    refused = [task.name for task in tasks if not isinstance(task, Prefill | Decode)]
    if refused:
        raise click.UsageError(f"llama-bench has no {refused[0]}: only ppN and tgN, with @dDEPTH.")
    return [(local, task) for local in download_all(models) for task in tasks]


@contextmanager
def alone(script: str, wait_ns: int) -> Iterator[None]:
    """Holds the machine, so that no other measurement of ours runs beside this one."""
    with measuring(Path(script).name, wait_s=wait_ns / 1e9), keep_awake():
        yield


def tell(line: str) -> None:
    """One line of progress."""
    click.echo(line, err=True)
