"""Every model on every machine in words and colours, for where a table has room: a browser."""

from __future__ import annotations

from harness import units
from harness.commands.claim.claim import ClaimResult
from harness.commands.claim.conclusion import Cell, Row
from harness.report.page import Cell as Value
from harness.report.page import Column, Facts, Judged, Page, Quantity, Table
from harness.report.verdict_page import judged

_LEGEND = (
    "Verdicts without a word behind them are predicted, offline. A variant is named where it is "
    "not the usual one of the model; ~ before a size: not published, but what its shape comes to.",
)


def grid(result: ClaimResult) -> Page:
    """The board of all verdicts, and which machines those are."""
    columns = (
        Column("model"),
        *(Column(host.name) for host in result.hosts),
        *(Column(name, align="right") for name in ("parameters", "active", "size")),
        Column("lab"),
        Column("country"),
    )
    names = [host.name for host in result.hosts]
    rows = tuple(
        (row.model, *(_judged(row, row.cell(name)) for name in names), *_facts(row))
        for row in result.rows
    )
    hosts = Facts(tuple((host.name, host.title) for host in result.hosts), "The machines")
    return Table(columns, rows, "How well each model runs", _LEGEND), hosts


def _judged(row: Row, cell: Cell | None) -> Judged:
    verdict = cell.verdict if cell else None
    if cell is None or verdict is None:
        return Judged("not known", "skipped", cell.reason if cell else "")
    more: list[str] = [] if verdict.evidence == "predicted" else [verdict.evidence]
    # Where none runs, it does not matter which variant came nearest.
    if cell.variant and cell.variant != row.variant and verdict.level != "does-not-run":
        more.append(cell.variant)
    word = verdict.text + (f" ({', '.join(more)})" if more else "")
    return judged(verdict, word)


def _facts(row: Row) -> tuple[Value, ...]:
    size = units.file_size(row.size_bytes) if row.size_bytes else ""
    counts = (Quantity(n, "parameters") if n else "" for n in (row.n_params, row.n_params_active))
    return *counts, f"~{size}" if row.is_size_estimated else size, row.lab, row.country
