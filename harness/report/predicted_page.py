"""What was predicted before each measurement, beside what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from harness import units
from harness.analysis.prediction_errors import Pair, pairs_of
from harness.report.marks import value_text
from harness.report.page import Cell, Column, Page, Quantity, Table
from harness.report.picture import Axis, Mark, Picture, Rule
from harness.report.scope import Scope, Shown
from harness.schema.prediction import unit_of

_COLUMNS = (
    Column("configuration"),
    Column("workload"),
    Column("what"),
    Column("predicted", align="right", interval="90 % interval"),
    Column("measured", align="right"),
    Column("off by", align="right"),
    Column("inside"),
    Column("predicted by"),
)
# Of memory the sum says it all, unless a part was off.
_SHOWN = ("tok_per_s", "ttft_ns", "total_bytes")


@dataclass(frozen=True, slots=True)
class _Told:
    shown: Shown
    pair: Pair


def predicted_page(scope: Scope) -> Page:
    """A row for each prediction that something was measured for; nothing without any."""
    told = [_Told(shown, pair) for shown in scope.shown for pair in _pairs(shown)]
    if not told:
        return ()
    n_inside = sum(it.pair.is_covered for it in told)
    share = units.percent(n_inside / len(told))
    legend = (
        f"{n_inside} of {len(told)} measurements ({share}) lie in their intervals, which are made "
        "to hold 9 of 10. Of memory the total is shown, and those of its parts that were off.",
    )
    shown = [it for it in told if _is_shown(it.pair)]
    title = scope.title("Predicted before, and then measured")
    table = Table(_COLUMNS, tuple(map(_row, shown)), title, legend, is_grouped=True)
    picture = _picture(scope, shown)
    return (picture, table) if picture.marks else (table,)


def _is_shown(pair: Pair) -> bool:
    return pair.prediction.component in _SHOWN or not pair.is_covered


def _pairs(shown: Shown) -> list[Pair]:
    group = shown.group
    settings = group.experiment.plan.settings
    return [
        pair
        for pair in pairs_of(group.experiment, group.experiment_runs)
        if pair.prediction.model == group.model.key
        and settings[pair.prediction.settings_index] == group.settings
    ]


def _row(told: _Told) -> tuple[Cell, ...]:
    pair = told.pair
    prediction = pair.prediction
    return (
        told.shown.name,
        prediction.workload,
        pair.label,
        prediction.figure,
        Quantity(pair.measured, unit_of(prediction.component)),
        units.percent(pair.error),
        "yes" if pair.is_covered else "no",
        prediction.method,
    )


def _picture(scope: Scope, told: list[_Told]) -> Picture:
    marks: list[Mark] = []
    for it in told:
        prediction = it.pair.prediction
        is_exact = prediction.low == prediction.high and it.pair.is_covered
        # What was known before and came so leaves nothing to be seen.
        if prediction.component not in _SHOWN or prediction.value <= 0 or is_exact:
            continue
        unit = unit_of(prediction.component)
        row = scope.row(it.shown, prediction.workload, it.pair.label)
        about = f"{it.shown.name}: {prediction.workload} {it.pair.label}"
        low, high = prediction.low / prediction.value, prediction.high / prediction.value
        value = value_text(prediction.value, unit)
        bounds = f"{units.quantity(prediction.low, unit)} – {units.quantity(prediction.high, unit)}"
        text = f"{about} predicted {value}, 90 % interval {bounds}"
        marks.append(Mark(1.0, row, text, low=low, high=high, evidence="predicted"))
        ratio = it.pair.measured / prediction.value
        measured = f"{about} {it.shown.evidence} {value_text(it.pair.measured, unit)}"
        marks.append(
            Mark(
                ratio,
                row,
                f"{measured}, {units.factor(ratio)} times the prediction",
                evidence=it.shown.evidence,
            )
        )
    return Picture(
        title=scope.title("Measured, as a multiple of what was predicted before"),
        name=scope.file_name("predicted"),
        drawing="intervals",
        marks=tuple(marks),
        x=Axis("measured / predicted"),
        y=Axis(""),
        rules=(Rule(1.0, "as predicted"),),
    )
