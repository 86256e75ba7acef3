"""A Page's tables as lines of raw numbers: in ns, bytes, tok/s, with nothing rounded."""

from __future__ import annotations

import csv
import io

from harness.report.page import Cell, Facts, Judged, Page, Quantity, Table
from harness.report.text import sanitize
from harness.schema.figure import Figure

_Value = str | int | float
# What a Figure's column becomes.
_PARTS = ("value", "low", "high", "n", "unit", "kind")


def render(page: Page, delimiter: str) -> str:
    """
    A header and a line for each row of all tables, without a line break at the end.

    Columns that only some tables have are empty in the others. A page without tables for programs
    is a line for each of its facts.
    """
    tables = [it for it in page if isinstance(it, Table) and any(c.key for c in it.columns)]
    if tables:
        lines = [_line(table, row) for table in tables for row in table.rows]
        header = [name for table in tables for name in _names(table)]
    else:
        facts = [it for it in page if isinstance(it, Facts)]
        lines = [
            {"of": sanitize(each.title), "fact": sanitize(name), "value": _raw(cell)}
            for each in facts
            for name, cell in each.items
        ]
        header = ["of", "fact", "value"] if facts else []
    stream = io.StringIO()
    names = list(dict.fromkeys(header))
    writer = csv.DictWriter(stream, names, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue().rstrip("\n")


def _names(table: Table) -> list[str]:
    """The columns of a table; of Figures a column for each part."""
    keys = [column.key for column in table.columns if column.key is not None]
    return [name for key in keys for name in (_parts(key) if _is_of_figures(key) else [key])]


def _line(table: Table, row: tuple[Cell, ...]) -> dict[str, _Value]:
    found: dict[str, _Value] = {}
    for column, cell in zip(table.columns, row, strict=True):
        if column.key is None:
            continue
        if not _is_of_figures(column.key):
            found[column.key] = _raw(cell)
        elif isinstance(cell, Figure):
            values = [_raw(getattr(cell, part)) for part in _PARTS]
            found |= dict(zip(_parts(column.key), values, strict=True))
    return found


def _is_of_figures(key: str) -> bool:
    return key == "" or key.endswith("_")


def _parts(key: str) -> list[str]:
    return [key + part for part in _PARTS]


def _raw(cell: Cell) -> _Value:
    match cell:
        case None:
            return ""
        case Figure() | Quantity():
            return cell.value
        case Judged():
            return sanitize(cell.word)
        case int() | float():
            return cell
        case _:
            return sanitize(str(cell))
