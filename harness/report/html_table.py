"""A Table as an element of HTML, and text of unknown origin as text of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from harness.report.cells import NOTHING, TextColumn, text_columns
from harness.report.page import Judged, Table
from harness.report.text import sanitize

# Longer texts are broken into lines; shorter ones stay whole, so that columns can be read.
_WHOLE = 28


def html_text(text: str) -> str:
    """Whatever it is, shown and not obeyed."""
    return escape(sanitize(text))


def html_table(table: Table) -> str:
    """The element; what rows that follow each other share stands once, where that is meant."""
    first, *others = [_Column(each, tuple(_classes(each))) for each in text_columns(table)]
    caption = f"<caption>{html_text(table.title)}</caption>" if table.title else ""
    head = "".join(column.head for column in (first, *others))
    bodies = []
    for rows in _groups(first, len(table.rows), is_grouped=table.is_grouped):
        cells = ["".join(column.cell(row) for column in others) for row in rows]
        span = len(rows) if table.is_grouped else 1
        heads = [first.row_head(row, span) if span == 1 or row == rows[0] else "" for row in rows]
        lines = [f"<tr>{it}{them}</tr>" for it, them in zip(heads, cells, strict=True)]
        bodies.append("<tbody>" + "\n".join(lines) + "</tbody>")
    return f"<table>{caption}<thead><tr>{head}</tr></thead>\n{''.join(bodies)}</table>"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column, and the classes of all its cells."""

    column: TextColumn
    classes: tuple[str, ...]

    @property
    def head(self) -> str:
        """Its first cell; a heading without a word would be read aloud as one."""
        text, kind = html_text(self.column.header), _attribute(self.classes)
        return f'<th scope="col"{kind}>{text}</th>' if text else f"<td{kind}></td>"

    def row_head(self, row: int, n_rows: int) -> str:
        """The cell that names a row, or several."""
        scope = f'rowgroup" rowspan="{n_rows}' if n_rows > 1 else "row"
        text = html_text(self.column.texts[row])
        return f'<th scope="{scope}"{_attribute(self.classes)}>{text}</th>'

    def cell(self, row: int) -> str:
        """Any other cell."""
        text = html_text(self.column.texts[row])
        quiet = ("nothing",) if self.column.texts[row] == NOTHING else ()
        judged = self.column.cells[row] if self.column.cells else None
        if isinstance(judged, Judged):
            # Whatever a kind is, of a class it has the letters.
            kind = re.sub("[^a-z]+", "-", f"{judged.status} {judged.kind}".lower())
            hint = f' title="{html_text(judged.message)}"' if judged.message else ""
            text = f'<span class="judged {judged.status} {kind}"{hint}>{text}</span>'
        return f"<td{_attribute((*self.classes, *quiet))}>{text}</td>"


def _groups(first: _Column, n_rows: int, *, is_grouped: bool) -> list[list[int]]:
    """Numbers of rows; of a grouped table those of each group, else all of them."""
    texts = first.column.texts
    if not is_grouped:
        return [list(range(n_rows))]
    return [list(group) for _, group in groupby(range(n_rows), lambda row: texts[row])]


def _classes(column: TextColumn) -> Iterator[str]:
    if column.align == "right":
        yield "number"
    if column.is_bound:
        yield "bounds"
    if any(isinstance(cell, Judged) for cell in column.cells):
        yield "verdict"
    elif any(len(text) > _WHOLE for text in column.texts):
        yield "long"


def _attribute(classes: Sequence[str]) -> str:
    return f' class="{" ".join(classes)}"' if classes else ""
