"""`harness show`: the stored results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click
from tabulate import tabulate

from harness.commandline import options
from harness.commandline.measuring import show_results
from harness.records.listing import Listing, find, list_experiments
from harness.records.store import load
from harness.report.tables import Format

_MOST = 20


@click.command("show")
@click.argument("experiment", required=False)
@options.results_option
@click.option("--all", "is_all", is_flag=True, help=f"List more than the newest {_MOST}.")
@click.option(
    "--format",
    "table_format",
    type=click.Choice(options.FORMATS),
    default="plain",
    show_default=True,
)
@options.json_option
def command(
    experiment: str | None,
    results: Path,
    is_all: bool,
    table_format: Format | Literal["json"],
    as_json: bool,
) -> None:
    """
    Show EXPERIMENT as a table; without one, list what is stored, the newest last.

    EXPERIMENT is `latest`, an id or its beginning, or the path of an experiment file.
    """
    if as_json:
        table_format = "json"
    if experiment is None:
        _list(list_experiments(results), results, is_all, table_format)
        return
    stored = load(find(results, experiment))
    if stored.n_torn:
        click.echo("The last line was cut off in the middle and is left out.", err=True)
    if stored.end is None:
        click.echo("This experiment was cut short; these are the Runs it finished.", err=True)
    stops = stored.end.stops if stored.end else ()
    show_results(stored.experiment, stored.runs, stops, stored.path, table_format=table_format)


def _list(listings: list[Listing], results: Path, is_all: bool, table_format: str) -> None:
    if table_format == "json":
        rows = [_document(listing) for listing in listings]
        click.echo(json.dumps({"schema": 1, "experiments": rows}, indent=2))
        return
    if not listings:
        click.echo(f"No experiments in {results} yet; `harness run` makes one.", err=True)
        return
    shown = listings if is_all else listings[-_MOST:]
    table = [_row(listing) for listing in shown]
    styles = {"plain": "simple", "github": "github", "tsv": "tsv"}
    headers = ["experiment", "started (UTC)", "models", "runs", ""]
    if table_format == "csv":
        click.echo("\n".join(",".join(row) for row in [headers, *table]))
    else:
        click.echo(tabulate(table, headers, styles[table_format], disable_numparse=True))
    if len(shown) < len(listings):
        click.echo(f"{len(listings) - len(shown)} older ones: --all", err=True)
    click.echo("One of them in full: harness show latest, or harness show ID", err=True)


def _row(listing: Listing) -> list[str]:
    if listing.experiment is None:
        return [listing.id[:40], "", "", "", "cannot be read"]
    models = " ".join(model.key for model in listing.experiment.plan.models)
    started = listing.started_at.strftime("%Y-%m-%d %H:%M") if listing.started_at else ""
    n_runs = "" if listing.n_runs is None else str(listing.n_runs)
    remark = "" if listing.is_complete else "cut short"
    if listing.experiment.origin == "llama-bench":
        remark = "imported"
    return [listing.id, started, models, n_runs, remark]


def _document(listing: Listing) -> dict[str, object]:
    experiment = listing.experiment
    return {
        "experiment": listing.id,
        "path": str(listing.path),
        "started_at": experiment.started_at if experiment else None,
        "origin": experiment.origin if experiment else None,
        "machine": experiment.machine.id if experiment else None,
        "models": [model.key for model in experiment.plan.models] if experiment else [],
        "n_runs": listing.n_runs,
        "is_complete": listing.is_complete,
        "problem": listing.problem,
    }
