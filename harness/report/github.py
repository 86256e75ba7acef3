"""A Page as Markdown, as GitHub shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.report.cells import text_columns, text_of
from harness.report.page import Facts, Note, Page, Table, shown_as_text
from harness.report.text import sanitize

# All that Markdown, GitHub's formulas and mentions, or HTML would take for their own; between
# letters and digits "_", "@" and "#" are only themselves, and names are full of them. A backslash
# before punctuation is always that character (CommonMark 0.31, 2.4). A runner's log takes "::".
_SPECIAL = re.compile(r"[\\`*\[\]<>|~$&]|:(?=:)|(?<=:):|[_@#](?![A-Za-z0-9])|(?<![A-Za-z0-9])[_@#]")


def render(page: Page) -> str:
    """The page as Markdown, its parts an empty line apart; without a line break at the end."""
    blocks = [_block(part) for part in shown_as_text(page)]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _block(part: Table | Facts | Note) -> list[str]:
    match part:
        case Table():
            lines = _table(part)
            legend = [f"- {escaped(text)}" for text in part.legend]
            lines += ([""] if lines else []) + legend if legend else []
        case Facts():
            lines = [
                f"- {escaped(name)}: {escaped(text_of(cell))}"
                for name, cell in part.items
                if cell not in (None, "")
            ]
        case Note():
            lines = [escaped(text) for text in part.lines]
            if len(lines) > 1 or part.level != "text":
                lines = [f"- {line}" for line in lines]
    if not part.title:
        return lines
    title = f"**{escaped(part.title)}**"
    return [title, "", *lines] if lines else [title]


def _table(table: Table) -> list[str]:
    columns = text_columns(table) if table.rows else []
    if not columns:
        return []
    texts = [[escaped(text) for text in (it.header, *it.texts)] for it in columns]
    widths = [max(3, *map(len, column)) for column in texts]

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rules = [
        "-" * (width - 1) + (":" if column.align == "right" else "-")
        for width, column in zip(widths, columns, strict=True)
    ]
    rows = [
        [
            text.rjust(width) if column.align == "right" else text.ljust(width)
            for text, width, column in zip(row, widths, columns, strict=True)
        ]
        for row in zip(*texts, strict=True)
    ]
    return [line(rows[0]), line(rules), *map(line, rows[1:])]


def escaped(text: str) -> str:
    """`text` as Markdown that shows it, whatever is in it."""
    return _SPECIAL.sub(r"\\\g<0>", sanitize(text))
