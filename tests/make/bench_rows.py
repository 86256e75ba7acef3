"""Makes rows as llama-bench prints them, of both of its generations, in each of its formats."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from typing import Any

from harness.commands.exchange.record import BenchRecord, averages

Row = dict[str, Any]


def make_row(samples_ns: tuple[int, ...] = (100_000_000, 110_000_000), **changes: Any) -> Row:
    """A row of the present generation: tg128 of a small model on a CPU."""
    n_prompt, n_gen = changes.get("n_prompt", 0), changes.get("n_gen", 128)
    n_tokens = n_prompt + n_gen
    return {
        "build_commit": "8cf427ff",
        "build_number": 5163,
        "cpu_info": "AMD Ryzen 7 7800X3D",
        "gpu_info": "",
        "backends": "CPU",
        "model_filename": "models/smollm2-135m-q4_k_m.gguf",
        "model_type": "llama 135M Q4_K - Medium",
        "model_size": 105_000_000,
        "model_n_params": 134_515_008,
        "n_batch": 2048,
        "n_ubatch": 512,
        "n_threads": 8,
        "cpu_mask": "0x0",
        "cpu_strict": False,
        "poll": 50,
        "type_k": "f16",
        "type_v": "f16",
        "n_gpu_layers": -1,
        "n_cpu_moe": 0,
        "split_mode": "layer",
        "main_gpu": 0,
        "no_kv_offload": False,
        "flash_attn": -1,
        "devices": "auto",
        "tensor_split": "0.00",
        "tensor_buft_overrides": "none",
        "load_mode": "auto",
        "lazy_mode": "auto",
        "embeddings": False,
        "no_op_offload": 0,
        "no_host": False,
        "repack": True,
        "fit_target": 0,
        "fit_min_ctx": 0,
        "n_prompt": n_prompt,
        "n_gen": n_gen,
        "n_depth": 0,
        "test_time": "2026-04-24T11:58:50Z",
        **averages(n_tokens or 1, list(samples_ns)),
        "samples_ns": list(samples_ns),
        "samples_ts": [round(1e9 * n_tokens / ns, 3) for ns in samples_ns],
    } | changes


def older(row: Row) -> Row:
    """`row` as the generation before printed it."""
    gone = ("load_mode", "lazy_mode", "n_cpu_moe", "fit_target", "fit_min_ctx")
    return {key: value for key, value in row.items() if key not in gone} | {
        "use_mmap": True,
        "flash_attn": False,
    }


def without_samples(row: Row) -> Row:
    return {key: value for key, value in row.items() if not key.startswith("samples")}


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    return str(int(value)) if isinstance(value, bool) else str(value)


def as_json(*rows: Row) -> bytes:
    return json.dumps(list(rows), indent=2).encode()


def as_jsonl(*rows: Row) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_csv(*rows: Row) -> bytes:
    stream = io.StringIO()
    stream.write(",".join(without_samples(rows[0])) + "\n")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([_text(it) for it in without_samples(row).values()] for row in rows)
    return stream.getvalue().encode()


def as_sql(*rows: Row) -> bytes:
    """As llama-bench does it: a quote inside a value is not escaped."""
    names = list(without_samples(rows[0]))
    columns = ",\n".join(f"  {name} TEXT" for name in names)
    lines = [f"CREATE TABLE IF NOT EXISTS llama_bench (\n{columns}\n);\n\n"]
    for row in rows:
        values = ", ".join(f"'{_text(row[name])}'" for name in names)
        lines.append(f"INSERT INTO llama_bench ({', '.join(names)}) VALUES ({values});\n")
    return "".join(lines).encode()


def as_database(sql: str) -> bytes:
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(sql)
        return connection.serialize()
    finally:
        connection.close()


def make_record(**changes: Any) -> BenchRecord:
    return BenchRecord.model_validate(make_row(**changes))
