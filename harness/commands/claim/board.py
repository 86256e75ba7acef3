"""What runs on a machine: the models by verdict, of one machine with their figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness import units
from harness.analysis.verdict import LEVELS, Level, word
from harness.commands.claim.conclusion import HERE, Cell, Row
from harness.commands.claim.table import NamedHost
from harness.report.blocks import bar
from harness.report.page import Cell as Value
from harness.report.page import Column, Facts, Page, Table, notes

_RUNS: tuple[Level, ...] = ("comfortable", "usable", "slow", "pages")
_BAR_WIDTH = 12
_UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Board:
    """A machine, and of each model the cell that is about both."""

    host: NamedHost
    cells: tuple[tuple[Row, Cell | None], ...]

    @property
    def name(self) -> str:
        """The machine's, in a sentence."""
        return "this machine" if self.host.name == HERE else self.host.name

    @property
    def counts(self) -> Counter[Level | None]:
        """How many models have which verdict; None counts those that have none."""
        verdicts = (cell.verdict if cell else None for _, cell in self.cells)
        return Counter(verdict.level if verdict else None for verdict in verdicts)

    def of(self, level: Level | None) -> list[tuple[Row, Cell | None]]:
        """The models of one verdict, largest first."""
        found = [
            (row, cell)
            for row, cell in self.cells
            if (cell.verdict.level if cell and cell.verdict else None) == level
        ]
        return sorted(found, key=lambda pair: -(pair[0].n_params or 0))


def board_of(host: NamedHost, rows: Sequence[Row]) -> Board:
    """The board of one machine."""
    return Board(host, tuple((row, row.cell(host.name)) for row in rows))


def answer(boards: Sequence[Board], like: str | None) -> str:
    """What runs comfortably on the first of `boards`; `like` says which machine that is like."""
    first, *others = boards
    n_all = len(first.cells)
    comfortable, usable = (first.of(level) for level in _RUNS[:2])
    largest = ""
    if comfortable and (n_params := comfortable[0][0].n_params):
        largest = f" (the largest: {comfortable[0][0].model}, {units.count(n_params)})"
    n_sure = sum(not _is_borderline(cell) for _, cell in comfortable)
    certain = f", {n_sure or 'none'} of them for certain" if n_sure < len(comfortable) else ""
    text = (
        f"Of {n_all} models {len(comfortable)} should run comfortably on {first.name}{largest}"
        f"{certain}; {len(usable)} more are usable"
    )
    for board in others:
        counts = board.counts
        is_like = ", which it is like" if board.host.name == like else ""
        text += f"; on {board.name}{is_like}, {counts['comfortable']} and {counts['usable']} more"
    return f"{text}."


def overview(boards: Sequence[Board]) -> Table:
    """A row a machine: how many models run well there, and how many have which verdict."""
    shown = [
        level
        for level in (*LEVELS, None)
        if level in LEVELS[:2] or any(board.counts[level] for board in boards)
    ]
    columns = (
        Column("machine"),
        Column("runs well"),
        *(Column(word(it) if it else _UNKNOWN, align="right") for it in shown),
    )
    rows: list[tuple[Value, ...]] = []
    for board in boards:
        counts = board.counts
        share = (counts["comfortable"] + counts["usable"]) / max(1, len(board.cells))
        rows.append((board.host.name, bar(share, _BAR_WIDTH), *(counts[level] for level in shown)))
    return Table(columns, tuple(rows))


def listed(board: Board) -> Facts:
    """The names of the models by verdict, those that may have another one behind the others."""
    items = []
    for level in (*LEVELS, None):
        found = board.of(level)
        sure = [_name(row, cell) for row, cell in found if not _is_borderline(cell)]
        unsure = [_name(row, cell) for row, cell in found if _is_borderline(cell)]
        names = ", ".join(sure)
        if unsure:
            names += f"{'; ' if names else ''}perhaps not: {', '.join(unsure)}"
        title = f"{word(level) if level else _UNKNOWN} ({len(found)})"
        items.append((title, names))
    return Facts(tuple(items), board.host.title)


def detailed(board: Board) -> Page:
    """The models that run, by verdict with their figures; then the names of the others."""
    found = [(level, row, cell) for level in _RUNS for row, cell in board.of(level)]
    # Of a CPU that nobody calibrated nothing is predicted of prompts.
    has_ttft = any(cell and cell.verdict and cell.verdict.ttft for _, _, cell in found)
    columns = (
        *(Column("verdict"), Column("model"), Column("total", align="right"), Column("variant")),
        *(Column(name, align="right") for name in ("tok/s", *(["TTFT"] if has_ttft else []))),
        *(Column("perhaps"), Column("")),
    )
    rows = tuple(
        (
            *(word(level), row.model, _total(row), cell.variant),
            *(verdict.decode, *([verdict.ttft] if has_ttft else []), verdict.perhaps),
            "" if verdict.evidence == "predicted" else verdict.evidence,
        )
        for level, row, cell in found
        if cell and (verdict := cell.verdict)
    )
    table = Table(columns, rows, board.host.title, is_grouped=True)
    return (table, *notes(list(_others(board))))


def _others(board: Board) -> list[str]:
    """Those that do not run, and those of which nothing is known."""
    lines = []
    for level in ("does-not-run", None):
        found = board.of(level)
        if found:
            names = ", ".join(_name(row, cell) for row, cell in found)
            lines.append(f"{(word(level) if level else _UNKNOWN).capitalize()}: {names}.")
    return lines


def _name(row: Row, cell: Cell | None) -> str:
    """The model; with its variant where that is not the usual one, and what is no prediction."""
    verdict = cell.verdict if cell else None
    if cell is None or verdict is None:
        return row.model
    is_other = not cell.is_usual_variant and verdict.level != "does-not-run"
    variant = f":{cell.variant}" if is_other and cell.variant else ""
    taken = f" ({verdict.evidence})" if verdict.evidence != "predicted" else ""
    return f"{row.model}{variant}{taken}"


def _is_borderline(cell: Cell | None) -> bool:
    return cell is not None and cell.verdict is not None and cell.verdict.is_borderline


def _total(row: Row) -> str:
    return units.count(row.n_params) if row.n_params else ""
