"""
The rows that llama-bench's SQL inserts, and those of a database that it was piped into.

Both come from anywhere. So SQLite reads them in memory and is asked before each of its actions:
a script may make the one table and insert values into it, a database may be selected from that
table. No other file, no functions, no views, no triggers, nothing that computes, and not for ever.
Source: sqlite.org, "Defense Against The Dark Arts".
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from harness.commands.exchange.record import NAMES, OLDER, SQL_TYPES

MAGIC = b"SQLite format 3\0"
_TABLE = "llama_bench"
_SCHEMA = "sqlite_master"
# Names with types: no virtual table, no column that is computed, no default, no check.
_PLAIN_TABLE = re.compile(
    r"CREATE TABLE\s+(?:\"llama_bench\"|llama_bench)\s*\("
    r"\s*\w+\s+\w+\s*(?:,\s*\w+\s+\w+\s*)*\)",
    re.IGNORECASE,
)
# No value of llama-bench's is as long, and none may fill the memory.
_MOST_VALUE_BYTES = 1 << 20
# A row is read in some hundred steps of SQLite's machine; this is a second or two of them. What
# a script does needs no such bound: without SELECT each statement's work is as long as its text.
_STEPS = 10_000
_MOST_CALLS = 10_000
_MOST_REASON_CHARACTERS = 120

_Allowed = Mapping[int, tuple[str | None, ...]]
# Action to the tables that it may be done to; a selection names none.
_READING: _Allowed = {sqlite3.SQLITE_SELECT: (None,), sqlite3.SQLITE_READ: (_TABLE, _SCHEMA)}
# SQLite notes the new table in its schema, through the same door; a statement of the script's own
# cannot change that one (sqlite.org, "PRAGMA writable_schema").
_FILLING: _Allowed = {
    sqlite3.SQLITE_CREATE_TABLE: (_TABLE,),
    sqlite3.SQLITE_INSERT: (_TABLE, _SCHEMA),
    sqlite3.SQLITE_UPDATE: (_SCHEMA,),
    sqlite3.SQLITE_READ: (_SCHEMA,),
}


class NotOurSql(ValueError):
    """The text or database is none of llama-bench's; the message says why."""


def rows_of_script(text: str) -> Iterator[dict[str, object]]:
    """
    The rows that `text` inserts, in their order; a column that a row does not name is None.

    Raises:
        NotOurSql: It does anything but make the table llama_bench and insert values.
    """
    with _memory() as connection:
        if text.lstrip()[:6].lower() != "create":
            # Rows for a database that llama-bench began: the table is there already.
            columns = (f"{name} {SQL_TYPES.get(name, 'INTEGER')}" for name in (*NAMES, *OLDER))
            connection.execute(f"CREATE TABLE {_TABLE} ({', '.join(columns)})")
        _allow(connection, _FILLING)
        try:
            connection.executescript(text)
        except sqlite3.Error as error:
            raise NotOurSql(_refusal(connection, error)) from error
        yield from _rows(connection)


def rows_of_database(data: bytes) -> Iterator[dict[str, object]]:
    """
    The rows of the table llama_bench in the database `data`, in the order they lie in.

    Raises:
        NotOurSql: There is no such ordinary table, or the file is damaged.
    """
    # Bytes 18 and 19: 2 means that changes may lie in a file beside it, which is not here.
    if data[18:20] == b"\x02\x02":
        raise NotOurSql("it keeps a log beside it; run: sqlite3 FILE 'PRAGMA journal_mode=DELETE'")
    with _memory() as connection:
        try:
            connection.deserialize(data)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_VALUE_BYTES)
            connection.execute("PRAGMA query_only = ON")
            yield from _rows(connection)
        except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
            raise NotOurSql(f"SQLite cannot read it: {_said(error)}") from error


@contextmanager
def _memory() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        yield connection


def _rows(connection: sqlite3.Connection) -> Iterator[dict[str, object]]:
    calls = iter(range(_MOST_CALLS))
    connection.set_progress_handler(lambda: next(calls, None) is None, _STEPS)
    _allow(connection, _READING)
    definition = connection.execute(
        f"SELECT sql FROM {_SCHEMA} WHERE type = 'table' AND name = ?", (_TABLE,)
    ).fetchone()
    if definition is None:
        raise NotOurSql(f"it holds no table {_TABLE}")
    if not _PLAIN_TABLE.fullmatch(str(definition[0])):
        raise NotOurSql(f"its table {_TABLE} is not as llama-bench makes it")
    cursor = connection.execute(f"SELECT * FROM {_TABLE} ORDER BY rowid")
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


def _allow(connection: sqlite3.Connection, allowed: _Allowed) -> None:
    """Has SQLite refuse whatever is not in `allowed`."""

    def may(action: int, table: str | None, *_: str | None) -> int:
        is_allowed = table in allowed.get(action, ())
        return sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY

    connection.set_authorizer(may)


def _refusal(connection: sqlite3.Connection, error: sqlite3.Error) -> str:
    """What is wrong with the statement that `error` ended, and where it stands."""
    reason = _said(error)
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_AUTH:
        reason = f"it does more than make the table {_TABLE} and insert values into it"
    elif "syntax error" in reason or "unrecognized token" in reason:
        reason += " (llama-bench does not escape quotes inside a value)"
    n_rows = connection.total_changes
    return f"{f'after row {n_rows}' if n_rows else 'before any row'}: {reason}"


def _said(error: Exception) -> str:
    """SQLite's words, of which what it quotes may be the rest of the file."""
    return str(error)[:_MOST_REASON_CHARACTERS]
