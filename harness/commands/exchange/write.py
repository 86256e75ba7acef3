"""
Rows as llama-bench prints them: JSON, JSON lines, CSV, SQL, a Markdown table.

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
from harness.commands.exchange.record import (
    NAMES,
    OLDER,
    SQL_TYPES,
    BenchRecord,
    Value,
    older_values,
)
from harness.report.json import encode
from harness.report.text import sanitize

# Width of a column, negative for text to the left (llama-bench.cpp, `get_field_width`).
_WIDTHS = {
    "model": -30, "size": 10, "params": 10, "backend": -10, "n_gpu_layers": 3, "n_cpu_moe": 10,
    "n_threads": 7, "n_batch": 7, "n_ubatch": 8, "type_k": 6, "type_v": 6, "main_gpu": 10,
    "split_mode": 6, "flash_attn": 3, "devices": -12, "tensor_split": -12, "load_mode": 10,
    "repack": 3, "test": 15, "t/s": 20,
}  # fmt: skip
_SHORT = {
    "n_gpu_layers": "ngl", "split_mode": "sm", "n_threads": "threads", "flash_attn": "fa",
    "load_mode": "lm", "repack": "rpk", "devices": "dev", "tensor_split": "ts",
}  # fmt: skip
# Shown only where some row has another value than llama-bench's default.
_DEFAULTS: dict[str, object] = {
    "n_cpu_moe": 0, "n_batch": 2048, "n_ubatch": 512, "type_k": "f16", "type_v": "f16",
    "main_gpu": 0, "split_mode": "layer", "flash_attn": -1, "devices": "auto",
    "tensor_split": "0.00", "load_mode": "auto", "repack": True,
}  # fmt: skip
_MIB, _GIB = 1 << 20, 1 << 30


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
    return encode(value)


def _text(value: Value) -> str:
    """As C++ prints it: six decimals of a rate, 0 and 1 for no and yes."""
    if isinstance(value, float):
        return f"{value:.6f}"
    return str(int(value)) if isinstance(value, bool) else str(value)


def _sql(value: Value) -> str:
    # A NUL would end the text in the middle of the statement.
    text = _text(value).replace("\0", "").replace("'", "''")
    return f"'{text}'"


def as_markdown(rows: Sequence[ExportRow]) -> str:
    """The Markdown table with llama-bench's columns and widths; below it the engines' builds."""
    records = [row.record for row in rows]
    columns = _columns(records)
    lines = [
        "|" + "".join(f" {_padded(_SHORT.get(name, name), name)} |" for name in columns),
        "|" + "".join(f" {_rule(_WIDTHS[name])} |" for name in columns),
    ]
    for record in records:
        cells = (_padded(_escaped(_cell_text(record, name)), name) for name in columns)
        lines.append("|" + "".join(f" {cell} |" for cell in cells))
    builds = dict.fromkeys((it.build_commit, it.build_number) for it in records)
    lines += ["", *(f"build: {_escaped(commit)} ({number})" for commit, number in builds)]
    return "\n".join(lines) + "\n"


def _columns(records: Sequence[BenchRecord]) -> list[str]:
    on_cpu = all("CPU" in it.backends or "BLAS" in it.backends for it in records)
    return [
        *("model", "size", "params", "backend"),
        "n_threads" if on_cpu else "n_gpu_layers",
        *(name for name in _DEFAULTS if any(_is_unusual(record, name) for record in records)),
        *("test", "t/s"),
    ]


def _is_unusual(record: BenchRecord, name: str) -> bool:
    return bool(getattr(record, name) != _DEFAULTS[name])


def _cell_text(record: BenchRecord, name: str) -> str:
    if name == "size":
        unit, n_bytes = ("GiB", _GIB) if record.model_size >= _GIB else ("MiB", _MIB)
        return f"{record.model_size / n_bytes:.2f} {unit}"
    if name == "params":
        letter, scale = ("B", 1e9) if record.model_n_params >= 10**9 else ("M", 1e6)
        return f"{record.model_n_params / scale:.2f} {letter}"
    if name == "test":
        test = f"pp{record.n_prompt}" if record.n_prompt else f"tg{record.n_gen}"
        return test + (f" @ d{record.n_depth}" if record.n_depth else "")
    if name == "t/s":
        return f"{record.avg_ts:.2f} ± {record.stddev_ts:.2f}"
    value = getattr(record, {"model": "model_type", "backend": "backends"}.get(name, name))
    return str(int(value)) if isinstance(value, bool) else str(value)


def _padded(text: str, name: str) -> str:
    width = _WIDTHS[name]
    return text.ljust(-width) if width < 0 else text.rjust(width)


def _rule(width: int) -> str:
    return "-" * (abs(width) - 1) + (":" if width > 0 else "-")


def _escaped(text: str) -> str:
    return sanitize(text).replace("|", "\\|")
