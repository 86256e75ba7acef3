"""
The rows of a database that llama-bench's SQL was piped into.

The file comes from anywhere, so it is read from memory by an SQLite that may only select from one
ordinary table: no views, no functions, no writing, no other file, and not for ever.
Source: sqlite.org, "Defense Against The Dark Arts".
"""

from __future__ import annotations

import re
import sqlite3

MAGIC = b"SQLite format 3\0"
_TABLE = "llama_bench"
# Names with types: no virtual table, no column that is computed, no default, no check.
_PLAIN_TABLE = re.compile(
    r"CREATE TABLE\s+(?:\"llama_bench\"|llama_bench)\s*\("
    r"\s*\w+\s+\w+\s*(?:,\s*\w+\s+\w+\s*)*\)",
    re.IGNORECASE,
)
# No value of llama-bench's is as long, and none may fill the memory.
_MOST_BYTES = 1 << 20
# A row is read in some hundred steps of SQLite's machine; this is a second or two of them.
_STEPS = 10_000
_MOST_CALLS = 10_000


class NotOurDatabase(ValueError):
    """The database cannot be read, or holds no table of llama-bench's; the message says why."""


def rows_of(data: bytes) -> list[dict[str, object]]:
    """
    The rows of the table `llama_bench` in the database `data`, in the order they lie in.

    Raises:
        NotOurDatabase: There is no such ordinary table, or the file is damaged.
    """
    connection = sqlite3.connect(":memory:")
    try:
        _open(connection, data)
        definition = connection.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (_TABLE,)
        ).fetchone()
        if definition is None:
            raise NotOurDatabase(f"it holds no table {_TABLE}")
        if not _PLAIN_TABLE.fullmatch(str(definition[0])):
            raise NotOurDatabase(f"its table {_TABLE} is not as llama-bench makes it")
        cursor = connection.execute(f"SELECT * FROM {_TABLE} ORDER BY rowid")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        raise NotOurDatabase(f"SQLite cannot read it: {error}") from error
    finally:
        connection.close()


def _open(connection: sqlite3.Connection, data: bytes) -> None:
    # Bytes 18 and 19: 2 means that changes may lie in a file beside it, which is not here.
    if data[18:20] == b"\x02\x02":
        raise NotOurDatabase(
            "it keeps a log beside it; run: sqlite3 FILE 'PRAGMA journal_mode=DELETE'"
        )
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.deserialize(data)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
    connection.execute("PRAGMA query_only = ON")
    calls = iter(range(_MOST_CALLS))
    connection.set_progress_handler(lambda: next(calls, None) is None, _STEPS)
    connection.set_authorizer(_may)


def _may(action: int, table: str | None, *_: str | None) -> int:
    allowed = action == sqlite3.SQLITE_SELECT or (
        action == sqlite3.SQLITE_READ and table in (_TABLE, "sqlite_master")
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
