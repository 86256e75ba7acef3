"""A Page as text in lines of a width, 80 columns unless a terminal has others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.report.cells import TextColumn, text_columns, text_of
from harness.report.columns import cut, fitted, is_fitting, width_of
from harness.report.page import Facts, Note, Page, Table, shown_as_text
from harness.report.text import WIDTH, inert, sanitize, wrapped

_LEADS = {"text": "", "finding": "  - ", "warning": "!  "}
_INDENT = "  "
_WIDEST_TEXT = 100


def render(page: Page, width: int = WIDTH) -> str:
    """The page, its parts an empty line apart; without a line break at the end."""
    blocks = [_block(part, width) for part in shown_as_text(page)]
    return "\n\n".join("\n".join(map(inert, block)) for block in blocks if block)


def _block(part: Table | Facts | Note, width: int) -> list[str]:
    match part:
        case Table():
            return _table(part, width)
        case Facts():
            return _facts(part, width)
        case Note():
            return _note(part, width)


def _note(note: Note, width: int) -> list[str]:
    lead = _LEADS[note.level]
    lines = _lines(note.title, width)
    for text in note.lines:
        lines += [lead + sanitize(text)] if note.is_whole else _lines(text, width, lead)
    return lines


def _facts(facts: Facts, width: int) -> list[str]:
    shown = [(sanitize(name), cell) for name, cell in facts.items if cell not in (None, "")]
    widest = max((len(name) for name, _ in shown), default=0)
    lines = _lines(facts.title, width)
    for name, cell in shown:
        lead, text = f"{name:<{widest}}  ", text_of(cell)
        is_path = isinstance(cell, Path)
        lines += [lead + text] if is_path else wrapped(text, lead=lead, width=width)
    return lines


def _lines(text: str, width: int, lead: str = "") -> list[str]:
    # A sentence is read by its eyes, which lose the line in longer ones.
    return wrapped(sanitize(text), lead=lead, width=min(width, _WIDEST_TEXT))


# ------------------------------------------------------------------ tables


def _table(table: Table, width: int) -> list[str]:
    lines = [*_lines(table.title, width), ""] if table.title else []
    columns = text_columns(table) if table.rows else []
    groups: Sequence[str] = ()
    if table.is_grouped and columns and not _stands_alone(columns, width):
        groups, columns = columns[0].texts, columns[1:]
    indent = _INDENT if groups else ""
    pieces = fitted(columns, width - len(indent), is_grouped=bool(groups))
    for index, (gap, piece) in enumerate(pieces):
        lines += [""] if index else []
        lines += _rows(piece, groups, " " * gap, indent, width)
    return lines + [line for text in table.legend for line in _lines(text, width)]


def _stands_alone(columns: Sequence[TextColumn], width: int) -> bool:
    """Whether each row has a group of its own, and a line has room for its name."""
    names = columns[0].texts
    return len({*names}) == len(names) and is_fitting(columns, width)


def _rows(
    columns: Sequence[TextColumn], groups: Sequence[str], gap: str, indent: str, width: int
) -> list[str]:
    widths = [width_of(column) for column in columns]

    def line(texts: Sequence[str]) -> str:
        cells = [
            text.rjust(width) if column.align == "right" else text.ljust(width)
            for text, width, column in zip(texts, widths, columns, strict=True)
        ]
        return (indent + gap.join(cells)).rstrip()

    lines = []
    if any(column.header for column in columns):
        lines = [line([column.header for column in columns]), line(["-" * it for it in widths])]
    last = None
    for index, texts in enumerate(zip(*(column.texts for column in columns), strict=True)):
        if groups and groups[index] != last:
            last = groups[index]
            lines.append(cut(last, width))
        lines.append(line(texts))
    return lines
