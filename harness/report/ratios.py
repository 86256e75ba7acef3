"""Comparisons as ratios: in words, as a table, and as a picture around 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness import units
from harness.analysis.comparison import ComparedFigure
from harness.analysis.metrics import METRICS
from harness.analysis.stats.ratio import Comparison, Verdict
from harness.report.marks import value_text
from harness.report.page import Cell, Column, Judged, Page, Quantity, Table
from harness.report.picture import Axis, Evidence, Mark, Picture, Rule
from harness.schema.figure import Figure

_COLUMNS = (
    Column("B"),
    Column("workload"),
    Column("metric"),
    Column("A", align="right"),
    Column("B", align="right"),
    Column("B / A", align="right", interval="interval"),
    Column("n", align="right"),
    Column("B is"),
)
STATUS: Mapping[Verdict, Literal["pass", "failure", "skipped"]] = {
    "better": "pass",
    "same": "pass",
    "worse": "failure",
    "inconclusive": "skipped",
}
# What a page pictures of a comparison; the rest stands in its table.
_PICTURED = ("tok_per_s", "ttft", "decode_tok_per_s")


@dataclass(frozen=True, slots=True)
class NamedPair:
    """Two sides by their names, and every figure that was compared."""

    a: str
    b: str
    figures: tuple[ComparedFigure, ...]
    evidence: Evidence = "measured"


def verdict_word(metric: str, comparison: Comparison) -> str:
    """What B is, in a word that fits what was measured: "slower", "smaller", "same"."""
    if comparison.verdict in ("same", "inconclusive"):
        return comparison.verdict.replace("-", " ")
    better, worse = METRICS[metric].words
    return better if comparison.verdict == "better" else worse


def ratio_of(comparison: Comparison) -> Figure:
    """B / A as a figure; without bounds where nothing is known."""
    is_known = math.isfinite(comparison.high)
    return Figure(
        comparison.ratio,
        comparison.low if is_known else None,
        comparison.high if is_known else None,
        "factor",
        "exact" if comparison.pairing == "exact" else "interval",
        comparison.n,
    )


def ratio_parts(pairs: Sequence[NamedPair], title: str, name: str) -> Page:
    """
    What each B is to its A: a picture of the speeds, and a row for each figure that was compared.

    Args:
        pairs: Those with the same A belong together.
        title: Of the table and the picture.
        name: Of the picture.
    """
    rows = [_row(pair, it) for pair in pairs for it in pair.figures if it.comparison]
    if not rows:
        return ()
    found = [it.comparison for pair in pairs for it in pair.figures if it.comparison]
    shares = sorted({it.confidence for it in found if it.pairing != "exact"})
    confidence = " or ".join(f"{share * 100:.4g} %" for share in shares) or "none"
    threshold = units.percent(found[0].threshold)
    legend = (
        f"A: {' or '.join(dict.fromkeys(pair.a for pair in pairs))}. A and B are geometric means "
        f"over what was compared, n rounds of it; the interval is one of {confidence}.",
        f"A verdict needs the whole interval: within {threshold} it is the same, beyond it a "
        "difference, across it nothing can be told.",
    )
    table = Table(_COLUMNS, tuple(rows), title, legend, is_grouped=True)
    picture = _picture(pairs, title, name)
    return (picture, table) if picture.marks else (table,)


def _row(pair: NamedPair, figure: ComparedFigure) -> tuple[Cell, ...]:
    found, metric = figure.comparison, METRICS[figure.metric]
    assert found is not None
    word = verdict_word(figure.metric, found)
    return (
        pair.b,
        figure.workload or metric.topic,
        metric.label,
        *(Quantity(mean, metric.unit) for mean in found.means),
        ratio_of(found),
        found.n,
        Judged(word, STATUS[found.verdict]),
    )


def _picture(pairs: Sequence[NamedPair], title: str, name: str) -> Picture:
    marks = [
        _mark(pair, it, it.comparison, is_alone=len(pairs) == 1)
        for pair in pairs
        for it in pair.figures
        if it.comparison and it.metric in _PICTURED
    ]
    return Picture(
        title=f"{title}; the line at 1 is A",
        name=name,
        drawing="intervals",
        marks=tuple(marks),
        x=Axis("B / A", is_log=True),
        y=Axis(""),
        rules=(Rule(1.0, "as A"),),
    )


def _mark(pair: NamedPair, figure: ComparedFigure, found: Comparison, *, is_alone: bool) -> Mark:
    label = METRICS[figure.metric].label
    ratio = ratio_of(found)
    bounds = ""
    if ratio.low is not None and ratio.high is not None and ratio.kind != "exact":
        share = f"{found.confidence * 100:.4g} %"
        bounds = f", {share} interval {units.factor(ratio.low)} – {units.factor(ratio.high)}"
    a, b = (value_text(mean, METRICS[figure.metric].unit) for mean in found.means)
    word = verdict_word(figure.metric, found)
    row = f"{figure.workload} {label}"
    return Mark(
        x=ratio.value,
        y=row if is_alone else f"{pair.b} · {row}",
        label=f"{pair.b} against {pair.a}: {row} {b} / {a} = {units.factor(ratio.value)}{bounds}, "
        f"n = {found.n}: {word}",
        low=ratio.low,
        high=ratio.high,
        evidence=pair.evidence,
    )
