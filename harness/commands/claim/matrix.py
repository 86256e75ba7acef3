"""The claim's whole table: every model on every machine, by letters in 80 columns, or in words."""

from __future__ import annotations

from collections.abc import Sequence

from harness import units
from harness.analysis.verdict import LEVELS, Level, Verdict
from harness.commands.claim.conclusion import HERE, Cell, Row
from harness.commands.claim.table import NamedHost
from harness.report.page import Column, Facts, Note, Page, Quantity, Table

_LETTERS: dict[Level, str] = {
    "comfortable": "c",
    "usable": "u",
    "slow": "s",
    "pages": "p",
    "does-not-run": "-",
}
_UNKNOWN = "?"
_KEYS = (
    "c comfortable, u usable, s slow, p pages, - does not run, ? not known.",
    "Small letters are predicted, capitals measured here, with r rehearsed here.",
    "+ and ~: perhaps better, perhaps worse; both: either. * another variant than the usual one.",
    "total, used: parameters in billions, in all and for a token; size: GB, usual variant, "
    "~ not published but what its shape comes to.",
)


def matrix(rows: Sequence[Row], hosts: Sequence[NamedHost], *, is_wide: bool) -> Page:
    """
    The table with its legend.

    Args:
        rows: The models.
        hosts: The machines.
        is_wide: In words, for where lines may be as long as they like.
    """
    rows, names = _by_lab(rows), [host.name for host in hosts]
    if is_wide:
        named = [
            it.title if it.title.startswith(it.name) else f"{it.name}: {it.title}" for it in hosts
        ]
        return _in_words(rows, names), Note(tuple(named))
    letters = _letters(names)
    titles = tuple(zip(letters, (host.title for host in hosts), strict=True))
    return _overview(rows, names, letters), Facts(titles), Note(_KEYS)


def symbol(cell: Cell | None) -> str:
    """A cell in up to five characters; the keys stand below the table."""
    if cell is None or cell.verdict is None:
        return _UNKNOWN
    verdict = cell.verdict
    letter = _LETTERS[verdict.level]
    if verdict.evidence != "predicted":
        letter = letter.upper() if letter != "-" else "--"
    mark = "r" if verdict.evidence == "rehearsed" else ""
    # Where none runs, it does not matter which variant came nearest.
    is_marked = not cell.is_usual_variant and verdict.level != "does-not-run"
    return letter + mark + _leaning(verdict) + ("*" if is_marked else "")


def _leaning(verdict: Verdict) -> str:
    return ("+" if _is_better(verdict.best, verdict.level) else "") + (
        "~" if _is_better(verdict.level, verdict.worst) else ""
    )


def _is_better(one: Level, other: Level) -> bool:
    return LEVELS.index(one) < LEVELS.index(other)


def _overview(rows: Sequence[Row], machines: Sequence[str], letters: Sequence[str]) -> Table:
    columns = (
        Column("lab"),
        Column("model"),
        *(Column(name, align="right") for name in ("total", "used", "size")),
        *(Column(letter) for letter in letters),
    )
    cells = tuple(
        (
            *(_lab(row), row.model, _billions(row.n_params), _billions(row.n_params_active)),
            _about(row, _billions(row.size_bytes)),
            *(symbol(row.cell(machine)) for machine in machines),
        )
        for row in rows
    )
    return Table(columns, cells, is_grouped=True)


def _in_words(rows: Sequence[Row], machines: Sequence[str]) -> Table:
    columns = (
        *(Column(name) for name in ("model", "lab", "country")),
        *(Column(name, align="right") for name in ("total", "active", "size")),
        *map(Column, machines),
    )
    cells = tuple(
        (
            *(row.model, row.lab, row.country),
            *map(_parameters, (row.n_params, row.n_params_active)),
            _about(row, units.file_size(row.size_bytes) if row.size_bytes else ""),
            *(_words(row.cell(machine), row) for machine in machines),
        )
        for row in rows
    )
    return Table(columns, cells)


def _by_lab(rows: Sequence[Row]) -> list[Row]:
    """Rows of one lab together, in the order in which the labs first come."""
    order = {row.lab: i for i, row in reversed(list(enumerate(rows)))}
    return sorted(rows, key=lambda row: order[row.lab])


def _lab(row: Row) -> str:
    return row.lab + (f", {row.country}" if row.country else "")


def _words(cell: Cell | None, row: Row) -> str:
    if cell is None or cell.verdict is None:
        return "not known"
    variant = "" if cell.variant == row.variant or not cell.variant else f", {cell.variant}"
    return f"{cell.verdict.text} ({cell.verdict.evidence}{variant})"


def _parameters(n: int | None) -> Quantity | None:
    return Quantity(n, "parameters") if n else None


def _about(row: Row, size: str) -> str:
    return f"~{size}" if row.is_size_estimated else size


def _billions(value: int | None) -> str:
    """Parameters or bytes without a unit, which would not fit in; empty where unknown."""
    if not value:
        return ""
    billions = value / 1e9
    return "<0.1" if billions < 0.1 else units.significant(billions, 3 if billions >= 1 else 2)


def _letters(machines: Sequence[str]) -> list[str]:
    """The columns' headings: "here", and a letter for each other machine."""
    letters = iter("abcdefghijklmnopqrstuvwxyz" * len(machines))
    return [HERE if name == HERE else next(letters) for name in machines]
