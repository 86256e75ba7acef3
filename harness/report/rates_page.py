"""How fast each case writes and reads: pictures and a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.cases import Case
from harness.analysis.metrics import METRICS
from harness.report import legend
from harness.report.marks import bounded, figure_mark, run_marks
from harness.report.measured_answer import case_note
from harness.report.page import Cell, Column, Page, Table
from harness.report.picture import Axis, Mark, Picture
from harness.report.scope import Scope, Shown
from harness.schema.figure import Figure
from harness.schema.workload import parse_workload

_COLUMNS = (
    Column("configuration"),
    Column("workload"),
    Column("metric"),
    Column("median", align="right", interval="95 % interval"),
    Column("n", align="right"),
    Column("evidence"),
)
_POINTS = "The bar is the median over Runs with its interval, each small point one Run."
_TOO_MANY = "The bar is the median over Runs with its interval; single Runs are too many."
# From there on the slowest would be a dot at the edge: equal steps are equal factors then.
_WIDE_RATIO = 20


@dataclass(frozen=True, slots=True)
class _Rate:
    """One rate of one case, were it of disturbed trials alone."""

    shown: Shown
    case: Case
    metric: str
    figure: Figure
    is_writing: bool

    @property
    def is_disturbed(self) -> bool:
        return self.metric not in self.case.metrics

    @property
    def label(self) -> str:
        return METRICS[self.metric].label


def rates_page(scope: Scope) -> Page:
    """Decoding and prefill of each case, with every Run as a point; nothing where none is known."""
    rates = [rate for shown in scope.shown for rate in _rates(shown)]
    pictures = (
        _picture(scope, [it for it in rates if it.is_writing], "Decoding", "decode"),
        _picture(scope, [it for it in rates if not it.is_writing], "Prefill", "prefill"),
    )
    rows = [_row(rate) for rate in rates]
    notes = [
        f"{scope.row(shown, case.workload)}: {note}"
        for shown in scope.shown
        for case in shown.group.cases
        if (note := case_note(case))
    ]
    has_points = any(mark.is_single for it in pictures for mark in it.marks)
    marks = [_POINTS if has_points else _TOO_MANY] if rates else []
    if any(rate.figure.kind == "range" for rate in rates):
        marks.append(legend.range_line())
    if any(rate.is_disturbed for rate in rates):
        marks.append(legend.disturbed_line())
    if not rows and not notes:
        return ()
    title = scope.title("Decoding and prefill")
    table = Table(_COLUMNS, tuple(rows), title, (*marks, *notes), is_grouped=True)
    return (*(it for it in pictures if it.marks), table)


def _rates(shown: Shown) -> Iterator[_Rate]:
    for case in shown.group.cases:
        task = parse_workload(case.workload)
        figures = case.metrics or case.disturbed
        for metric, is_writing in ((task.decode_metric, True), (task.prompt_metric, False)):
            if metric and metric in figures:
                yield _Rate(shown, case, metric, figures[metric], is_writing)


def _row(rate: _Rate) -> tuple[Cell, ...]:
    mark = legend.DISTURBED_MARK if rate.is_disturbed else ""
    evidence = "disturbed" if rate.is_disturbed else rate.shown.evidence
    return (
        rate.shown.name,
        rate.case.workload,
        rate.label + mark,
        rate.figure,
        rate.figure.n,
        evidence,
    )


def _picture(scope: Scope, rates: Sequence[_Rate], title: str, name: str) -> Picture:
    marks: list[Mark] = []
    several = len({rate.case.workload for rate in rates}) > 1 or len(scope.shown) == 1
    for rate in rates:
        row = scope.row(rate.shown, rate.case.workload if several else "")
        what = f"{rate.case.workload} {title.lower()}"
        marks += run_marks(rate.shown, rate.case, rate.metric, row)
        is_disturbed = rate.is_disturbed
        marks.append(figure_mark(rate.shown, row, what, rate.figure, is_disturbed=is_disturbed))
    values = [rate.figure.value for rate in rates if rate.figure.value > 0]
    is_wide = bool(values) and max(values) > _WIDE_RATIO * min(values)
    return Picture(
        title=scope.title(f"{title}, tokens a second; further right is faster"),
        name=scope.file_name(name),
        drawing="intervals",
        marks=tuple(bounded(marks)),
        x=Axis("tok/s", is_log=is_wide, includes_zero=not is_wide),
        y=Axis(""),
    )
