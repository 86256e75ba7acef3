"""Columns of text made to fit a width."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.report.cells import TextColumn

# What is left of a text that had to be cut still tells it from others.
_LEAST_WIDTH = 14


def is_fitting(columns: Sequence[TextColumn], width: int) -> bool:
    """Whether they stand beside each other without anything being cut."""
    return _total(columns, 2) <= width


def fitted(
    columns: list[TextColumn], width: int, *, is_grouped: bool = False
) -> Iterator[tuple[int, list[TextColumn]]]:
    """
    The columns with the gap between them, in as many pieces as the width makes necessary.

    Where it is too small optional columns go first, then the gap, then the ends of the longest
    texts; then columns are shown below each other, each time behind those that say what a row is
    of: the first, and where lines above the rows have that already, the texts before the figures.
    """
    if not columns:
        return
    if not is_fitting(columns, width):
        columns = [column for column in columns if not column.is_optional]
    gap = next((gap for gap in (2, 1) if _total(columns, gap) <= width), 0)
    if gap or any(column.has_paths for column in columns):
        yield gap or 2, columns
        return
    room = _room(columns, width)
    if room is not None:
        yield 1, [_shortened(it, room) if it.may_be_cut else it for it in columns]
        return
    first = [_shortened(it, _LEAST_WIDTH) for it in _leading(columns, width, is_grouped)]
    piece = [*first]
    room = max(_LEAST_WIDTH, width - sum(map(width_of, first)) - 2)
    rest = [_shortened(it, room) if it.may_be_cut else it for it in columns[len(first) :]]
    for together in _bound(rest):
        if len(piece) > len(first) and _total([*piece, *together], 2) > width:
            yield 2, piece
            piece = [*first]
        piece += together
    yield 2, piece


def _leading(columns: Sequence[TextColumn], width: int, is_grouped: bool) -> Sequence[TextColumn]:
    """What stands before the figures in each piece."""
    if not is_grouped:
        return columns[:1]
    texts = list(itertools.takewhile(lambda it: it.align == "left", columns))
    # Of a table of texts alone each would come again and again, and leave no room.
    has_room = len(texts) < len(columns) and _total(texts, 2) <= width // 2
    return texts if has_room else []


def _room(columns: Sequence[TextColumn], width: int) -> int | None:
    """How long texts may be for all to stand beside each other; None where that is too short."""
    cuttable = [width_of(it) for it in columns if it.may_be_cut]
    excess = _total(columns, 1) - width
    for room in range(max(cuttable, default=0), _LEAST_WIDTH - 1, -1):
        if sum(max(0, each - room) for each in cuttable) >= excess:
            return room
    return None


def _bound(columns: Sequence[TextColumn]) -> list[list[TextColumn]]:
    """Columns that stay beside each other."""
    found: list[list[TextColumn]] = []
    for column in columns:
        if column.is_bound:
            found[-1].append(column)
        else:
            found.append([column])
    return found


def width_of(column: TextColumn) -> int:
    """Its longest text, or its header."""
    return max(map(len, (column.header, *column.texts)))


def _total(columns: Sequence[TextColumn], gap: int) -> int:
    return sum(map(width_of, columns)) + gap * (len(columns) - 1)


def _shortened(column: TextColumn, width: int) -> TextColumn:
    return replace(column, texts=tuple(cut(text, width) for text in column.texts))


def cut(text: str, width: int) -> str:
    """`text` in at most `width`, with a mark where some of it is gone."""
    return text if len(text) <= width else text[: width - 1] + "…"
