"""`harness models`: what can be fetched, whose it is, how big it is, what is here, what fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from harness import units
from harness.commandline import options
from harness.commands.models.header_page import header_document, header_page
from harness.commands.models.local_page import local_document, local_text
from harness.commands.models.page import catalog_table, model_document, model_page
from harness.errors import UsageError
from harness.machine.memory import available_memory_bytes
from harness.machine.probe import probe_machine
from harness.models.catalog.catalog import Catalog, load_catalog
from harness.models.catalog.choice import Choice, Wanted, choose
from harness.models.fetch import local_state
from harness.models.headers import find_headers
from harness.models.stores import find_local
from harness.report import terminal
from harness.report.progress.fetching import Fetching
from harness.schema.machine import Machine


@click.command("models")
@click.argument("name", required=False)
@click.option("--fits", "has_fits", is_flag=True, help="Only what should run here, by its size.")
@click.option("--country", metavar="CN", help="Only from this country, by its two letters.")
@click.option("--lab", metavar="NAME", help="Only from this lab; a part of its name is enough.")
@click.option("--max-size", "max_bytes", type=options.SIZE, help="Only so large a file: 20GB.")
@click.option("--local", "is_local", is_flag=True, help="Files other programs hold here already.")
@options.catalog_option
@options.json_option
def command(
    name: str | None,
    has_fits: bool,
    country: str | None,
    lab: str | None,
    max_bytes: int | None,
    is_local: bool,
    catalogs: tuple[Path, ...],
    as_json: bool,
) -> None:
    """
    List the catalogue, or tell all about the model called NAME.

    A path to any GGUF file is as good as a name, and so is owner/repo:QUANT of the hub, of which
    only the header is fetched. Of each model one variant is shown: the usual
    one, or the largest that fulfils what is asked. --fits estimates: the file, a tenth of it
    more (at least 0.6 GB), and that is compared with the memory available now.
    """
    has_filters = has_fits or any(value is not None for value in (country, lab, max_bytes))
    if is_local:
        if name or has_filters or catalogs:
            raise UsageError("--local lists files, not the catalogue; leave the rest away")
        _show_local(as_json=as_json)
        return
    if name and (country, lab, max_bytes) != (None, None, None):
        raise UsageError(f"{name} is one model, there is nothing to filter; leave one of them away")
    memory_bytes = _memory_bytes(probe_machine(), available_memory_bytes()) if has_fits else None
    catalog = load_catalog(catalogs)
    if name:
        _show_one(catalog, name, memory_bytes, as_json=as_json)
        return
    choices = choose(catalog.models, Wanted(country, lab, max_bytes, memory_bytes))
    if as_json:
        _print_json(choices, memory_bytes)
        return
    if not choices:
        click.echo("No model of the catalogue is like that; `harness models` lists them all.")
        return
    click.echo(catalog_table(choices, local_state, has_fits=has_fits))
    if memory_bytes is not None:
        click.echo(_fits_note(len(catalog.models) - len(choices), memory_bytes), err=True)


def _show_one(catalog: Catalog, name: str, memory_bytes: int | None, *, as_json: bool) -> None:
    if not catalog.knows(name.partition(":")[0]) and "/" in name:
        _show_header(catalog, name, as_json=as_json)
        return
    # A variant may stand behind the name, as `run` takes it; it is on the page anyway.
    spec = catalog.spec(name.partition(":")[0])
    if as_json:
        variant = spec.variants[0] if spec.variants else None
        _print_json([Choice(spec, variant)], memory_bytes)
    else:
        click.echo(model_page(spec, local_state, memory_bytes))


def _show_header(catalog: Catalog, name: str, *, as_json: bool) -> None:
    """A repository of the hub or a file: what its header says."""
    fetching = Fetching(terminal.console())
    found = find_headers(name, fetching.report, catalog)
    fetching.done()
    click.echo(json.dumps(header_document(found), indent=2) if as_json else header_page(found))


def _print_json(choices: list[Choice], memory_bytes: int | None) -> None:
    document: dict[str, Any] = {"schema": 1}
    if memory_bytes is not None:
        document["memory_bytes"] = memory_bytes
    document["models"] = [model_document(choice, local_state, memory_bytes) for choice in choices]
    click.echo(json.dumps(document, indent=2))


def _memory_bytes(machine: Machine, available_bytes: int) -> int:
    """What a model can have: on a Mac at most Metal's limit, else the larger of RAM and GPUs."""
    if machine.gpu_limit_bytes is not None:
        return min(available_bytes, machine.gpu_limit_bytes)
    return max(available_bytes, sum(card.memory_bytes or 0 for card in machine.accelerators))


def _fits_note(n_left_out: int, memory_bytes: int) -> str:
    return (
        f"\nEstimated, for a default context and {units.memory_size(memory_bytes)} of memory; "
        f"{n_left_out} others left out."
    )


def _show_local(*, as_json: bool) -> None:
    files = find_local()
    if as_json:
        click.echo(json.dumps(local_document(files), indent=2))
    elif files:
        click.echo(local_text(files))
        click.echo("\n`harness run PATH` measures one where it lies.", err=True)
    else:
        click.echo("Neither Ollama, LM Studio, llama.cpp nor the Hugging Face cache has one here.")
