"""`harness rehearse`: measure random-weight twins of models, without their weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.measuring import show_measured
from harness.commandline.measuring_options import measuring_options
from harness.commandline.output import Output, explain_option, html_options, output_options
from harness.commandline.places import FOLDER
from harness.commandline.rpc_options import rpc_option
from harness.commands.rehearse.rehearse import RehearseRequest, prepare_rehearsal
from harness.measure.lock import machine_held
from harness.measure.session import MeasureRequest
from harness.models.cache import TWINS
from harness.models.catalog.catalog import load_catalog
from harness.models.digest import cache_dir
from harness.records.rescue import require_writable
from harness.report.progress.fetching import Fetching
from harness.report.progress.measuring import Progress


@click.command(
    "rehearse",
    epilog=options.examples(
        "harness rehearse qwen3-4b:Q4_K_M",
        "harness rehearse qwen3-4b:Q4_K_M --dir /dev/shm --offline",
    ),
)
@click.argument("models", type=options.MODEL, nargs=-1, required=True)
@click.option("--keep", is_flag=True, help="Leave the twins on the disk, for the next rehearsal.")
@click.option(
    "--dir",
    "directory",
    cls=options.OwnOption,
    type=FOLDER,
    help="Where twins are written; a RAM disk will do. Default: the harness's cache folder.",
)
@click.option(
    "--force", is_flag=True, help="Also what cannot fit into memory; and overwrite FILE of --html."
)
@click.option("--offline", is_flag=True, help="Ask no hub: what is here, and the catalogue.")
@measuring_options
@rpc_option
@options.verbose_option
@output_options
@partial(html_options, own_force="force")
@explain_option
def command(
    models: tuple[str, ...],
    directory: Path | None,
    keep: bool,
    force: bool,
    offline: bool,
    catalogs: tuple[Path, ...],
    request: MeasureRequest,
    is_full: bool,
    output: Output,
) -> int:
    """
    Measure twins of MODELS, without downloading their weights.

    A twin has the header of the model and random weights: it is as fast and takes as much memory,
    but what it says means nothing. The header comes from the hub, some megabytes, or where nobody
    answers from the catalogue's shape.
    """
    folder = directory or cache_dir() / TWINS
    wanted = RehearseRequest(models, request, folder, keep, force, asks_hub=not offline)
    require_writable(request.results)
    with Fetching(output.console) as fetching:
        rehearsal = prepare_rehearsal(wanted, load_catalog(catalogs), fetching.report)
    for warning in rehearsal.warnings:
        output.warn(warning)
    with (
        machine_held(rehearsal.title, request.wait_ns, output.tell),
        Fetching(output.console) as fetching,
        rehearsal.twins(fetching.report) as paths,
    ):
        fetching.done()
        measured = rehearsal.session.measure(paths, Progress(output.console))
    return show_measured(measured, output, is_full=is_full)
