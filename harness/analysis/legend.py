"""What each metric is called in a table, and the formula printed below it."""

from __future__ import annotations

from collections.abc import Iterable

from harness.analysis.stats.interval import min_values

LABELS: dict[str, str] = {
    "tok_per_s": "tok/s",
    "prefill_tok_per_s": "prefill tok/s",
    "decode_tok_per_s": "decode tok/s",
    "first_quarter": "first tok/s",
    "last_quarter": "last tok/s",
    "throttle_ratio": "last / first",
    "joules_per_token": "J/token",
    "ttft": "TTFT",
    "itl_p50": "ITL p50",
    "itl_p95": "ITL p95",
    "itl_p99": "ITL p99",
    "end_to_end": "end to end",
    "mbu": "MBU",
    "load_cold": "cold",
    "load_warm": "warm",
    "load": "cache unknown",
    "need": "needed",
    "weights": "weights",
    "kv": "KV cache",
    "compute": "compute",
    "anonymous": "anonymous",
    "file_backed": "file-backed",
    "peak": "peak",
    "footprint": "footprint",
    "gpu_memory": "GPU",
    "bandwidth": "bandwidth",
    "bytes_per_token": "read per token",
}

TOPICS: dict[str, str] = {
    "load_cold": "load",
    "load_warm": "load",
    "load": "load",
    "need": "memory",
    "weights": "memory",
    "kv": "memory",
    "compute": "memory",
    "anonymous": "memory",
    "file_backed": "memory",
    "peak": "memory",
    "footprint": "memory",
    "gpu_memory": "memory",
    "bandwidth": "memory",
    "bytes_per_token": "model",
}
"""Metrics of a whole group, to the word that stands in the workload's column."""

RANGE_MARK = " *"
DOUBT_MARK = " !"

_FORMULAS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("tok_per_s",), "tok/s: tokens / time of the timed region, which holds no model loading."),
    (
        ("ttft",),
        "TTFT: text in to first text out, tokenizing and the first sample included.",
    ),
    (
        ("itl_p50", "itl_p95", "itl_p99"),
        "ITL: time of each decode step (tg), or gap between streamed tokens after the first "
        "(chat).",
    ),
    (("end_to_end",), "End to end: text in to last text out."),
    (
        ("prefill_tok_per_s", "decode_tok_per_s"),
        "Prefill tok/s: prompt tokens / TTFT. Decode tok/s: gaps after the first token / their "
        "sum.",
    ),
    (
        ("first_quarter", "last_quarter", "throttle_ratio"),
        "First, last: rates over the first and last quarter of a sustained generation.",
    ),
    (
        ("mbu",),
        "MBU: bytes read per token x tok/s / bandwidth of plain reads around the same Run.",
    ),
    (
        ("load_cold", "load_warm", "load"),
        "Load: process start to ready context; cold: the file was not in the page cache.",
    ),
    (
        ("need",),
        "Needed: the engine's buffers, weights + largest context (KV cache + compute + output).",
    ),
    (
        ("anonymous", "file_backed", "peak", "footprint"),
        "Anonymous, file-backed, peak: the whole process; file-backed pages can be taken back.",
    ),
)


def lines(
    metrics: Iterable[str], *, has_range: bool, has_doubt: bool, energies: Iterable[str] = ()
) -> list[str]:
    """
    The explanations that a table of these metrics needs, one sentence or two a line.

    `energies` say what each kind of joules per token in it is of.
    """
    shown = set(metrics)
    explained = [formula for names, formula in _FORMULAS if shown.intersection(names)]
    explained += [f"J/token: joules of {energy} / tokens." for energy in energies]
    if shown:
        explained.append("Each figure is the median over n Runs (fresh processes).")
    if has_range:
        explained.append(
            f"{RANGE_MARK.strip()} fewer than {min_values()} Runs: smallest and largest (min–max), "
            "not an interval."
        )
    if has_doubt:
        explained.append(
            f"{DOUBT_MARK.strip()} more than this memory delivered: the case's figures are not to "
            "be believed."
        )
    return explained
