"""A sweep as one table: a row for each workload of each configuration, as llama-bench has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analysis.cases import Case
from harness.analysis.measured import Measured
from harness.report import legend
from harness.report.cells import without_figure
from harness.report.page import Cell, Column, Quantity, Table
from harness.report.series_page import cases_apart
from harness.schema.figure import Figure
from harness.schema.settings import differing_fields, option_name, setting_text, shared_text
from harness.schema.workload import parse_workload

FULL = "--verbose"
"""What asks for all figures of each configuration instead."""


def sweep_table(groups: Sequence[Measured], notes: Sequence[tuple[str, str]]) -> Table:
    """
    The rates of all configurations side by side, with a column for each setting that differs.

    What belongs to a series has a table of its own (series_page.py).

    Args:
        groups: At least two.
        notes: Rows that are not what they look like, and why.
    """
    settings = [group.settings for group in groups]
    fields = differing_fields(settings)
    has_ttft = any("ttft" in _figures(case) for group in groups for case in cases_apart(group))
    columns = (
        Column("model"),
        Column("size", align="right"),
        Column("params", align="right"),
        *(Column(option_name(field), align="right") for field in fields),
        Column("test"),
        Column("tok/s", align="right", interval="95 % interval"),
        *([Column("TTFT", align="right")] if has_ttft else []),
        Column("n", align="right"),
    )
    rows = tuple(
        (
            _model(group),
            _quantity(group.model.n_bytes, "file bytes"),
            _quantity(group.model.n_params, "parameters"),
            *(setting_text(group.settings, field) for field in fields),
            *_of_case(case, has_ttft=has_ttft),
        )
        for group in groups
        for case in cases_apart(group)
    )
    legend_lines = tuple(f"{name}  {note}" for name, note in notes)
    title = shared_text(settings)
    return Table(columns, rows, title, legend_lines, is_grouped=True)


def shown_figures(groups: Sequence[Measured]) -> Iterator[tuple[str, Figure]]:
    """Every figure that the table has, by its metric."""
    for group in groups:
        for case in cases_apart(group):
            figures = _figures(case)
            for name in (_rate_name(case), "ttft"):
                if name in figures:
                    yield name, figures[name]


def _quantity(value: int | None, unit: str) -> Cell:
    return None if value is None else Quantity(value, unit)


def _model(group: Measured) -> str:
    return " · ".join((group.model.key, *group.marks))


def _of_case(case: Case, *, has_ttft: bool) -> tuple[Cell, ...]:
    figures = _figures(case)
    rate: Cell = figures.get(_rate_name(case))
    if rate is None:
        rate = without_figure(case)
    mark = legend.DISTURBED_MARK if case.disturbed else ""
    ttft = [figures.get("ttft")] if has_ttft else []
    return case.workload + mark, rate, *ttft, case.n_runs


def _rate_name(case: Case) -> str:
    return parse_workload(case.workload).rate_metric or ""


def _figures(case: Case) -> dict[str, Figure]:
    return case.metrics or case.disturbed
