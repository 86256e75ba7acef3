"""How well each model runs on each machine: a paragraph, a board of words, and the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness import units
from harness.analysis.verdict import LEVELS, Level, Verdict
from harness.analysis.verdict_measured import NoVerdict, judge
from harness.report.page import Cell, Column, Judged, Page, Table
from harness.report.picture import Axis, Mark, Picture
from harness.report.scope import Scope, Shown

_SAID: Mapping[Level, str] = {
    "comfortable": "is comfortable",
    "usable": "is usable",
    "slow": "is slow",
    "pages": "pages",
    "does-not-run": "does not run",
}
_COUNTED: Mapping[Level, str] = {
    "comfortable": "comfortable",
    "usable": "usable",
    "slow": "slow",
    "pages": "reading weights from the disk",
    "does-not-run": "not running",
}
_STATUS: Mapping[Level, Literal["pass", "failure"]] = {
    "comfortable": "pass",
    "usable": "pass",
    "slow": "failure",
    "pages": "failure",
    "does-not-run": "failure",
}
_UNKNOWN = "no verdict"
MOST_BESIDE = 8
"""As many machines stand beside each other, or have a sentence each above all others."""
# Up to so many each has a clause of its own; of more they are counted.
_N_SAID = 3


@dataclass(frozen=True, slots=True)
class _Decided:
    shown: Shown
    verdict: Verdict | NoVerdict

    @property
    def word(self) -> str:
        return self.verdict.text if isinstance(self.verdict, Verdict) else _UNKNOWN

    @property
    def number(self) -> str:
        """What decided, in short: "TTFT 4.91 s"; nothing where it was no number."""
        verdict = self.verdict
        return verdict.reason.partition(" (")[0] if _has_number(verdict) else ""

    @property
    def decode(self) -> float:
        verdict = self.verdict
        return verdict.decode.value if isinstance(verdict, Verdict) and verdict.decode else 0.0


def _has_number(verdict: Verdict | NoVerdict) -> bool:
    return isinstance(verdict, Verdict) and verdict.level in ("comfortable", "usable", "slow")


def verdict_page(found: Sequence[Scope]) -> Page:
    """The board, and what decided each verdict."""
    decided = [(scope, [_Decided(it, judge(it.group)) for it in scope.shown]) for scope in found]
    if not decided:
        return ()
    if len(decided) > MOST_BESIDE:
        return (_table_of_many(decided),)
    board = _board(decided) if len(decided) == 1 else _machines(decided)
    parts: list[Table] = []
    if len(decided) > 1:
        parts.append(_table_of_machines(decided))
    parts += [_table(scope, of_machine) for scope, of_machine in decided]
    return (board, *parts) if board.marks else tuple(parts)


def conclusion(found: Sequence[Scope]) -> tuple[str, ...]:
    """A sentence for each machine: how well what was measured runs there."""
    return tuple(
        _sentence(scope, [_Decided(it, judge(it.group)) for it in scope.shown]) for scope in found
    )


_Decisions = Sequence[tuple[Scope, Sequence[_Decided]]]


# ------------------------------------------------------------------ in words


def _sentence(scope: Scope, decided: Sequence[_Decided]) -> str:
    if len(decided) <= _N_SAID:
        return f"On {scope.name}: {'; '.join(map(_clause, decided))}."
    parts = []
    for level in LEVELS:
        names = [it for it in decided if _level(it) == level]
        if names:
            parts.append(f"{len(names)} {_COUNTED[level]} ({_some(names)})")
    n_unknown = sum(_level(it) is None for it in decided)
    if n_unknown:
        parts.append(f"{n_unknown} without a verdict")
    fastest = max(decided, key=lambda it: it.decode)
    decode = fastest.verdict.decode if isinstance(fastest.verdict, Verdict) else None
    best = ""
    if decode is not None:
        speed = f"{units.significant(decode.value)} tok/s ({decode.source})"
        best = f" {fastest.shown.name} writes fastest: {speed}."
    return f"On {scope.name}, of {len(decided)} configurations: {', '.join(parts)}.{best}"


def _clause(decided: _Decided) -> str:
    verdict, name = decided.verdict, decided.shown.name
    if isinstance(verdict, NoVerdict):
        return f"{name} has no verdict, {verdict.reason}"
    evidence = "" if verdict.evidence == "measured" else f", {verdict.evidence}"
    perhaps = verdict.text.partition(", ")[2]
    said = _SAID[verdict.level] + (f", {perhaps}" if perhaps else "")
    return f"{name} {said} ({verdict.reason}{evidence})"


def _some(decided: Sequence[_Decided]) -> str:
    names = [it.shown.name for it in decided]
    more = len(names) - _N_SAID
    return ", ".join(names[:_N_SAID]) + (f" and {more} more" if more > 0 else "")


def _level(decided: _Decided) -> Level | None:
    return decided.verdict.level if isinstance(decided.verdict, Verdict) else None


# ------------------------------------------------------------------ boards


def _board(decided: _Decisions) -> Picture:
    """Of one machine: each configuration in the column of its level."""
    ((scope, of_machine),) = decided
    marks = tuple(_mark(scope, it, _column(it)) for it in of_machine if _level(it))
    levels = tuple(level.replace("-", " ") for level in LEVELS)
    title = "How well each runs"
    return _cells(title, marks, Axis("verdict", order=levels))


def _machines(decided: _Decisions) -> Picture:
    """Of several: configurations by machines."""
    marks = tuple(
        _mark(scope, it, scope.name) for scope, of_machine in decided for it in of_machine
    )
    return _cells("How well each runs on which machine", marks, Axis("machine"))


def _cells(title: str, marks: tuple[Mark, ...], x: Axis) -> Picture:
    return Picture(title, "verdicts", "cells", marks, x, Axis(""), series_title="verdict")


def _mark(scope: Scope, decided: _Decided, column: str) -> Mark:
    """In a column of its level the number is enough; in that of a machine there is the word too."""
    level = _column(decided)
    name = decided.number if column == level else f"{level} {decided.number}".rstrip()
    verdict = decided.verdict
    return Mark(
        x=column,
        y=decided.shown.name,
        label=f"{decided.shown.name} on {scope.name}: {decided.word}, {verdict.reason}",
        series=level,
        name=name or level,
        evidence=decided.shown.evidence,
    )


def _column(decided: _Decided) -> str:
    level = _level(decided)
    return level.replace("-", " ") if level else _UNKNOWN


# ------------------------------------------------------------------ tables


_COLUMNS = (
    Column("configuration"),
    Column("decided by"),
    Column("decode", align="right", unit="tok/s", interval="interval"),
    Column("TTFT", align="right", interval="interval"),
    Column("evidence"),
    Column("verdict"),
)


def _table(scope: Scope, decided: Sequence[_Decided]) -> Table:
    rows = tuple(map(_row, decided))
    return Table(_COLUMNS, rows, scope.title("What decided each"), tuple(_notes(decided)))


def _table_of_many(decided: _Decisions) -> Table:
    """One of all machines, which are too many for a table each."""
    columns = (Column("machine"), *_COLUMNS)
    rows = tuple((scope.name, *_row(it)) for scope, of_machine in decided for it in of_machine)
    notes = tuple(_notes([it for _, of_machine in decided for it in of_machine]))
    return Table(columns, rows, "What decided each", notes, is_grouped=True)


def _notes(decided: Sequence[_Decided]) -> Iterator[str]:
    """What else to know of them; what is true of all is said without their names."""
    told: dict[str, list[str]] = {}
    for it in decided:
        for note in it.verdict.notes if isinstance(it.verdict, Verdict) else ():
            told.setdefault(note, []).append(it.shown.name)
    for note, names in told.items():
        yield note if len(names) == len(decided) else f"{', '.join(names)}: {note}"


def _row(decided: _Decided) -> tuple[Cell, ...]:
    verdict = decided.verdict
    if isinstance(verdict, NoVerdict):
        unknown = Judged(_UNKNOWN, "skipped", verdict.reason)
        return decided.shown.name, verdict.reason, None, None, decided.shown.evidence, unknown
    return (
        decided.shown.name,
        verdict.reason,
        verdict.decode,
        verdict.ttft,
        verdict.evidence,
        judged(verdict),
    )


def judged(verdict: Verdict, word: str = "") -> Judged:
    """A verdict as a cell that shows how good it is; `word` where its own is not enough."""
    return Judged(word or verdict.text, _STATUS[verdict.level], verdict.reason, verdict.level)


def _table_of_machines(decided: _Decisions) -> Table:
    """A row for each configuration, a column for each machine."""
    names = list(dict.fromkeys(it.shown.name for _, of_machine in decided for it in of_machine))
    columns = (Column("configuration"), *(Column(scope.name) for scope, _ in decided))
    by_name = [{it.shown.name: it for it in of_machine} for _, of_machine in decided]
    rows = tuple((name, *(_cell(of_machine.get(name)) for of_machine in by_name)) for name in names)
    return Table(columns, rows, "Verdicts by machine")


def _cell(decided: _Decided | None) -> str:
    return f"{decided.word}: {decided.verdict.reason}" if decided else "–"
