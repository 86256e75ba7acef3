"""What reading several tokens at once costs, and from where on guessing them pays: with a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness import units
from harness.analysis.stats.ratio import CONFIDENCE
from harness.analysis.verification import BatchCost, CostCurve, cost_curves
from harness.report import legend
from harness.report.cells import NOTHING, without_figure
from harness.report.loads_page import Named
from harness.report.page import Cell, Column, Page, Table, notes
from harness.report.picture import Axis, Mark, Picture, Rule
from harness.report.ratios import ratio_of
from harness.report.scope import Scope

FORMULA = (
    "Cost: time of the batch / time of one token, by rounds. A step of speculation that checks "
    "n - 1 guesses costs that much, and yields one token more than guesses were right: what it "
    "must yield to pay, guessing itself left out."
)


def cost_sentences(groups: Named) -> list[str]:
    """Whether guessing tokens ahead can pay, a sentence for each configuration and depth."""
    found = []
    for name, group in groups:
        for curve in cost_curves(group):
            if any(it.ratio for it in curve.costs):
                about = (name if len(groups) > 1 else "", _place(curve))
                said = ": ".join(filter(None, (" · ".join(filter(None, about)), _told(curve))))
                found.append(f"{said}." if about[0] else f"{said[0].upper()}{said[1:]}.")
    return found


def cost_tables(groups: Named) -> list[Table]:
    """A table for each depth at which batches were measured."""
    known: dict[int, list[tuple[str, CostCurve]]] = {}
    for name, group in groups:
        for curve in cost_curves(group):
            known.setdefault(curve.depth, []).append((name, curve))
    return [_table(depth, each, has_names=len(groups) > 1) for depth, each in known.items()]


def cost_page(scope: Scope) -> Page:
    """What batches cost on a machine: in words, as a picture and as tables; or nothing."""
    groups = [(shown.name, shown.group) for shown in scope.shown]
    tables = cost_tables(groups)
    if not tables:
        return ()
    picture = _picture(scope)
    return (*notes(cost_sentences(groups)), *([picture] if picture.marks else []), *tables)


def _place(curve: CostCurve) -> str:
    return f"at depth {curve.depth}" if curve.depth else ""


def _told(curve: CostCurve) -> str:
    """
    The widest guess that surely pays and how much; or that none can, or that nobody can tell.

    "Guessing" is one less than the batch: the first of its tokens is known.
    """
    costs = [it for it in curve.costs if it.ratio]
    paying = [it for it in costs if it.can_pay]
    if not paying:
        sizes = ", ".join(str(it.n) for it in costs)
        if all(it.can_pay is False for it in costs):
            return (
                f"speculation cannot pay here: {sizes} tokens at once take longer than one after "
                "the other"
            )
        return f"whether speculation can pay here cannot be told: batches of {sizes} tokens"
    most = max(paying, key=lambda it: it.best or 0.0)
    assert most.ratio is not None
    lost = [it.n - 1 for it in costs if it.can_pay is False]
    never = f"; {_ahead(lost)} never pays" if lost else ""
    return (
        f"guessing {most.n - 1} tokens ahead pays from {units.significant(most.ratio.ratio)} "
        f"tokens a step on, and is at most {units.factor(most.best or 0.0)} times as fast{never}"
    )


def _ahead(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers)
    return f"guessing {' or '.join(filter(None, (', '.join(most), last)))}"


# ------------------------------------------------------------------ tables and pictures


def _table(depth: int, each: Sequence[tuple[str, CostCurve]], *, has_names: bool) -> Table:
    columns = (
        *([Column("configuration")] if has_names else []),
        Column("tokens", align="right"),
        Column("batch", align="right", interval="95 % interval", is_interval_optional=True),
        Column("cost", align="right", interval=f"{CONFIDENCE * 100:.0f} % interval"),
        Column("pays from", align="right"),
        Column("n", align="right"),
    )
    rows = tuple(
        (*([name] if has_names else []), *_row(cost))
        for name, curve in each
        for cost in curve.costs
    )
    title = "What a batch costs beside one token" + (f", behind {depth}" if depth else "")
    return Table(columns, rows, title, is_grouped=has_names)


def _row(cost: BatchCost) -> tuple[Cell, ...]:
    mark = legend.DISTURBED_MARK if cost.case.disturbed else ""
    figures = cost.case.metrics or cost.case.disturbed
    batch: Cell = figures.get("batch") or without_figure(cost.case)
    ratio: Cell = ratio_of(cost.ratio) if cost.ratio else NOTHING
    return f"{cost.n}{mark}", batch, ratio, _pays(cost), cost.case.n_runs


def _pays(cost: BatchCost) -> str:
    """What a step must yield: "1.32 of 5", "6.41 of 5: never"."""
    if cost.ratio is None or not math.isfinite(cost.ratio.high):
        return NOTHING
    never = {False: ": never", None: "?", True: ""}[cost.can_pay]
    return f"{units.significant(cost.ratio.ratio)} of {cost.n}{never}"


def _picture(scope: Scope) -> Picture:
    marks = []
    for shown in scope.shown:
        for curve in cost_curves(shown.group):
            series = scope.row(shown, _place(curve))
            for cost in curve.costs:
                if cost.n > 1 and (cost.ratio is None or not math.isfinite(cost.ratio.high)):
                    continue
                value, low, high = (
                    (cost.ratio.ratio, cost.ratio.low, cost.ratio.high)
                    if cost.ratio
                    else (1.0, None, None)
                )
                about = f"{series}: {cost.n} tokens at once take"
                marks.append(
                    Mark(
                        x=cost.n,
                        y=value,
                        label=f"{about} {units.factor(value)} times as long as one",
                        series=series,
                        low=low,
                        high=high,
                        evidence=shown.evidence,
                    )
                )
    return Picture(
        title=scope.title("Time of a batch, in that of one token; above the line no guess pays"),
        name=scope.file_name("verification"),
        drawing="lines",
        marks=tuple(marks),
        x=Axis("tokens at once", includes_zero=True),
        y=Axis("times one token", includes_zero=True),
        rules=(Rule(1.0, "one after the other", "ratio"),),
        series_title="configuration",
    )
