"""Rows as the Markdown table that llama-bench prints, with its columns and widths."""

from __future__ import annotations

from collections.abc import Sequence

from harness.commands.exchange.export import ExportRow
from harness.commands.exchange.record import BenchRecord
from harness.report.text import harmless

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


def markdown(rows: Sequence[ExportRow]) -> str:
    """The table, and below it the build of each row's engine."""
    records = [row.record for row in rows]
    columns = _columns(records)
    lines = [
        "|" + "".join(f" {_padded(_SHORT.get(name, name), name)} |" for name in columns),
        "|" + "".join(f" {_rule(_WIDTHS[name])} |" for name in columns),
    ]
    for record in records:
        cells = (_padded(_shown(_value(record, name)), name) for name in columns)
        lines.append("|" + "".join(f" {cell} |" for cell in cells))
    builds = dict.fromkeys((it.build_commit, it.build_number) for it in records)
    lines += ["", *(f"build: {_shown(commit)} ({number})" for commit, number in builds)]
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


def _value(record: BenchRecord, name: str) -> str:
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


def _shown(text: str) -> str:
    return harmless(text).replace("|", "\\|")
