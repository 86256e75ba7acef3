"""A case over the builds of the engine and the days on which it was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from harness import units
from harness.analysis.cases import Case
from harness.analysis.comparison import compare
from harness.analysis.gate.judge import Judgement, Limits, Verdict
from harness.analysis.gate.steps import Step, judge_steps
from harness.analysis.metrics import METRICS, headline
from harness.report.gate_words import sentence, verdict_text
from harness.report.marks import AXES, bounded, figure_mark, run_marks
from harness.report.page import Cell, Column, Judged, Page, Table
from harness.report.picture import Axis, Mark, Picture
from harness.report.ratios import STATUS, ratio_of, verdict_word
from harness.report.scope import Scope, Shown, moment_text
from harness.schema.figure import Figure
from harness.schema.moment import utc_time
from harness.schema.settings import settings_text
from harness.schema.workload import parse_workload

_COLUMNS = (
    Column("case"),
    Column("measured (UTC)"),
    Column("engine"),
    Column("metric"),
    Column("median", align="right", interval="95 % interval"),
    Column("n", align="right"),
    Column("to the one before", align="right", interval="99 % interval"),
    Column("is"),
    Column("gate"),
)
_LIMITS = Limits()
_LEGEND = (
    "Measured at different times: the ratio's interval knows how far Runs differ, not what else "
    "changed between the two.",
    "gate: whether any figure of the case is worse than the time before by more than is allowed "
    f"({units.percent(_LIMITS.max_slowdown)} of time, {units.percent(_LIMITS.max_memory)} of "
    "memory), as `harness gate EXPERIMENT --baseline EXPERIMENT --across build` judges it.",
)
_GATE_STATUS: Mapping[Verdict, Literal["pass", "failure", "skipped"]] = {
    "pass": "pass",
    "regression": "failure",
    "inconclusive": "skipped",
}
_NOTHING = Judged("", "skipped")
# A picture for each; more of them are a table that is long enough.
_MOST_PICTURES = 6


@dataclass(frozen=True, slots=True)
class _Moment:
    """One case at one time; what the gate says of it, where it was measured before."""

    shown: Shown
    case: Case
    metric: str
    figure: Figure
    judgement: Judgement | None = None

    @property
    def at(self) -> float:
        return utc_time(self.shown.group.experiment.started_at).timestamp()

    @property
    def build(self) -> str:
        return self.shown.group.engine.build

    @property
    def title(self) -> str:
        group = self.shown.group
        parts = (group.model.key, *group.marks, settings_text(group.settings), self.case.workload)
        return " · ".join(filter(None, parts))


def history_page(scope: Scope) -> Page:
    """Of each case that was measured in two experiments and more; nothing without one."""
    histories = _judged([it for it in _histories(scope) if len(it) > 1])
    if not histories:
        return ()
    rows = tuple(row for history in histories for row in _rows(history))
    several = len(histories) > 1
    pictures = [
        _picture(scope, history, f"history-{number}" if several else "history")
        for number, history in enumerate(histories[:_MOST_PICTURES], start=1)
    ]
    title = scope.title("The same case, the oldest first")
    legend = [*_LEGEND]
    if len(histories) > _MOST_PICTURES:
        legend.append(f"The first {_MOST_PICTURES} cases have a picture.")
    return (*pictures, Table(_COLUMNS, rows, title, tuple(legend), is_grouped=True))


def _histories(scope: Scope) -> list[list[_Moment]]:
    found: dict[tuple[object, ...], list[_Moment]] = {}
    for shown in scope.shown:
        group = shown.group
        for case in group.cases:
            metric = headline(parse_workload(case.workload)).name
            figure = case.metrics.get(metric)
            if figure is not None:
                key = (group.model.key, group.marks, group.settings, case.workload)
                found.setdefault(key, []).append(_Moment(shown, case, metric, figure))
    return [sorted(history, key=lambda it: it.at) for history in found.values()]


def _judged(histories: Sequence[Sequence[_Moment]]) -> list[list[_Moment]]:
    """Each moment but the first with what the gate says of it beside the one before."""
    steps = [_step(*two) for history in histories for two in pairwise(history)]
    judged = judge_steps(steps, _LIMITS)
    return [
        [
            history[0],
            *(
                replace(it, judgement=judged.of(_step(before, it), it.case.workload))
                for before, it in pairwise(history)
            ),
        ]
        for history in histories
    ]


def _step(before: _Moment, it: _Moment) -> Step:
    return before.shown.group, it.shown.group


def _rows(history: Sequence[_Moment]) -> Iterator[tuple[Cell, ...]]:
    before: _Moment | None = None
    for it in history:
        ratio, word = _against(before, it) if before else (None, _NOTHING)
        metric = METRICS[it.metric].label
        started = moment_text(it.shown.group.experiment.started_at)
        yield it.title, started, it.build, metric, it.figure, it.figure.n, ratio, word, _gate(it)
        before = it


def _gate(it: _Moment) -> Judged:
    if it.judgement is None:
        return _NOTHING
    status = _GATE_STATUS[it.judgement.verdict]
    return Judged(verdict_text(it.judgement, it.metric), status, sentence(it.judgement))


def _against(before: _Moment, it: _Moment) -> tuple[Figure | None, Judged]:
    compared = compare(before.shown.group, it.shown.group, wanted=(it.metric,))
    of_case = (each for each in compared if each.workload == it.case.workload)
    found = next((each.comparison for each in of_case), None)
    if found is None:
        return None, _NOTHING
    return ratio_of(found), Judged(verdict_word(it.metric, found), STATUS[found.verdict])


def _picture(scope: Scope, history: Sequence[_Moment], name: str) -> Picture:
    marks: list[Mark] = []
    metric = METRICS[history[0].metric]
    unit, factor = AXES.get(metric.unit, (metric.unit, 1.0))
    for it in history:
        started = moment_text(it.shown.group.experiment.started_at)
        row = f"{started} · {it.build} · {it.shown.group.experiment.id}"
        marks += run_marks(it.shown, it.case, it.metric, row, factor=factor)
        what = f"{it.case.workload} {metric.label} on {started}"
        mark = figure_mark(it.shown, row, what, it.figure, factor=factor)
        verdict = f"; gate: {_gate(it).word}" if it.judgement else ""
        marks.append(replace(mark, label=mark.label + verdict))
    return Picture(
        title=scope.title(f"{history[0].title}, over time"),
        name=scope.file_name(name),
        drawing="intervals",
        marks=tuple(bounded(marks)),
        x=Axis(unit if unit == metric.label else f"{metric.label} ({unit})", includes_zero=True),
        y=Axis(""),
    )
