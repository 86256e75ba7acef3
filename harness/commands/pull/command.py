"""`harness pull`: fetch models without measuring them."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.output import Output, output_options
from harness.commands.pull.document import document
from harness.commands.pull.page import hint, page
from harness.commands.pull.pull import PullRequest, pull
from harness.errors import ExitCode, UsageError
from harness.models.catalog.catalog import load_catalog
from harness.models.download import DEFAULT_JOBS, DownloadRequest
from harness.report.progress.fetching import Fetching


@click.command(
    "pull",
    epilog=options.examples(
        "harness pull qwen3-4b:Q4_K_M",
        "harness pull unsloth/Qwen3-4B-GGUF:Q4_K_M --list",
    ),
)
@click.argument("models", type=options.MODEL, nargs=-1, required=True)
@click.option(
    "--jobs",
    type=click.IntRange(1, 32),
    default=DEFAULT_JOBS,
    show_default=True,
    help="How many files at once.",
)
@click.option("--revision", metavar="REV", help="A branch, tag or commit of the repository.")
@click.option("--list", "is_list", is_flag=True, help="Only show what would be fetched.")
@click.option("--verify", "is_verify", is_flag=True, help="Only read what is here, and check it.")
@click.option(
    "--accept-changed", is_flag=True, help="Take a file that differs from what the catalogue says."
)
@options.catalog_option
@output_options
@click.pass_context
def command(
    context: click.Context,
    /,
    models: tuple[str, ...],
    jobs: int,
    revision: str | None,
    is_list: bool,
    is_verify: bool,
    accept_changed: bool,
    catalogs: tuple[Path, ...],
    output: Output,
) -> int:
    """
    Fetch MODELS and verify them; what is here already is only checked.

    A model is a name of `harness models`, or owner/repo:QUANTIZATION for any repository of the
    hub, or owner/repo where that leaves no doubt. An interrupted pull goes on where it was. Of
    several models those that can be had are fetched, whatever becomes of the others.
    """
    if is_list and is_verify:
        raise UsageError("--list and --verify are two questions; ask one of them")
    if is_list or is_verify:
        why = "is for fetching, and --list and --verify fetch nothing; leave it away"
        options.refuse_unused(options.typed(context), ("jobs",), why)
    download = DownloadRequest(revision, accept_changed, jobs, asks_hub=not is_verify)
    request = PullRequest(
        models, download, "list" if is_list else "verify" if is_verify else "fetch"
    )
    with Fetching(output.console) as fetching:
        result = pull(request, load_catalog(catalogs), fetching.report, output.warn)
    code = ExitCode.DONE if result.is_well else ExitCode.ERROR
    return output.show(page(result), document(result), code, hint=hint(result))
