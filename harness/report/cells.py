"""The cells of a Page as text, in the words that every renderer for people shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness import units
from harness.report.page import Cell, Judged, Quantity, Table
from harness.report.text import sanitize
from harness.schema.figure import Figure

if TYPE_CHECKING:
    # It brings what reads figures, and a listing of nothing needs none of it.
    from harness.analysis.cases import Case

RANGE_MARK = " *"
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class TextColumn:
    """
    One column as it is read.

    Attributes:
        is_bound: Whether it says more of the column before it, and stays beside that.
        is_optional: Whether it is left out where a line has no room for it.
        may_be_cut: Whether a part of its texts will do where room is short.
        has_paths: Whether it holds something to be copied whole.
        cells: What `texts` are made of; of bounds, which are in the column before, nothing.
    """

    header: str
    texts: tuple[str, ...]
    align: Literal["left", "right"]
    is_bound: bool = False
    is_optional: bool = False
    may_be_cut: bool = False
    has_paths: bool = False
    cells: tuple[Cell, ...] = ()


def text_columns(table: Table) -> list[TextColumn]:
    """The columns for people; behind one of Figures the one of their bounds, if it is wanted."""
    found = []
    for index, column in enumerate(table.columns):
        if column.header is None:
            continue
        cells = [row[index] for row in table.rows]
        has_figures = any(isinstance(cell, Figure) for cell in cells)
        found.append(
            TextColumn(
                sanitize(column.header),
                tuple(
                    NOTHING if has_figures and it is None else text_of(it, column.unit)
                    for it in cells
                ),
                column.align,
                may_be_cut=all(isinstance(cell, str) for cell in cells),
                has_paths=any(isinstance(cell, Path) for cell in cells),
                cells=tuple(cells),
            )
        )
        if column.interval is not None and any(map(_is_uncertain, cells)):
            bounds = tuple(
                bounds_of(it, column.unit) if isinstance(it, Figure) else "" for it in cells
            )
            optional = column.is_interval_optional
            found.append(
                TextColumn(column.interval, bounds, "left", is_bound=True, is_optional=optional)
            )
    return found


def text_of(cell: Cell, unit: str | None = None) -> str:
    """One cell, its number in `unit` or its own; of a Figure the value."""
    match cell:
        case None:
            return ""
        case Figure() | Quantity():
            return units.quantity(cell.value, unit or cell.unit)
        case Judged():
            return sanitize(cell.word)
        case int() | float() if unit is not None:
            return units.quantity(cell, unit)
        case float():
            return units.significant(cell)
        case _:
            return sanitize(str(cell))


def without_figure(case: Case) -> Cell:
    """What stands in the place of a figure that a case has not got: that it failed, or nothing."""
    return "failed" if case.outcome.status == "failed" else None


def bounds_of(figure: Figure, unit: str | None = None) -> str:
    """Where a Figure lies: "301 – 317", with a mark where that is no interval; or "exact"."""
    if figure.kind == "exact":
        return "exact"
    mark = RANGE_MARK if figure.kind == "range" else ""
    low, high = (
        None if bound is None else units.quantity(bound, unit or figure.unit)
        for bound in (figure.low, figure.high)
    )
    if low is high is None:
        return NOTHING
    if figure.n == 1:
        return NOTHING + mark
    if low is None:
        return f"up to {high}"
    return f"from {low}" if high is None else f"{low} – {high}{mark}"


def _is_uncertain(cell: Cell) -> bool:
    return isinstance(cell, Figure) and cell.kind != "exact"
