"""`harness models`: what can be fetched, whose it is, how big it is, what is here."""

from __future__ import annotations

import json

import click
from tabulate import tabulate

from harness import units
from harness.commands import options
from harness.models.catalog import Entry, load_catalog
from harness.models.fetch import local_state


@click.command("models")
@options.json_option
def command(as_json: bool) -> None:
    """List the catalogue; a path to any GGUF file is as good as a name."""
    entries = list(load_catalog().entries())
    if as_json:
        rows = [_document(entry) for entry in entries]
        click.echo(json.dumps({"schema": 1, "models": rows}, indent=2))
        return
    table = [
        [
            entry.key,
            units.file_size(entry.variant.n_bytes),
            f"{units.significant(entry.spec.parameters.total / 1e6)} M",
            entry.spec.lab,
            entry.spec.licence,
            "here" if local_state(entry.spec, entry.variant) else "",
        ]
        for entry in entries
    ]
    headers = ["model", "size", "parameters", "from", "licence", ""]
    click.echo(tabulate(table, headers, tablefmt="simple", disable_numparse=True))


def _document(entry: Entry) -> dict[str, object]:
    path = local_state(entry.spec, entry.variant)
    return {
        "model": entry.key,
        "lab": entry.spec.lab,
        "country": entry.spec.country,
        "licence": entry.spec.licence,
        "released": entry.spec.released.isoformat(),
        "architecture": entry.spec.architecture,
        "n_params": entry.spec.parameters.total,
        "n_params_active": entry.spec.parameters.active,
        "n_ctx_train": entry.spec.context_trained,
        "quantization": entry.variant.quantization,
        "n_bytes": entry.variant.n_bytes,
        "sha256": entry.variant.sha256,
        "path": str(path) if path else None,
    }
