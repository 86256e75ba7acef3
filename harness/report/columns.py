"""Columns of text made to fit a width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.report.cells import TextColumn

# What is left of a text that had to be cut still tells it from others.
_LEAST_WIDTH = 14


def fitted(columns: list[TextColumn], width: int) -> Iterator[tuple[int, list[TextColumn]]]:
    """
    The columns with the gap between them, in as many pieces as the width makes necessary.

    Where it is too small the gap goes first, then the end of the longest texts; then columns are
    shown below each other, each time behind the first.
    """
    if not columns:
        return
    gap = next((gap for gap in (2, 1) if _total(columns, gap) <= width), 0)
    if gap or any(column.has_paths for column in columns):
        yield gap or 2, columns
        return
    wide = max((it for it in columns if it.may_be_cut), key=width_of, default=None)
    if wide is not None:
        room = width_of(wide) - (_total(columns, 1) - width)
        if room >= _LEAST_WIDTH:
            yield 1, [_shortened(it, room) if it is wide else it for it in columns]
            return
    first, *rest = columns
    piece = [first := _shortened(first, _LEAST_WIDTH)]
    for together in _bound(rest):
        if len(piece) > 1 and _total([*piece, *together], 2) > width:
            yield 2, piece
            piece = [first]
        piece += together
    yield 2, piece


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
