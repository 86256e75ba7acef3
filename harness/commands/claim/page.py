"""The claim as a page: what runs on a machine, all machines side by side, and what follows."""

from __future__ import annotations

from harness.analysis.verdict import meaning
from harness.commands.claim.board import answer, board_of, detailed, listed, overview
from harness.commands.claim.claim import ClaimResult
from harness.commands.claim.grid import grid
from harness.commands.claim.matrix import matrix
from harness.commands.claim.sentences import sentences
from harness.report.page import Cell, Column, Page, Table, explanation, notes

_EXPLAINED = (
    "Of each model the usual variant is judged if it fits, else the largest that does, which is "
    "named; largest models first.",
    "Perhaps not, and not for certain: the interval of what decides reaches across a threshold, or "
    "the time to the first token is not known.",
    "Predicted, offline, where nothing says measured or rehearsed; this machine by the memory that "
    "is free now, the others by what an idle one gives.",
)
_FLAT = (
    *(Column(None, key) for key in ("model", "lab", "country", "n_params", "n_params_active")),
    *(Column(None, key) for key in ("machine", "variant", "level", "best", "worst", "evidence")),
    *(Column(None, key) for key in ("decode_", "ttft_", "short_bytes", "reason")),
)


def page(
    result: ClaimResult, *, is_matrix: bool = False, is_wide: bool = False, is_grid: bool = False
) -> Page:
    """
    What runs on the machines that are asked about, and what that says of the claim.

    Args:
        result: What was found.
        is_matrix: Every model on every machine as one table.
        is_wide: That in words, for where lines may be as long as they like.
        is_grid: It all, and every verdict in colours, for a browser.
    """
    featured = [board_of(host, result.rows) for host in result.featured]
    said = notes(answer(featured, result.like)) if featured and result.rows else ()
    told = sentences(result.conclusion)
    explained = explanation((*_EXPLAINED, meaning()))
    if is_grid and len(result.hosts) > 1:
        return (*said, *grid(result), *notes(*told, list(result.left_out)), *explained)
    if is_matrix:
        table = matrix(result.rows, result.hosts, is_wide=is_wide)
        return (*said, *table, _flat(result), *notes(*result.left_out, *told))
    boards = [board_of(host, result.rows) for host in result.hosts]
    shown: Page = tuple(map(listed, featured)) if len(featured) > 1 else ()
    if len(featured) == 1:
        shown = detailed(featured[0])
    return (
        *said,
        *((overview(boards),) if len(boards) > 1 else ()),
        *shown,
        _flat(result),
        *notes(list(result.left_out), told[-1]),
        *explained,
    )


def hint(result: ClaimResult, *, is_matrix: bool) -> Page:
    """Where the rest is."""
    if is_matrix:
        return ()
    names = " or ".join(host.name for host in result.hosts if host not in result.featured)
    figures = [f"One machine with its figures: --machine {names}"] if names else []
    return notes([*figures, "Every model on every machine, and all that follows: --matrix"])


def _flat(result: ClaimResult) -> Table:
    """A row for each model on each machine, for programs."""
    cells = []
    for row in result.rows:
        facts = (row.model, row.lab, row.country, row.n_params, row.n_params_active)
        for cell in filter(None, (row.cell(host.name) for host in result.hosts)):
            told: tuple[Cell, ...] = (None,) * 7 + (cell.reason,)
            if (it := cell.verdict) is not None:
                levels = (it.level, it.best, it.worst, it.evidence)
                told = (*levels, it.decode, it.ttft, it.short_bytes, it.reason)
            cells.append((*facts, cell.machine, cell.variant, *told))
    return Table(_FLAT, tuple(cells))
