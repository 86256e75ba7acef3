"""`harness baseline`: experiments kept under a name, for `harness gate`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.output import Output, output_options
from harness.commands.gate.baseline_document import (
    RemovedDocument,
    list_document,
    saved_document,
)
from harness.commands.gate.baseline_page import (
    doubt,
    list_hint,
    list_page,
    removed_page,
    saved_hint,
    saved_page,
)
from harness.commands.gate.baselines import list_baselines, remove_baseline, save_baseline
from harness.records.listing import find


@click.group(
    "baseline",
    invoke_without_command=True,
    epilog=options.examples(
        "harness baseline save main",
        "harness baseline remove main",
    ),
)
@options.results_option
@output_options
@click.pass_context
def command(context: click.Context, results: Path, output: Output) -> None:
    """
    Keep an experiment under a name, as what later ones are judged against.

    Without a subcommand it lists what is kept, as `harness baseline list` does. A baseline is a
    whole copy of the experiment file, in baselines/ of the results folder.
    """
    if not context.invoked_subcommand:
        _list(results, output)
    # What stands before the subcommand holds for it as well, unless it says otherwise.
    given = {"results": str(results), **output.given}
    context.default_map = dict.fromkeys(("list", "save", "remove"), given)


@command.command("list")
@options.results_option
@output_options
def list_command(results: Path, output: Output) -> None:
    """List the baselines, the newest measurement last."""
    _list(results, output)


@command.command("save")
@click.argument("name", type=options.BASELINE)
@click.argument("experiment", type=options.EXPERIMENT, default="latest")
@options.results_option
@click.option("--force", is_flag=True, help="Replace the baseline of that name.")
@output_options
def save_command(name: str, experiment: str, results: Path, force: bool, output: Output) -> None:
    """
    Keep EXPERIMENT as the baseline NAME.

    EXPERIMENT is `latest` (the default), an id or its beginning, or the path of an experiment
    file.
    """
    stored = save_baseline(results, name, find(results, experiment), may_replace=force)
    if why := doubt(stored):
        output.warn(f"{why}; a gate against this baseline will be inconclusive.")
    shown, found = saved_page(name, stored), saved_document(name, stored)
    output.show(shown, found, hint=saved_hint(name))


@command.command("remove")
@click.argument("name", type=options.BASELINE)
@options.results_option
@output_options
def remove_command(name: str, results: Path, output: Output) -> None:
    """Remove the baseline NAME; the experiment that it was made from stays."""
    path = remove_baseline(results, name)
    output.show(removed_page(path), RemovedDocument(name, path))


def _list(results: Path, output: Output) -> None:
    listings = list_baselines(results)
    output.show(list_page(listings), list_document(listings), hint=list_hint(listings))
