"""A Page with one of everything, and text that attacks whoever shows it."""

from __future__ import annotations

from pathlib import Path

from harness.report.page import Column, Facts, Note, Page, Quantity, Table
from harness.schema.figure import Figure, exact

HOSTILE = (
    "a|b<script>alert(1)</script>`x`_*[y](http://z)\n::error::forged\x00\x1b[31m\u202e%0A&amp;"
    "]]>\ud800\ufffe::set-output name=x::y $m$ @all #1 ##[error]forged"
)

RATE = Figure(305.4, 301.2, 317.9, "tok/s", "interval", n=6)
FEW = Figure(520e6, 510e6, 530e6, "ns", "range", n=3)
SIZE = exact(98_362_432, "bytes")


def make_table(*rows: tuple[str, Figure | None], **changes: object) -> Table:
    """Figures of metrics, one a row, as a table that programs can read too."""
    columns = (
        Column(None, "model"),
        Column("metric", "metric"),
        Column("value", "", "right", interval="95 % interval"),
    )
    return Table(columns, tuple(("m:a", *row) for row in rows), **changes)  # type: ignore[arg-type]


def make_page(text: str = "text") -> Page:
    """One of everything, with `text` wherever text may stand."""
    return (
        Facts(
            (("Model", text), ("Size", Quantity(98_362_432, "file bytes")), ("None", None)), text
        ),
        make_table((text, RATE), ("load", FEW), ("memory", SIZE), ("gone", None), title=text),
        Table((Column(text), Column("path")), ((text, Path("a b/c.gguf")),), is_grouped=True),
        Note((text, "two"), title=text),
        Note((text,), "finding"),
        Note((text,), "warning", is_whole=True),
    )
