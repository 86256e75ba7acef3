"""`harness share`: a result to pass on, and a picture of it."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commandline import options, stream
from harness.commandline.output import Output, output_options
from harness.commandline.places import FOLDER
from harness.commands.share.page import page, written
from harness.commands.share.share import ShareRequest, document, prepare, write
from harness.report import plain


@click.command(
    "share",
    epilog=options.examples("harness share", "harness share 3f9a -o somewhere --keep-names"),
)
@click.argument("experiment", type=options.EXPERIMENT, default="latest")
@options.results_option
@click.option(
    "-o", "--output", "folder", cls=options.OwnOption, type=FOLDER, default="shared",
    show_default=True, metavar="DIR", help="Folder of the two files.",
)  # fmt: skip
@click.option(
    "--keep-names", is_flag=True,
    help="Keep the names of models that are not in the catalogue, too; without their folders.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite what was shared before.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_options
def command(
    experiment: str,
    results: Path,
    folder: Path,
    keep_names: bool,
    force: bool,
    yes: bool,
    output: Output,
) -> int:
    """
    Write a copy of EXPERIMENT that tells neither who measured nor where, and a card: a picture.

    EXPERIMENT is `latest` (the default), an id or its beginning, or the path of an experiment file.
    What is left out and what stays is shown, and on a terminal asked about, before anything is
    written. The copy is an experiment file like any other. Nothing is uploaded.
    """
    prepared = prepare(ShareRequest(experiment, results, folder, keep_names, force))
    shown = page(prepared)
    if not yes and not output.is_json and stream.has_person():
        stream.write(f"{plain.render(shown)}\n", err=True)
        if not stream.confirm("Write this?"):
            output.tell("Nothing was written.")
            return output.show((), document(prepared, is_written=False))
        shown = ()
    write(prepared)
    return output.show(shown, document(prepared, is_written=True), aside=written(prepared))
