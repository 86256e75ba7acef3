"""`harness claim`: which open-weight models are consumer-runnable, here and elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.output import Output, explain_option, html_options, output_options
from harness.commands.claim.claim import ClaimRequest, examine
from harness.commands.claim.document import document
from harness.commands.claim.page import hint, page
from harness.models.catalog.catalog import load_catalog
from harness.report.progress.planning import Planning

_TITLE = "Which open-weight models a consumer can run"


@click.command(
    "claim",
    epilog=options.examples(
        "harness claim",
        "harness claim --machine laptop-32",
    ),
)
@click.option(
    "--machine",
    "machines",
    type=options.Word("machine"),
    multiple=True,
    metavar="NAME",
    help="Only this machine: `here`, or one of the reference machines. May be repeated.",
)
@click.option(
    "--matrix",
    "is_matrix",
    is_flag=True,
    help="Every model on every machine as one table, and all that follows from it.",
)
@options.catalog_option
@options.results_option
@output_options
@html_options
@explain_option
def command(
    machines: tuple[str, ...],
    is_matrix: bool,
    catalogs: tuple[Path, ...],
    results: Path,
    output: Output,
) -> int:
    """
    Put a claim to the test: which open-weight models a consumer can run.

    For each model of the catalogue a verdict on this machine and on reference machines:
    comfortable, usable, slow, pages, or does not run. What `harness run` or `rehearse` measured
    here counts; all else is predicted, offline. The conclusion is computed from all of them.
    Without --machine the models that run here are told, and on the reference machine that this
    one is like.
    """
    request, catalog = ClaimRequest(machines, results), load_catalog(catalogs)
    with Planning(output.console) as planning:
        result = examine(request, catalog, planning.warn, planning.report)
    shown = page(result, is_matrix=is_matrix, is_wide=output.is_wide)
    return output.show(
        shown,
        document(result),
        hint=hint(result, is_matrix=is_matrix),
        title=_TITLE,
        html_page=page(result, is_grid=True),
    )
