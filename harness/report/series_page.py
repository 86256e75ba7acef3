"""
What belongs together of one configuration or several: loads, depths, batches, turns, as sentences
and tables of their own. What stands there is left out of the table of all figures.

A further kind of series is a row of each function here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analysis.cases import Case
from harness.analysis.conversations import conversations
from harness.analysis.depth_curve import depth_curves
from harness.analysis.measured import Measured
from harness.analysis.speculation import guessed_workloads, guessings
from harness.analysis.user_loads import load_series
from harness.analysis.verification import cost_curves
from harness.report.depth_page import depth_tables
from harness.report.loads_page import Named, load_sentences, load_tables, shown_loads
from harness.report.page import Table
from harness.report.speculation_page import FORMULA as GUESSING
from harness.report.speculation_page import guessing_sentences, guessing_tables
from harness.report.turns_page import turns_sentences, turns_tables
from harness.report.verification_page import FORMULA, cost_sentences, cost_tables
from harness.schema.figure import Figure


def series_sentences(groups: Named) -> list[str]:
    """What each series says; how far decoding is enough stands with the verdict."""
    return [
        *load_sentences(groups),
        *cost_sentences(groups),
        *turns_sentences(groups),
        *guessing_sentences(groups),
    ]


def series_tables(groups: Named) -> list[Table]:
    """For people a table for each series."""
    return [
        *load_tables(groups),
        *depth_tables(groups),
        *cost_tables(groups),
        *turns_tables(groups),
        *guessing_tables(groups),
    ]


def series_workloads(group: Measured) -> set[str]:
    """The workloads of a configuration that stand in such tables."""
    cases = [
        *(load.case for series in load_series(group) for load in series.loads),
        *(point.case for curve in depth_curves(group) for point in curve.points),
        *(cost.case for curve in cost_curves(group) for cost in curve.costs),
        *(it.case for it in conversations(group)),
    ]
    return {case.workload for case in cases} | guessed_workloads(group)


def cases_apart(group: Measured) -> list[Case]:
    """Its other cases, in their order."""
    names = series_workloads(group)
    return [case for case in group.cases if case.workload not in names]


def shown_series(groups: Sequence[Measured]) -> Iterator[tuple[str, Figure]]:
    """Every figure that the tables have, by its metric."""
    yield from shown_loads(groups)
    for group in groups:
        for curve in depth_curves(group):
            yield from (("tok_per_s", point.figure) for point in curve.points if point.figure)
        yield from (("ttft", turn.ttft) for it in conversations(group) for turn in it.turns)


def series_formulas(groups: Sequence[Measured]) -> list[str]:
    """What of those tables the metrics do not explain."""
    costs = [FORMULA] if any(cost_curves(group) for group in groups) else []
    return [*costs, *([GUESSING] if guessings(groups) else [])]
