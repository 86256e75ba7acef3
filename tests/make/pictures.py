"""Pictures such as pages have, one or more of each drawing."""

from __future__ import annotations

import random

from harness.report.picture import Axis, Evidence, Mark, Picture, Rule

_CASES = (
    ("smollm2-135m:Q4_1 · tg128", 104.0, 98.8, 113.0),
    ("smollm2-135m:Q8_0 · tg128", 71.2, 69.9, 74.0),
    ("gemma-3-270m-it-qat:Q4_0 · threads 2, cache q8_0 · tg128", 58.1, 51.0, 60.2),
    ("qwen3-0.6b:Q4_K_M · tg128@d4096", 24.6, 22.1, 25.0),
)
_MACHINES = ("laptop-16", "laptop-32", "mac-studio-128", "desktop-24", "server-64")
_LEVELS = ("comfortable", "usable", "slow", "pages", "does-not-run")


def decode() -> Picture:
    """Cases with intervals, Runs, a disturbed one, one rehearsed and one predicted."""
    draw = random.Random(1)
    marks = []
    for name, value, low, high in _CASES:
        marks.append(Mark(value, name, f"{name}: {value} tok/s ({low} – {high})", "", low, high))
        for run in range(8):
            x = draw.uniform(low, high)
            marks.append(Mark(x, name, f"{name}, Run {run + 1}: {x:.1f} tok/s", is_single=True))
    name = _CASES[0][0]
    label = f"{name}, Run 9: 61 tok/s, disturbed"
    marks.append(Mark(61.0, name, label, is_single=True, is_disturbed=True))
    name = "phi-4-mini:Q4_K_M · tg128"
    label = f"{name}: 8.1 tok/s (7.9 – 8.3), rehearsed"
    marks.append(Mark(8.1, name, label, "", 7.9, 8.3, "rehearsed"))
    label = f"{name}: 7.4 tok/s (5.1 – 10.2), predicted"
    marks.append(Mark(7.4, name, label, "", 5.1, 10.2, "predicted"))
    return Picture(
        "Decode of each case, with its interval and every Run",
        "decode",
        "intervals",
        tuple(marks),
        Axis("tok/s", includes_zero=True),
        Axis("case"),
    )


def ratios() -> Picture:
    """Comparisons around 1."""
    found = (("tg128", 1.12, 1.08, 1.17), ("pp512", 0.97, 0.93, 1.01), ("TTFT", 1.01, 0.95, 1.06))
    marks = [Mark(r, name, f"{name}: {r} ({a} – {b})", "", a, b) for name, r, a, b in found]
    return Picture(
        "How many times as fast the second is",
        "ratios",
        "intervals",
        tuple(marks),
        Axis("ratio", is_log=True),
        Axis("case"),
        (Rule(1.0, "no difference"),),
    )


def depth() -> Picture:
    """Speed over context depth."""
    marks = []
    for name, rate in (("smollm2-135m:Q4_1", 104.0), ("qwen3-0.6b:Q4_K_M", 36.0)):
        for context in (512, 1024, 2048, 4096, 8192):
            y = rate / (1 + context / 6000)
            evidence: Evidence = "predicted" if context > 4096 else "measured"
            label = f"{name} at {context}: {y:.1f} tok/s"
            marks.append(Mark(context, y, label, name, y * 0.9, y * 1.08, evidence))
    return Picture(
        "Decode over context depth",
        "depth",
        "lines",
        tuple(marks),
        Axis("context (positions)", is_log=True),
        Axis("tok/s", includes_zero=True),
        (Rule(15.0, "as fast as one reads", "y"),),
        "model",
    )


def sustain() -> Picture:
    """A rate over minutes, throttled towards the end."""
    draw = random.Random(2)
    marks = []
    for step in range(120):
        y = 104 + draw.gauss(0, 1.5) - (18 if step > 80 else 0)
        label = f"after {step * 5} s: {y:.0f} tok/s"
        marks.append(Mark(step * 5, y, label, is_disturbed=step in (81, 82, 83)))
    return Picture(
        "Decode over time, throttled from 405 s on",
        "sustain",
        "lines",
        tuple(marks),
        Axis("s"),
        Axis("tok/s"),
    )


def builds() -> Picture:
    """A case over builds of the engine."""
    marks = [
        Mark(f"b{6700 + 40 * at}", y, f"b{6700 + 40 * at}: {y} tok/s", "", y * 0.97, y * 1.03)
        for at, y in enumerate((98.0, 101.0, 104.0, 91.0, 103.5))
    ]
    return Picture(
        "One case over engine builds",
        "builds",
        "lines",
        tuple(marks),
        Axis("engine build"),
        Axis("tok/s"),
    )


