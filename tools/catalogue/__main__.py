"""
Writes harness/data/layouts.json.gz from models.yaml: `python -m tools.catalogue`.

tests/tools/catalogue/test_shipped.py holds the file against what would be written, so it is never
old.
"""

from __future__ import annotations

import click

from harness.models.gguf.layouts import LAYOUTS_FILE
from tools.catalogue.collect import collect, document_of, packed, shipped_catalog
from tools.catalogue.copies import header_copy, shipped_copies


@click.command()
@click.option(
    "--hub",
    "keys",
    multiple=True,
    metavar="NAME:QUANT",
    help="Ask the hub for this variant's own header and keep that. May be repeated.",
)
def main(keys: tuple[str, ...]) -> None:
    """
    Write the layout of every variant of the catalogue.

    Shapes are laid out anew; headers that came from the hub are kept until they are asked for
    again.
    """
    catalog = shipped_catalog()
    copies = shipped_copies(catalog) | {key: header_copy(key, catalog) for key in keys}
    found = collect(catalog, copies)
    data = packed(document_of(found.layouts))
    LAYOUTS_FILE.write_bytes(data)
    n_all = len(found.layouts) + len(found.missing)
    click.echo(f"{LAYOUTS_FILE}: {len(found.layouts)} of {n_all} variants, {len(data):,} bytes")
    for key, why in found.missing.items():
        click.echo(f"  without: {key} ({why})")


if __name__ == "__main__":
    main()
