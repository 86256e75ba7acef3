"""The results of an experiment where they belong: tables on stdout, how far to trust them aside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast

import click

from harness.analysis.advice import trust_lines
from harness.analysis.summary import summarize
from harness.analysis.verdict_measured import judge
from harness.commandline.output import Output
from harness.measure.session import Measured
from harness.report.document import document
from harness.report.tables import Format, render
from harness.report.text import wrapped
from harness.report.verdict import verdict_lines
from harness.schema.experiment import Experiment, Run, Stop


def show_measured(measured: Measured, output: Output) -> int:
    """
    Shows what was measured just now; the exit code of it.

    Raises:
        ResultsUnwritable: The record could not be kept whole.
    """
    show_results(
        measured.experiment,
        measured.result.runs,
        measured.result.stops,
        measured.path,
        table_format=cast(Literal["plain", "json"], output.format),
        is_quiet=output.is_quiet,
    )
    return measured.exit_code


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