def memory() -> Picture:
    """What takes memory, against what there is."""
    parts = ("weights", "KV cache", "compute buffers", "runtime")
    rows = (
        ("smollm2-135m:Q4_1 · ctx 4096", (0.098, 0.09, 0.11, 0.05), "measured"),
        ("gpt-oss-20b:MXFP4 · ctx 8192", (12.1, 0.4, 0.6, 0.1), "predicted"),
        ("qwen3-8b:Q4_K_M · ctx 16384", (5.0, 2.4, 0.4, 0.1), "predicted"),
    )
    marks = [
        Mark(n, name, f"{name}, {part}: {n} GiB, {evidence}", part, evidence=evidence)  # type: ignore[arg-type]
        for name, sizes, evidence in rows
        for part, n in zip(parts, sizes, strict=True)
    ]
    return Picture(
        "Memory by kind",
        "memory",
        "stack",
        tuple(marks),
        Axis("GiB"),
        Axis("model"),
        (Rule(15.4, "usable on this machine: 15.4 GiB"), Rule(24.0, "memory of the card: 24 GiB")),
        "kind",
    )


def frontier() -> Picture:
    """Memory against decode, KL divergence as shade."""
    rows = (
        ("Q2_K", 88, 96, 0.21, True),
        ("Q3_K_M", 93, 99, 0.11, False),
        ("Q4_0", 92, 118, 0.06, False),
        ("Q4_1", 98, 104, 0.041, True),
        ("Q4_K_M", 105, 101, 0.03, False),
        ("Q5_K_M", 112, 88, 0.012, False),
        ("Q6_K", 138, 80, 0.004, False),
        ("Q8_0", 145, 71, 0.0011, False),
        ("F16", 271, 38, None, False),
    )
    marks = [
        Mark(
            x,
            y,
            f"smollm2-135m:{name}: {y} tok/s, {x} MB",
            "",
            y * 0.96,
            y * 1.05,
            shade=kl,
            is_faint=faint,
            name=name,
        )
        for name, x, y, kl, faint in rows
    ]
    return Picture(
        "Memory against decode of smollm2-135m's quantizations",
        "frontier",
        "scatter",
        tuple(marks),
        Axis("MB"),
        Axis("tok/s"),
        shade_title="KL divergence (nats)",
    )


def roofline() -> Picture:
    """Bytes per token against tok/s, under the bandwidth."""
    rows = (("smollm2-135m", 0.098, 104.0), ("qwen3-0.6b", 0.4, 36.0), ("gemma-3-1b", 0.77, 19.0))
    marks = [
        Mark(x, y, f"{name}: {y} tok/s, {x} GB per token", evidence=evidence, name=name)  # type: ignore[arg-type]
        for evidence, (name, x, y) in zip(("measured", "measured", "predicted"), rows, strict=True)
    ]
    return Picture(
        "Bytes per token against speed, under the measured bandwidth",
        "roofline",
        "scatter",
        tuple(marks),
        Axis("GB per token", is_log=True),
        Axis("tok/s", is_log=True),
        (Rule(21.4, "measured bandwidth: 21.4 GB/s", "product"),),
    )


def latency() -> Picture:
    """Times between tokens, of two cases."""
    draw = random.Random(3)
    marks = [
        Mark(draw.lognormvariate(2.25 + 0.3 * at, 0.08), name, name)
        for at, name in enumerate(("smollm2-135m:Q4_1", "smollm2-135m:Q8_0"))
        for _ in range(300)
    ]
    return Picture(
        "Times between tokens",
        "latency",
        "histogram",
        tuple(marks),
        Axis("ms"),
        Axis("case"),
        (Rule(12.0, "90th percentile: 12 ms"),),
    )


def board() -> Picture:
    """Verdicts, models by machines."""
    draw = random.Random(4)
    marks = [
        Mark(machine, model, f"{model} on {machine}: {(word := draw.choice(_LEVELS))}", word)
        for model in ("gpt-oss-20b", "qwen3-8b", "gemma-3-27b", "llama-3.3-70b", "smollm2-135m")
        for machine in _MACHINES
    ]
    return Picture(
        "Which model runs on which machine",
        "board",
        "cells",
        tuple(marks),
        Axis("machine"),
        Axis("model"),
    )


ALL = tuple(
    make()
    for make in (
        decode, ratios, depth, sustain, builds, memory, frontier, roofline, latency, board,
    )
)  # fmt: skip
