"""`harness baseline`: experiments kept under a name, for `harness gate`."""

from __future__ import annotations

import json
from pathlib import Path

import click
from tabulate import tabulate

from harness.commandline import options
from harness.commands.gate.baselines import list_baselines, remove_baseline, save_baseline
from harness.commands.gate.match import sides_of, unusable
from harness.records.listing import Listing, find
from harness.report.text import harmless, wrapped


@click.group("baseline", invoke_without_command=True)
@options.results_option
@options.json_option
@click.pass_context
def command(context: click.Context, results: Path, as_json: bool) -> None:
    """
    Keep an experiment under a name, as what later ones are judged against.

    Without a subcommand it lists what is kept, as `harness baseline list` does. A baseline is a
    whole copy of the experiment file, in baselines/ of the results folder.
    """
    if not context.invoked_subcommand:
        _list(results, as_json)
    # What stands before the subcommand holds for it as well, unless it says otherwise.
    given = {"results": str(results), "as_json": as_json}
    context.default_map = dict.fromkeys(("list", "save", "remove"), given)


@command.command("list")
@options.results_option
@options.json_option
def list_command(results: Path, as_json: bool) -> None:
    """List the baselines, the newest measurement last."""
    _list(results, as_json)


@command.command("save")
@click.argument("name")
@click.argument("experiment", default="latest")
@options.results_option
@click.option("--force", is_flag=True, help="Replace the baseline of that name.")
@options.json_option
def save_command(name: str, experiment: str, results: Path, force: bool, as_json: bool) -> None:
    """
    Keep EXPERIMENT as the baseline NAME.

    EXPERIMENT is `latest` (the default), an id or its beginning, or the path of an experiment
    file.
    """
    stored = save_baseline(results, name, find(results, experiment), may_replace=force)
    facts = stored.experiment
    models = " ".join(model.key for model in facts.plan.models)
    doubt = unusable(sides_of(facts, stored.runs))
    if doubt:
        text = f"Warning: {doubt}; a gate against this baseline will be inconclusive."
        click.echo("\n".join(wrapped(harmless(text))), err=True)
    if as_json:
        document = {
            "name": name,
            "path": str(stored.path),
            "experiment": facts.id,
            "started_at": facts.started_at,
            "machine": facts.machine.id,
            "models": [model.key for model in facts.plan.models],
            "workloads": list(facts.plan.workloads),
            "n_runs": len(stored.runs),
            "doubt": doubt,
        }
        click.echo(json.dumps({"schema": 1, "baseline": document}, indent=2))
        return
    text = (
        f"Baseline {name}: experiment {facts.id} of {facts.started_at[:10]}, {models} "
        f"({', '.join(facts.plan.workloads)}), {len(stored.runs)} Runs, machine "
        f"{facts.machine.id}."
    )
    click.echo("\n".join([*wrapped(harmless(text)), f"Kept as {stored.path}"]))


@command.command("remove")
@click.argument("name")
@options.results_option
@options.json_option
def remove_command(name: str, results: Path, as_json: bool) -> None:
    """Remove the baseline NAME; the experiment that it was made from stays."""
    path = remove_baseline(results, name)
    if as_json:
        click.echo(json.dumps({"schema": 1, "removed": name, "path": str(path)}, indent=2))
    else:
        click.echo(f"Removed {path}")


def _list(results: Path, as_json: bool) -> None:
    listings = list_baselines(results)
    if as_json:
        rows = [_document(listing) for listing in listings]
        click.echo(json.dumps({"schema": 1, "baselines": rows}, indent=2))
        return
    if not listings:
        click.echo("No baselines yet; `harness baseline save NAME` keeps one.", err=True)
        return
    headers = ["name", "experiment", "started (UTC)", "models", "runs", ""]
    rows_shown = [_row(listing) for listing in listings]
    click.echo(tabulate(rows_shown, headers, "simple", disable_numparse=True))


def _row(listing: Listing) -> list[str]:
    name = listing.path.stem
    if listing.experiment is None:
        return [name, "", "", "", "", "cannot be read"]
    models = harmless(" ".join(model.key for model in listing.experiment.plan.models))
    started = listing.started_at.strftime("%Y-%m-%d %H:%M") if listing.started_at else ""
    n_runs = "" if listing.n_runs is None else str(listing.n_runs)
    remark = "" if listing.is_complete else "cut short"
    return [name, harmless(listing.experiment.id), started, models, n_runs, remark]


def _document(listing: Listing) -> dict[str, object]:
    facts = listing.experiment
    return {
        "name": listing.path.stem,
        "path": str(listing.path),
        "experiment": facts.id if facts else None,
        "started_at": facts.started_at if facts else None,
        "machine": facts.machine.id if facts else None,
        "models": [model.key for model in facts.plan.models] if facts else [],
        "n_runs": listing.n_runs,
        "is_complete": listing.is_complete,
        "problem": listing.problem,
    }
