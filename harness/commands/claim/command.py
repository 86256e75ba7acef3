"""`harness claim`: which open-weight models are consumer-runnable, here and elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from harness.commandline import options
from harness.commands.claim.claim import reference_site, rows
from harness.commands.claim.conclusion import HERE, conclude
from harness.commands.claim.document import claim_document
from harness.commands.claim.host import look_here
from harness.commands.claim.page import Column, claim_markdown, claim_text
from harness.commands.claim.requirements import asked_of
from harness.commands.claim.stored import Measured, measured_here
from harness.models.catalog.catalog import load_catalog
from harness.models.catalog.reference_machines import chosen, load_reference_machines
from harness.report import terminal

_FORMATS = ("plain", "github", "json")


@click.command("claim")
@click.option(
    "--machine",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this machine: `here`, or one of the reference machines. May be repeated.",
)
@options.catalog_option
@options.results_option
@click.option(
    "--format", "table_format", type=click.Choice(_FORMATS), default="plain", show_default=True
)
@options.json_option
@click.option("-q", "--quiet", is_flag=True, help="No warnings.")
def command(
    names: tuple[str, ...],
    catalogs: tuple[Path, ...],
    results: Path,
    table_format: Literal["plain", "github", "json"],
    as_json: bool,
    quiet: bool,
) -> None:
    """
    Put a claim to the test: which open-weight models a consumer can run.

    For each model of the catalogue a verdict on this machine and on reference machines:
    comfortable, usable, slow, pages, or does not run. What `harness run` or `rehearse` measured
    here counts; all else is predicted, offline. The conclusion is computed from the table.
    """
    console = terminal.console(is_quiet=quiet)
    catalog = load_catalog(catalogs)
    references = load_reference_machines()
    wanted = [name.lower() for name in names]
    others = [name for name in wanted if name != HERE]
    shown = () if wanted and not others else chosen(references, others)
    here = look_here(results) if not wanted or HERE in wanted else None
    measured = measured_here(results, here.machine.id, catalog) if here else Measured()
    for problem in (*measured.problems, *(here.notes if here else ())):
        terminal.warn(console, problem)
    # The conclusion rests on all reference machines, whichever are shown.
    sites = [*([here.site] if here else []), *map(reference_site, references)]
    asked = asked_of(catalog, sites)
    table = rows(catalog.models, sites, asked, measured.cells)
    conclusion = conclude(table, [site.name for site in sites if site.is_consumer])
    names_shown = {HERE, *(machine.name for machine in shown)}
    columns = [Column(site.name, site.title) for site in sites if site.name in names_shown]
    if as_json or table_format == "json":
        document = claim_document(here.machine if here else None, shown, table, conclusion)
        click.echo(json.dumps(document, indent=2))
    elif table_format == "github":
        click.echo(claim_markdown(table, columns, conclusion))
    else:
        click.echo(claim_text(table, columns, conclusion))
