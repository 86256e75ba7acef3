"""A file of llama-bench's results, whichever of its formats it is in, as checked records."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import ValidationError

from harness.commands.exchange.elements import (
    MOST_RECORD_CHARACTERS,
    MOST_RECORDS,
    elements,
    lines,
    loaded,
)
from harness.commands.exchange.record import NAMES, OLDER, SAMPLES, BenchRecord
from harness.commands.exchange.sql import MAGIC, rows_of_database, rows_of_script
from harness.commands.exchange.whole_rows import whole_rows
from harness.errors import ResultsInvalid
from harness.schema.record import first_mistake

MOST_BYTES = 32 << 20
"""A record with its samples has some 2 KB; whoever has more than 16,000 of them can split them."""
MOST_SAMPLES = 200_000
"""Of all records; twice what one may have. Each becomes a trial, of 600 bytes in memory."""

_MOST_UNKNOWN = 1000
_KNOWN = frozenset((*NAMES, *OLDER, *SAMPLES, "harness"))
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_KEYS = "build_commit"  # first in llama-bench's CSV, and in each of its records


@dataclass(frozen=True)
class BenchFile:
    """
    Its records in their order, and the keys in them that nothing is made of.

    `beside` says what else is in the file and was left out: lines of a log, a row that is cut off.
    """

    records: tuple[BenchRecord, ...]
    unknown_keys: tuple[str, ...]
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Raw:
    """One record as it stands there; `place` says where."""

    place: str
    values: dict[str, Any]


def parse(data: bytes, name: str) -> BenchFile:
    """
    The records in `data`.

    Args:
        data: The whole file; at most MOST_BYTES.
        name: What to call it in messages.

    Raises:
        ResultsInvalid: It is no file of llama-bench's, or a record in it is damaged.
    """
    if len(data) > MOST_BYTES:
        raise ResultsInvalid(
            f"{name} has more than {MOST_BYTES >> 20} MiB, too much for results of llama-bench; "
            "split it if it is one."
        )
    records: list[BenchRecord] = []
    unknown: set[str] = set()
    beside: list[str] = []
    n_samples = 0
    try:
        # One after the other: a file that is none ends at its first record.
        for raw in _rows(data, beside):
            record = _checked(raw, name)
            records.append(record)
            n_samples += len(record.samples_ns)
            if len(records) > MOST_RECORDS or n_samples > MOST_SAMPLES:
                raise ValueError(
                    f"it has more than {MOST_RECORDS:,} records, or {MOST_SAMPLES:,} samples"
                )
            unknown.update(islice(raw.values.keys() - _KNOWN, _MOST_UNKNOWN - len(unknown)))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        # SQLite quotes what it read: that may be anything.
        line = "".join(char if char.isprintable() else "?" for char in reason)
        raise ResultsInvalid(f"{name} was not imported: {line}.") from error
    if not records:
        raise ResultsInvalid(f"{name} was not imported: it holds no record.")
    return BenchFile(tuple(records), tuple(sorted(unknown)), tuple(beside))


def _rows(data: bytes, beside: list[str]) -> Iterator[_Raw]:
    """What is in the file, a record each; `beside` is added to what is left out."""
    if data.startswith(MAGIC):
        yield from _sql_rows(rows_of_database(data))
        return
    text, left_out = whole_rows(_decoded(data))
    beside.extend(left_out)
    start = text.lstrip()[:40].lower()
    if start.startswith("["):
        yield from _json_rows(text)
    elif start.startswith("{"):
        yield from _jsonl_rows(text)
    elif start.startswith(("create table", "insert into")):
        yield from _sql_rows(rows_of_script(text))
    elif start.startswith((_KEYS, f'"{_KEYS}')):
        yield from _csv_rows(text)
    elif start.startswith("| model"):
        raise ValueError("its table is rounded; have llama-bench print -o jsonl instead")
    else:
        raise ValueError(
            "it is none of llama-bench's formats: JSON, JSON lines, CSV, SQL, or the SQLite "
            "database made of that"
        )


def _decoded(data: bytes) -> str:
    """`data` as text; Windows' own shell writes what it redirects in UTF-16."""
    try:
        return data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None


def _sql_rows(rows: Iterable[dict[str, object]]) -> Iterator[_Raw]:
    for number, row in enumerate(rows, start=1):
        # A column that was added later is empty in the rows before.
        told = {key: value for key, value in row.items() if value is not None}
        yield _Raw(f"row {number}", told)


def _json_rows(text: str) -> Iterator[_Raw]:
    for number, value in enumerate(elements(text), start=1):
        yield _Raw(f"record {number}", _object(value, f"record {number}"))


def _jsonl_rows(text: str) -> Iterator[_Raw]:
    for number, line in enumerate(lines(text), start=1):
        if line.strip():
            place = f"line {number}"
            try:
                value = loaded(line)
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from error
            yield _Raw(place, _object(value, place))


def _csv_rows(text: str) -> Iterator[_Raw]:
    row_lines = _RowLines(text)
    reader = csv.reader(row_lines, strict=True)
    try:
        names = next(reader)
        if len(set(names)) != len(names):
            raise ValueError("its header names a column twice")
        for values in reader:
            row_lines.begin_row()
            place = f"line {reader.line_num}"
            if values and len(values) != len(names):
                raise ValueError(f"{place}: {len(values)} values for {len(names)} columns")
            if values:
                yield _Raw(place, dict(zip(names, values, strict=True)))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


class _RowLines(Iterator[str]):
    """Lines for a reader of CSV, which puts together what stands between quotes."""

    def __init__(self, text: str) -> None:
        self._lines = lines(text)
        self._n_characters = 0

    def begin_row(self) -> None:
        """What comes from here on belongs to another row."""
        self._n_characters = 0

    def __next__(self) -> str:
        line = next(self._lines)
        self._n_characters += len(line)
        if self._n_characters > MOST_RECORD_CHARACTERS:
            raise ValueError(f"a row has more than {MOST_RECORD_CHARACTERS:,} characters")
        return line


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{place} is not an object")
    return value


def _checked(raw: _Raw, name: str) -> BenchRecord:
    try:
        return BenchRecord.model_validate(raw.values)
    except ValidationError as error:
        told = first_mistake(error)
        raise ResultsInvalid(f"{name}, {raw.place} was not imported: {told}.") from error
