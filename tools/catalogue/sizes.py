"""
Every variant of the catalogue laid out from its shape, set against the size its file has.

    python -m tools.catalogue.sizes
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click
from tabulate import tabulate

from harness.models.catalog.catalog import load_catalog
from harness.models.catalog.spec import ModelSpec, Variant
from tools.catalogue.architectures.blueprint import ShapeUnknown
from tools.catalogue.shapes import layout_of

# Files in which nothing but the tokenizer can differ: every tensor has one possible type.
_PLAIN = ("F32", "F16", "BF16", "FP16", "Q8_0", "Q6_K")
_LIMIT = 0.005


@dataclass(frozen=True)
class Row:
    """
    One variant.

    `n_bytes_made` are the weights laid out, `tokenizer_bytes` what a plain file of the same
    vocabulary has besides; `deviation` is their sum against the file, None where no size is known.
    """

    model: str
    n_bytes_file: int | None
    is_exact: bool
    n_bytes_made: int | None
    tokenizer_bytes: int
    deviation: float | None
    note: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def main(as_json: bool) -> None:
    """List how far files made from the catalogue's shapes are from the published ones."""
    found = list(rows())
    if as_json:
        click.echo(json.dumps([asdict(row) for row in found], indent=1))
        return
    shown = [
        [
            row.model,
            _giga(row.n_bytes_file) + ("" if row.is_exact else " ~"),
            _giga(row.n_bytes_made),
            "" if row.deviation is None else f"{100 * row.deviation:+.2f} %",
            row.note,
        ]
        for row in found
    ]
    click.echo(tabulate(shown, ["model", "file, GB", "made, GB", "deviation", ""]))
    plain = [row for row in found if row.is_exact and row.deviation is not None and not row.note]
    near = [row for row in plain if abs(row.deviation or 0) <= _LIMIT]
    click.echo(f"\n{len(near)} of {len(plain)} with an exact size are within {100 * _LIMIT:.1f} %.")


def rows() -> Iterator[Row]:
    """One for each variant of the catalogue."""
    catalog = load_catalog()
    tokenizers = _tokenizers()
    for spec in catalog.models:
        n_vocab = spec.shape.n_vocab if spec.shape else None
        for variant in spec.variants:
            yield _row(spec, variant, tokenizers.get(n_vocab or 0, 0))


def _tokenizers() -> dict[int, int]:
    """Vocabulary size to the bytes that a plain file has beyond its weights; the median."""
    found: dict[int, list[int]] = {}
    for spec in load_catalog().models:
        for variant in spec.variants:
            if variant.n_bytes and variant.quantization in _PLAIN:
                made = _made(spec, variant)[0]
                if made and spec.shape and spec.shape.n_vocab:
                    found.setdefault(spec.shape.n_vocab, []).append(variant.n_bytes - made)
    return {n_vocab: sorted(sizes)[len(sizes) // 2] for n_vocab, sizes in found.items()}


def _row(spec: ModelSpec, variant: Variant, tokenizer_bytes: int) -> Row:
    made, note = _made(spec, variant)
    size = variant.size_bytes
    deviation = (made + tokenizer_bytes) / size - 1 if made and size else None
    return Row(
        f"{spec.name}:{variant.quantization}",
        size,
        variant.n_bytes is not None,
        made,
        tokenizer_bytes,
        deviation,
        note,
    )


def _made(spec: ModelSpec, variant: Variant) -> tuple[int | None, str]:
    try:
        layout = layout_of(spec, variant)
    except ShapeUnknown as error:
        return None, str(error)
    note = f"{layout.file_type} stands for it" if layout.is_stand_in else ""
    return layout.data_bytes, note


def _giga(n_bytes: int | None) -> str:
    return "" if n_bytes is None else f"{n_bytes / 1e9:.3f}"


if __name__ == "__main__":
    main()
