"""
Rows as llama-bench prints them: JSON, JSON lines, CSV, SQL.

JSON, JSON lines and CSV have the keys of both generations of compare-llama-bench.py, and JSON one
more object, `harness`, which the script drops. SQL has just the columns of the present generation,
so that it goes into a database that llama-bench began.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from harness.commands.exchange.export import ExportRow
from harness.commands.exchange.record import NAMES, OLDER, SQL_TYPES, Value, older_values


def document(row: ExportRow) -> dict[str, Any]:
    """One row as a JSON object: llama-bench's fields, the older ones, samples, our own."""
    record = row.record
    return {
        **_values(row),
        **older_values(record),
        "samples_ns": list(record.samples_ns),
        "samples_ts": [round(record.n_tokens / ns * 1e9, 6) for ns in record.samples_ns],
        "harness": {
            "experiment": row.experiment,
            "model": row.model.key,
            "quantization": row.model.quantization,
            "sha256": row.model.sha256,
            "rehearsed": row.model.is_twin,
            "n_runs": len(set(row.sample_runs)),
            "sample_runs": list(row.sample_runs),
        },
    }


def as_json(rows: Sequence[ExportRow]) -> str:
    """An array with a field a line."""
    objects = []
    for row in rows:
        fields = [f"    {json.dumps(key)}: {_json(it)}" for key, it in document(row).items()]
        objects.append("  {\n" + ",\n".join(fields) + "\n  }")
    return "[\n" + ",\n".join(objects) + "\n]\n"


def as_jsonl(rows: Sequence[ExportRow]) -> str:
    """An object a line."""
    return "".join(_json(document(row)) + "\n" for row in rows)


def as_csv(rows: Sequence[ExportRow]) -> str:
    """A header and a line for each row, every value quoted."""
    stream = io.StringIO()
    stream.write(",".join((*NAMES, *OLDER)) + "\n")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for row in rows:
        values = _values(row) | older_values(row.record)
        writer.writerow([_text(values[name]) for name in (*NAMES, *OLDER)])
    return stream.getvalue()


def as_sql(rows: Sequence[ExportRow]) -> str:
    """The table, if it is not there, and a statement for each row."""
    columns = ",\n".join(f"  {name} {SQL_TYPES[name]}" for name in NAMES)
    statements = [f"CREATE TABLE IF NOT EXISTS llama_bench (\n{columns}\n);\n\n"]
    for row in rows:
        values = ", ".join(_sql(value) for value in _values(row).values())
        statements.append(f"INSERT INTO llama_bench ({', '.join(NAMES)}) VALUES ({values});\n")
    return "".join(statements)


def _values(row: ExportRow) -> dict[str, Value]:
    return {name: getattr(row.record, name) for name in NAMES}


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _text(value: Value) -> str:
    """As C++ prints it: six decimals of a rate, 0 and 1 for no and yes."""
    if isinstance(value, float):
        return f"{value:.6f}"
    return str(int(value)) if isinstance(value, bool) else str(value)


def _sql(value: Value) -> str:
    # A NUL would end the text in the middle of the statement.
    text = _text(value).replace("\0", "").replace("'", "''")
    return f"'{text}'"
