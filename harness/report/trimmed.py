"""A Page without what no page can carry: endless texts, and values that no picture has room for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from harness.report.columns import cut
from harness.report.page import Cell, Facts, Judged, Note, Page, Part, Table
from harness.report.picture import Mark, Picture

# A name of 300 characters is still told from another by its first 160; a reason needs more.
_NAME, _CELL, _LINE = 160, 400, 1000


def trimmed(page: Page) -> Page:
    """
    `page` with long texts cut, and pictures without marks that lie nowhere.

    Records come from strangers: a name or a reason may be megabytes, a value beyond every axis.
    """
    return tuple(_part(part) for part in page)


def believable(make: Callable[[], Page]) -> Page:
    """The same of what `make` gives; of values that nobody can have measured a warning."""
    try:
        return trimmed(make())
    except (ArithmeticError, ValueError) as error:
        # Records come from strangers: what follows from their values may be no number at all.
        text = f"Left out: the records hold values that nobody can have measured ({error})."
        return (Note((text,), "warning"),)


def _part(part: Part) -> Part:
    match part:
        case Table():
            columns = tuple(
                replace(it, header=it.header and cut(it.header, _NAME)) for it in part.columns
            )
            rows = tuple(tuple(map(_cell, row)) for row in part.rows)
            legend = tuple(cut(line, _LINE) for line in part.legend)
            title = cut(part.title, _CELL)
            return replace(part, columns=columns, rows=rows, legend=legend, title=title)
        case Facts():
            items = tuple((cut(name, _NAME), _cell(cell)) for name, cell in part.items)
            return replace(part, items=items, title=cut(part.title, _CELL))
        case Note():
            lines = tuple(cut(line, _LINE) for line in part.lines)
            return replace(part, lines=lines, title=cut(part.title, _CELL))
        case Picture():
            return _picture(part)


def _cell(cell: Cell) -> Cell:
    if isinstance(cell, str):
        return cut(cell, _CELL)
    return replace(cell, word=cut(cell.word, _CELL)) if isinstance(cell, Judged) else cell


def _picture(picture: Picture) -> Picture:
    marks = tuple(_mark(mark) for mark in picture.marks if _lies_somewhere(mark))
    rules = tuple(rule for rule in picture.rules if math.isfinite(rule.value))
    title = cut(picture.title, _CELL)
    return replace(picture, marks=marks, rules=rules, title=title)


def _mark(mark: Mark) -> Mark:
    return replace(
        mark,
        x=cut(mark.x, _NAME) if isinstance(mark.x, str) else mark.x,
        y=cut(mark.y, _NAME) if isinstance(mark.y, str) else mark.y,
        label=cut(mark.label, _CELL),
        series=cut(mark.series, _NAME),
    )


def _lies_somewhere(mark: Mark) -> bool:
    values = (mark.x, mark.y, mark.low, mark.high, mark.shade)
    return all(math.isfinite(it) for it in values if isinstance(it, int | float))
