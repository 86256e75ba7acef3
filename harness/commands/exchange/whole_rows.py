"""
The part of a text that is llama-bench's own output, whole: what a shell put into the file beside it
(`2>&1`, a progress line) and a row that was cut off at the end are left out, and said.

Only what lies around rows is left out. What stands in a row is for whoever reads it to judge, so a
damaged one is an error as before; and where no whole row would be left, nothing is taken away.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harness.commands.exchange.elements import MOST_RECORD_CHARACTERS, MOST_RECORDS

# How each of the formats begins, at the beginning of a line.
_BEGINS = re.compile(
    r"^[^\S\n]*(?:(?P<json>\[)\s*(?:\{|\]|\Z)|(?P<jsonl>\{)\s*(?:\"|\})"
    r"|(?P<csv>\"?build_commit\"?\s*,)|(?P<sql>(?:create\s+table|insert\s+into)\s))",
    re.IGNORECASE | re.MULTILINE,
)
# A string, closed or not (none goes on in the next line), or what opens and closes.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\]]')
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_SQL_STATEMENT_ENDS = re.compile(r";[^\S\n]*(?:\n|\Z)")
# 20,000 records of 45 lines each are fewer.
_MOST_LINES = 2_000_000


@dataclass
class _Text:
    """What is to be left out of a text, as far as that is known."""

    text: str
    gaps: list[tuple[int, int]] = field(default_factory=list)
    n_lines: int = 0
    cut: str = ""
    ending: str = ""

    def leave_line_out(self, start: int, end: int) -> None:
        """One of the lines that are not llama-bench's."""
        self.n_lines += 1
        self._leave_out(start, end)

    def cut_off(self, start: int, what: str) -> None:
        """All from `start` on, which is `what` without its end."""
        self.cut = what
        self._leave_out(start, len(self.text))

    def _leave_out(self, start: int, end: int) -> None:
        if self.gaps and self.gaps[-1][1] == start:
            start = self.gaps.pop()[0]
        self.gaps.append((start, end))

    def lines(self, start: int) -> Iterator[re.Match[str]]:
        """Those that are not empty, from `start` on."""
        for number, line in enumerate(_LINE.finditer(self.text, start)):
            if number > _MOST_LINES:
                raise ValueError(f"it has more than {_MOST_LINES:,} lines")
            if not line[0].isspace():
                yield line

    @property
    def rest(self) -> str:
        """What stays; lines keep their numbers."""
        pieces, end = [], 0
        for start, after in self.gaps:
            pieces += [self.text[end:start], "\n" * self.text.count("\n", start, after)]
            end = after
        return "".join([*pieces, self.text[end:], self.ending])

    @property
    def left_out(self) -> tuple[str, ...]:
        """What was left out, in words."""
        lines = f"{self.n_lines} lines that are" if self.n_lines > 1 else "1 line that is"
        told = [f"{lines} not of llama-bench's results"] if self.n_lines else []
        return tuple([*told, self.cut] if self.cut else told)


def whole_rows(text: str) -> tuple[str, tuple[str, ...]]:
    """
    The rows in `text` that are whole, in the format they are in, and what was left out, in words.

    Raises:
        ValueError: It has more lines than any results.
    """
    begin = _BEGINS.search(text)
    if begin is None:
        return text, ()
    found = _Text(text)
    for line in found.lines(0):
        if line.start() >= begin.start():
            break
        found.leave_line_out(line.start(), line.end())
    is_any = _FORMATS[str(begin.lastgroup)](found, begin.start())
    return (found.rest, found.left_out) if is_any else (text, ())


def _json(found: _Text, begin: int) -> bool:
    """Leaves out what is beside the records of an array; whether there is any record."""
    depth, n_records, record_end, record_start = 0, 0, begin, begin
    is_closed = False
    for line in found.lines(begin):
        if is_closed or (depth == 1 and line[0].lstrip()[0] not in "{}[],"):
            found.leave_line_out(line.start(), line.end())
            continue
        for token in _TOKEN.finditer(found.text, line.start(), line.end()):
            if token[0] in "{[":
                depth += 1
                record_start = token.start() if depth == 2 else record_start
            elif token[0] in "}]":
                depth -= 1
                if depth == 1:
                    n_records, record_end = n_records + 1, token.end()
                is_closed = is_closed or depth == 0
            # Whoever reads it refuses it: what comes behind need not be looked at.
            is_long = depth > 1 and token.start() - record_start > MOST_RECORD_CHARACTERS
            if is_long or n_records > MOST_RECORDS:
                return True
    if not is_closed and n_records:
        what = (
            f"record {n_records + 1}, which is cut off" if depth > 1 else "the list's missing end"
        )
        found.cut_off(record_end, what)
        found.ending = "]"
    return n_records > 0


def _json_lines(found: _Text, begin: int) -> bool:
    """Leaves out lines that are no records, and a last one that is not closed."""
    n_records, last = 0, None
    for line in found.lines(begin):
        first = line[0].lstrip()[0]
        if first == "{":
            n_records, last = n_records + 1, line
        elif first not in '"}],':
            found.leave_line_out(line.start(), line.end())
    if last is not None and n_records > 1 and not _is_closed(last[0]):
        found.cut_off(last.start(), f"record {n_records}, which is cut off")
    return n_records > 0


def _is_closed(line: str) -> bool:
    opened = [token[0] for token in _TOKEN.finditer(line)]
    return sum(it in "{[" for it in opened) <= sum(it in "}]" for it in opened)


def _csv(found: _Text, begin: int) -> bool:
    """Leaves out lines that do not begin as rows do, and a last row with too few values."""
    lines = found.lines(begin)
    header = next(lines)
    rows: list[re.Match[str]] = []
    n_rows = 0
    for line in lines:
        if n_rows and rows[0][0].startswith('"') and not line[0].startswith('"'):
            found.leave_line_out(line.start(), line.end())
        else:
            n_rows += 1
            rows = [*rows[:1], line]
    if n_rows > 1 and _n_values(rows[-1][0]) < _n_values(header[0]):
        found.cut_off(rows[-1].start(), f"row {n_rows}, which is cut off")
    # A reader of CSV takes an empty line for the header.
    if begin:
        found.text, found.gaps = found.rest.lstrip("\n"), []
    return n_rows > 0


def _n_values(line: str) -> int:
    """How many values are in a line of CSV; none if it ends within one."""
    try:
        return len(next(csv.reader([line], strict=True)))
    except csv.Error:
        return 0


def _sql(found: _Text, begin: int) -> bool:
    """Leaves out what stands behind the last whole statement; whether one of them is a row."""
    end = begin
    for statement in _SQL_STATEMENT_ENDS.finditer(found.text, begin):
        end = statement.end()
    rest = found.text[end:]
    if re.match(r"\s*insert\s+into\s+\"?llama_bench", rest, re.IGNORECASE):
        found.cut_off(end, "the last row, which is cut off")
    elif not re.match(r"\s*(?:[a-z]+\s.*;|create\s)", rest, re.IGNORECASE | re.DOTALL):
        for line in found.lines(end):
            found.leave_line_out(line.start(), line.end())
    return re.search(r"insert\s+into", found.text[begin:end], re.IGNORECASE) is not None


_FORMATS: dict[str, Callable[[_Text, int], bool]] = {
    "json": _json,
    "jsonl": _json_lines,
    "csv": _csv,
    "sql": _sql,
}
