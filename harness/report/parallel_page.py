"""What several sequences get together: picture and table by their number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.analysis.cases import Case
from harness.report.marks import figure_text
from harness.report.page import Cell, Column, Page, Quantity, Table
from harness.report.picture import Axis, Mark, Picture
from harness.report.scope import Scope, Shown
from harness.schema.figure import Figure
from harness.schema.workload import (
    Decode,
    ParallelDecode,
    ParallelPrefill,
    Prefill,
    parse_workload,
)

_COLUMNS = (
    Column("configuration"),
    Column("workload"),
    Column("sequences", align="right"),
    Column("tok/s", align="right", interval="95 % interval"),
    Column("per user", align="right"),
    Column("ITL p50", align="right"),
    Column("ITL p95", align="right"),
    Column("context", align="right"),
    Column("n", align="right"),
)
_LEGEND = (
    "Tok/s: of all sequences together. ITL: the time of a step, in which each gets a token.",
    "Context: the engine's buffers for it (KV cache, compute and output), weights left out.",
)


@dataclass(frozen=True, slots=True)
class _Together:
    """A case and how many sequences it has; `kind` is what it has in common with others."""

    shown: Shown
    case: Case
    kind: str
    n_sequences: int
    figure: Figure


def parallel_page(scope: Scope) -> Page:
    """What was measured of several sequences, beside the same of one; else nothing."""
    found = [it for shown in scope.shown for it in _together(shown)]
    if not found:
        return ()
    title = scope.title("Several sequences together")
    table = Table(_COLUMNS, tuple(map(_row, found)), title, _LEGEND, is_grouped=True)
    return (_picture(scope, found), table)


def _together(shown: Shown) -> Iterator[_Together]:
    known: dict[str, list[_Together]] = {}
    for case in shown.group.cases:
        task = parse_workload(case.workload)
        is_counted = isinstance(task, Prefill | Decode | ParallelPrefill | ParallelDecode)
        if is_counted and (figure := case.metrics.get("tok_per_s")):
            kind = task.alone.name
            of_kind = known.setdefault(kind, [])
            of_kind.append(_Together(shown, case, kind, task.n_sequences, figure))
    for each in known.values():
        if any(it.n_sequences > 1 for it in each):
            yield from sorted(each, key=lambda it: it.n_sequences)


def _row(it: _Together) -> tuple[Cell, ...]:
    figures = it.case.metrics
    n_bytes = it.case.context_bytes
    return (
        it.shown.name,
        it.case.workload,
        it.n_sequences,
        it.figure,
        figures.get("tok_per_s_per_user", it.figure),
        figures.get("itl_p50"),
        figures.get("itl_p95"),
        Quantity(n_bytes, "bytes") if n_bytes else None,
        it.figure.n,
    )


def _picture(scope: Scope, found: list[_Together]) -> Picture:
    return Picture(
        title=scope.title("Tokens a second of all sequences together"),
        name=scope.file_name("parallel"),
        drawing="lines",
        marks=tuple(_mark(scope, it) for it in found),
        x=Axis("sequences", includes_zero=True),
        y=Axis("tok/s", includes_zero=True),
        series_title="workload",
    )


def _mark(scope: Scope, it: _Together) -> Mark:
    sequences = "sequences" if it.n_sequences > 1 else "sequence"
    each = figure_text(it.case.metrics.get("tok_per_s_per_user", it.figure))
    about = f"{it.shown.name}: {it.kind} of {it.n_sequences} {sequences}"
    return Mark(
        x=it.n_sequences,
        y=it.figure.value,
        label=f"{about}, {figure_text(it.figure)} together, {each} each, {it.shown.evidence}",
        series=scope.row(it.shown, it.kind),
        low=it.figure.low,
        high=it.figure.high,
        evidence=it.shown.evidence,
    )
