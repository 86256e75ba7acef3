"""
How much CPU the parent process takes while its worker measures.

    python -m benchmarks.parent_load
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter_ns, process_time_ns
from typing import Any
from unittest.mock import patch

import click
from tabulate import tabulate

from benchmarks import sweeps
from harness import cli, units
from harness.measure import runner
from harness.measure.conversation import Report
from harness.measure.jobs.measure import ContextEvent, MeasureJob, TrialEvent
from harness.measure.protocol import Event, Job

_ASKED_RATIO = 0.01

_HELP = """
Run `harness run` in this very process and read its CPU time while the worker measures.

Counted from the moment a Run's first context is ready, so right before its first trial, to the
end of the parent's work on its last trial. All threads of the parent count, its children do not.
By default it believes to be on a terminal, where it has a line to redraw.
"""


@dataclass(frozen=True)
class Stretch:
    """One Run's trials: how long they took, and the parent's CPU time meanwhile."""

    model: str
    workloads: tuple[str, ...]
    wall_ns: int
    cpu_ns: int
    n_events: int

    @property
    def ratio(self) -> float:
        """The share of one core that the parent took."""
        return self.cpu_ns / self.wall_ns


class Clock:
    """Stands between the runner and its observer, and reads both clocks at each event."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []

    def run_worker(self, job: Job, *, on_event: Callable[[Event], None], **others: Any) -> Report:
        """`runner.run_worker`, timed."""
        moments: list[tuple[int, int]] = []

        def told(event: Event) -> None:
            if isinstance(event, ContextEvent) and not moments:
                moments.append((perf_counter_ns(), process_time_ns()))
            on_event(event)
            if isinstance(event, TrialEvent):
                moments.append((perf_counter_ns(), process_time_ns()))

        report = _RUN_WORKER(job, on_event=told, **others)
        if isinstance(job, MeasureJob) and len(moments) > 1:
            (start_ns, cpu_start_ns), (end_ns, cpu_end_ns) = moments[0], moments[-1]
            self.stretches.append(
                Stretch(
                    model=Path(job.model_path).name,
                    workloads=job.workloads,
                    wall_ns=end_ns - start_ns,
                    cpu_ns=cpu_end_ns - cpu_start_ns,
                    n_events=len(moments) - 1,
                )
            )
        return report


_RUN_WORKER = runner.run_worker


@click.command(help=_HELP)
@click.option("--model", "models", multiple=True, default=("smollm2-135m", "tiny-random"))
@click.option("--workload", "workloads", multiple=True, default=("pp512", "tg128", "chat"))
@click.option("--runs", default=3, show_default=True, help="Runs of each model and workload.")
@click.option("--trials", default=5, show_default=True)
@click.option("--terminal/--no-terminal", "has_terminal", default=True, show_default=True)
@sweeps.common_options
def main(
    models: tuple[str, ...],
    workloads: tuple[str, ...],
    runs: int,
    trials: int,
    has_terminal: bool,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    stretches: list[Stretch] = []
    for model in models:
        for workload in workloads:
            arguments = ["run", model, "-w", workload, "--runs", str(runs), "--trials", str(trials)]
            arguments += ["--seed", str(seed), "--wait", f"{wait / 1e9:g}s"]
            arguments += ["--threads", str(threads)] if threads else []
            stretches += _measured(arguments, has_terminal=has_terminal)
    rows = [asdict(stretch) | {"ratio": stretch.ratio} for stretch in stretches]
    click.echo(json.dumps(rows, indent=1) if as_json else _table(stretches))


def _measured(arguments: list[str], *, has_terminal: bool) -> list[Stretch]:
    """One `harness run`, what it says thrown away."""
    clock = Clock()
    environment = {"FORCE_COLOR": "1"} if has_terminal else {}
    with (
        tempfile.TemporaryDirectory() as results,
        patch.dict(os.environ, environment),
        patch.object(runner, "run_worker", clock.run_worker),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        exit_code = cli.group.main([*arguments, "--results", results], standalone_mode=False)
    if exit_code:
        raise click.ClickException(f"harness {' '.join(arguments)} ended with {exit_code}")
    return clock.stretches


def _table(stretches: list[Stretch]) -> str:
    groups: dict[tuple[str, tuple[str, ...]], list[Stretch]] = {}
    for stretch in stretches:
        groups.setdefault((stretch.model, stretch.workloads), []).append(stretch)
    rows = [
        [
            model,
            " ".join(workloads),
            len(group),
            units.duration(round(median(stretch.wall_ns for stretch in group))),
            units.duration(round(median(stretch.cpu_ns / stretch.n_events for stretch in group))),
            f"{median(stretch.ratio for stretch in group):.3%}",
            f"{max(stretch.ratio for stretch in group):.3%}",
        ]
        for (model, workloads), group in groups.items()
    ]
    headers = ["model", "workload", "runs", "measuring", "CPU a trial", "of a core", "worst"]
    asked = f"asked: less than {_ASKED_RATIO:.0%} of a core"
    return f"{tabulate(rows, headers, disable_numparse=True)}\n\n{asked}"


if __name__ == "__main__":
    main()
