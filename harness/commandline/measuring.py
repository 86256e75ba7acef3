"""How a command measures in front of a person: progress on stderr, then the results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console

from harness.analysis.advice import trust_lines
from harness.analysis.summary import summarize
from harness.analysis.verdict_measured import judge
from harness.measure.session import Measurement, exit_code, take
from harness.report.document import document
from harness.report.progress.measuring import Progress
from harness.report.tables import Format, render
from harness.report.text import wrapped
from harness.report.verdict import verdict_lines
from harness.schema.experiment import Experiment, Run, Stop


def measure(
    measurement: Measurement,
    paths: Mapping[str, Path],
    given: Mapping[str, Any],
    results: Path,
    console: Console,
) -> int:
    """
    Measures, stores, shows; the exit code of it. The arguments are those of `take`.
    """
    measured = take(measurement, paths, given, results, partial(Progress, console))
    show_results(
        measured.experiment,
        measured.result.runs,
        measured.result.stops,
        measured.path,
        table_format="json" if given["as_json"] else given["table_format"],
        is_quiet=given["quiet"],
    )
    return exit_code(measured.result)


def show_results(
    experiment: Experiment,
    runs: Sequence[Run],
    stops: Sequence[Stop],
    path: Path,
    *,
    table_format: Format | Literal["json"],
    is_quiet: bool = False,
) -> None:
    """Prints the results in `table_format`; "json" is the whole document."""
    groups = summarize(experiment, runs)
    if table_format == "json":
        click.echo(json.dumps(document(experiment, groups, path, stops, runs), indent=2))
    else:
        click.echo(render(groups, table_format))
    if table_format in ("plain", "github"):
        verdicts = [(group, judge(group, runs, experiment.machine)) for group in groups]
        click.echo("\n".join(["", *verdict_lines(verdicts)]))
    if is_quiet:
        return
    click.echo(err=True)
    for line in trust_lines(experiment, groups):
        click.echo("\n".join(wrapped(line)), err=True)
    click.echo(f"Record: {path}", err=True)
