"""A Page as text for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.report.cells import TextColumn, text_columns, text_of
from harness.report.columns import cut, fitted, width_of
from harness.report.page import Facts, Note, Page, Table, shown_as_text
from harness.report.text import WIDTH, inert, sanitize, wrapped

_LEADS = {"text": "", "finding": "  - ", "warning": "!  "}
_INDENT = "  "


def render(page: Page) -> str:
    """The page, its parts an empty line apart; without a line break at the end."""
    blocks = [_block(part) for part in shown_as_text(page)]
    return "\n\n".join("\n".join(map(inert, block)) for block in blocks if block)


def _block(part: Table | Facts | Note) -> list[str]:
    match part:
        case Table():
            return _table(part)
        case Facts():
            return _facts(part)
        case Note():
            return _note(part)


def _note(note: Note) -> list[str]:
    lead = _LEADS[note.level]
    lines = _lines(note.title)
    for text in note.lines:
        lines += [lead + sanitize(text)] if note.is_whole else _lines(text, lead)
    return lines


def _facts(facts: Facts) -> list[str]:
    shown = [(sanitize(name), cell) for name, cell in facts.items if cell not in (None, "")]
    width = max((len(name) for name, _ in shown), default=0)
    lines = _lines(facts.title)
    for name, cell in shown:
        lead, text = f"{name:<{width}}  ", text_of(cell)
        lines += [lead + text] if isinstance(cell, Path) else wrapped(text, lead=lead)
    return lines


def _lines(text: str, lead: str = "") -> list[str]:
    return wrapped(sanitize(text), lead=lead)


# ------------------------------------------------------------------ tables


def _table(table: Table) -> list[str]:
    lines = [*_lines(table.title), ""] if table.title else []
    columns = text_columns(table) if table.rows else []
    groups: Sequence[str] = ()
    if table.is_grouped and columns:
        groups, columns = columns[0].texts, columns[1:]
    indent = _INDENT if groups else ""
    for index, (gap, piece) in enumerate(fitted(columns, WIDTH - len(indent))):
        lines += [""] if index else []
        lines += _rows(piece, groups, " " * gap, indent)
    return lines + [line for text in table.legend for line in _lines(text)]


def _rows(columns: Sequence[TextColumn], groups: Sequence[str], gap: str, indent: str) -> list[str]:
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
            lines.append(cut(last, WIDTH))
        lines.append(line(texts))
    return lines
