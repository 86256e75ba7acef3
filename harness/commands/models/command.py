"""`harness models`: what can be fetched, whose it is, how big it is, what is here, what fits."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.output import Output, output_options
from harness.commands.models.document import document
from harness.commands.models.models import ModelsRequest, find_models
from harness.commands.models.page import hint, page
from harness.errors import UsageError
from harness.models.catalog.catalog import load_catalog
from harness.report.progress.fetching import Fetching

_FILTERS = frozenset(("country", "lab", "max_bytes"))


@click.command(
    "models",
    epilog=options.examples(
        "harness models --fits",
        "harness models qwen3-4b",
    ),
)
@click.argument("name", type=options.MODEL, required=False)
@click.option("--fits", "has_fits", is_flag=True, help="Only what should run here, by its size.")
@click.option("--country", metavar="CN", help="Only from this country, by its two letters.")
@click.option("--lab", metavar="NAME", help="Only from this lab; a part of its name is enough.")
@click.option("--max-size", "max_bytes", type=options.SIZE, help="Only so large a file: 20GB.")
@click.option("--local", "is_local", is_flag=True, help="Files other programs hold here already.")
@options.catalog_option
@output_options
@click.pass_context
def command(
    context: click.Context,
    /,
    name: str | None,
    has_fits: bool,
    country: str | None,
    lab: str | None,
    max_bytes: int | None,
    is_local: bool,
    catalogs: tuple[Path, ...],
    output: Output,
) -> int:
    """
    List the catalogue, or tell all about the model called NAME.

    A path to any GGUF file is as good as a name, and so is owner/repo:QUANT of the hub, of which
    only the header is fetched. Of each model one variant is shown: the usual
    one, or the largest that fulfils what is asked. --fits compares what it needs at 4,096
    positions, estimated or, where that is close, planned by the engine, with what is free now.
    """
    typed = options.typed(context)
    if is_local and {"name", "has_fits", "catalogs", *_FILTERS} & {*typed}:
        raise UsageError("--local lists files, not the catalogue; leave the rest away")
    if name and not _FILTERS & {*typed}:  # what is kept as a default is for the list
        country = lab = max_bytes = None
    request = ModelsRequest(name, has_fits, country, lab, max_bytes, is_local)
    with Fetching(output.console) as fetching:
        result = find_models(request, load_catalog(catalogs), fetching.report)
    return output.show(page(result), document(result), hint=hint(result))
