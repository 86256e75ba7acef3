"""What was measured on one machine, as the parts of a page take it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.measured import measured_of
from harness.report.page import Page, Table
from harness.report.picture import Mark, Picture
from harness.report.scope import Scope, scopes
from harness.schema.experiment import Experiment, Run
from harness.schema.figure import Figure


def scope_of(*measured: tuple[Experiment, Sequence[Run]]) -> Scope:
    """All of them, which must be of one machine."""
    groups = [group for experiment, runs in measured for group in measured_of(experiment, runs)]
    (scope,) = scopes(groups)
    return scope


def table_of(page: Page) -> Table:
    """The one table of a page."""
    (table,) = (part for part in page if isinstance(part, Table))
    return table


def pictures_of(page: Page) -> dict[str, Picture]:
    """By name."""
    return {part.name: part for part in page if isinstance(part, Picture)}


def figures_of(table: Table) -> list[Figure]:
    """Every figure in it."""
    return [cell for row in table.rows for cell in row if isinstance(cell, Figure)]


def summaries(picture: Picture) -> list[Mark]:
    """Its marks, single Runs left out."""
    return [mark for mark in picture.marks if not mark.is_single]
