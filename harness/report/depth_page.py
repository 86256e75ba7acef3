"""Speed over the depth of the context: how far it stays enough, in words, curves and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness import units
from harness.analysis.depth_curve import DepthCurve, DepthPoint, Phase, depth_curves, reach_text
from harness.analysis.verdict import COMFORTABLE_TOK_PER_S, USABLE_TOK_PER_S, word
from harness.report import legend
from harness.report.cells import without_figure
from harness.report.loads_page import Named
from harness.report.marks import figure_text
from harness.report.page import Cell, Column, Page, Quantity, Table, notes
from harness.report.picture import Axis, Evidence, Mark, Picture, Rule
from harness.report.scope import Scope, Shown
from harness.schema.figure import Figure

_PHASES: tuple[tuple[Phase, str], ...] = (("decode", "Decoding"), ("prefill", "Prefill"))


def depth_sentences(groups: Named) -> list[str]:
    """Up to which depth each decodes comfortably and usably."""
    found = []
    for name, group in groups:
        for curve in depth_curves(group):
            if curve.phase == "decode" and len(curve.rates) > 1:
                about = " · ".join((name, curve.what) if len(groups) > 1 else (curve.what,))
                found.append(f"{about}: {reach_text(curve.rates)}.")
    return found


def depth_tables(groups: Named) -> list[Table]:
    """For people a table for each work that was measured at several depths."""
    known: dict[tuple[str, Phase], list[tuple[str, DepthCurve]]] = {}
    for name, group in groups:
        for curve in depth_curves(group):
            known.setdefault((curve.what, curve.phase), []).append((name, curve))
    return [_table(each, has_names=len(groups) > 1) for each in known.values()]


def depth_page(scope: Scope) -> Page:
    """What was measured at two depths and more on a machine; nothing without any."""
    groups = [(shown.name, shown.group) for shown in scope.shown]
    tables = depth_tables(groups)
    pictures = (_picture(scope, phase, title) for phase, title in _PHASES)
    return (
        *notes(depth_sentences(groups)),
        *(picture for picture in pictures if picture.marks),
        *tables,
    )


def _table(each: Sequence[tuple[str, DepthCurve]], *, has_names: bool) -> Table:
    _, first = each[0]
    is_writing = first.phase == "decode"
    is_predicted = any(point.predicted for _, curve in each for point in curve.points)
    predicted = Column(
        "predicted", align="right", interval="90 % interval", is_interval_optional=True
    )
    columns = (
        *([Column("configuration")] if has_names else []),
        Column("depth", align="right"),
        Column("tok/s", align="right", interval="95 % interval"),
        *([predicted] if is_predicted else []),
        Column("context", align="right"),
        *([Column("decode is")] if is_writing else []),
        Column("n", align="right"),
    )
    rows = tuple(
        (
            *([name] if has_names else []),
            *_row(point, is_predicted=is_predicted, is_writing=is_writing),
        )
        for name, curve in each
        for point in curve.points
    )
    failures = tuple(
        f"{point.case.workload} failed: {point.case.outcome.message or point.case.outcome.reason}"
        for _, curve in each
        for point in curve.points
        if point.figure is None and point.case.outcome.status == "failed"
    )
    what = "Decoding" if is_writing else "Prefill"
    return Table(columns, rows, f"{what} by depth, {first.what}", failures, is_grouped=has_names)


def _row(point: DepthPoint, *, is_predicted: bool, is_writing: bool) -> tuple[Cell, ...]:
    mark = legend.DISTURBED_MARK if point.case.disturbed else ""
    figure: Cell = point.figure
    if figure is None:
        figure = without_figure(point.case)
    n_bytes = point.case.context_bytes
    level = [word(point.level) if point.level else ""] if is_writing else []
    return (
        f"{point.depth}{mark}",
        figure,
        *([point.predicted] if is_predicted else []),
        Quantity(n_bytes, "bytes") if n_bytes else None,
        *level,
        point.case.n_runs,
    )


def _picture(scope: Scope, phase: Phase, title: str) -> Picture:
    """The curves of a phase, with what was predicted of each."""
    known = [
        (shown, curve)
        for shown in scope.shown
        for curve in depth_curves(shown.group)
        if curve.phase == phase
    ]
    rules = (
        Rule(COMFORTABLE_TOK_PER_S, "comfortable", "y"),
        Rule(USABLE_TOK_PER_S, "usable", "y"),
    )
    marks = tuple(mark for shown, curve in known for mark in _marks(scope, shown, curve))
    highest = max((mark.high or float(mark.y) for mark in marks), default=0.0)
    return Picture(
        title=scope.title(f"{title} over the depth of the context"),
        name=scope.file_name(f"depth-{phase}"),
        drawing="lines",
        marks=marks,
        x=Axis("depth (positions)", includes_zero=True),
        y=Axis("tok/s", includes_zero=True),
        # A limit far above or below the curves would leave them no room.
        rules=tuple(it for it in rules if phase == "decode" and it.value <= 1.2 * highest),
        series_title="configuration",
    )


def _marks(scope: Scope, shown: Shown, curve: DepthCurve) -> Iterator[Mark]:
    for point in curve.points:
        at = f"{curve.what} behind {units.counted(point.depth, 'position')}"
        evidences: tuple[tuple[Figure | None, Evidence], ...] = (
            (point.figure, shown.evidence),
            (point.predicted, "predicted"),
        )
        for figure, evidence in evidences:
            if figure:
                yield Mark(
                    x=point.depth,
                    y=figure.value,
                    label=f"{shown.name}: {at}, {figure_text(figure)}, {evidence}",
                    series=scope.row(shown, curve.what),
                    low=figure.low,
                    high=figure.high,
                    evidence=evidence,
                    is_disturbed=figure is point.figure and bool(point.case.disturbed),
                )
