"""Several machines in a report: which for which model; of many how machines of a kind differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from harness import units
from harness.analysis.metrics import METRICS
from harness.analysis.spreads import Outlier, Spread, spreads_of
from harness.analysis.standings import Standing, Standings
from harness.report.cells import text_of
from harness.report.machine_names import machine_text
from harness.report.machines_page import (
    MOST_ROWS,
    Names,
    figure_axis,
    machines_for_people,
    machines_pictures,
    of_text,
    shown_value,
)
from harness.report.machines_words import (
    EXPLAINED,
    best_sentences,
    differing,
    machine_facts,
    missing,
    names_of,
    writing_standings,
)
from harness.report.page import Cell, Column, Page, Quantity, Table, notes
from harness.report.picture import Axis, Mark, Picture
from harness.report.side_by_side import SideBySide

# So many columns of a board can be read on a phone, and so many colours a picture has.
_MOST_COLUMNS, _MOST_COLOURS = 8, 6
_MOST_OUTLIERS = 20
_FASTEST, _PERHAPS, _SLOWER = "fastest", "perhaps as fast", "slower"
# Beside the number, for nobody has to tell cells by their colour alone.
_BRIEFLY = {_FASTEST: _FASTEST, _PERHAPS: "≈", _SLOWER: ""}
_MANY = (
    "Kinds are machines of one processor, number of cores, card and memory. Far off: beyond three "
    "quartile ranges from the quartiles of its kind, and by more than 2 %."
)


def fleet_page(found: SideBySide) -> Page:
    """
    Machines side by side: who leads, pictures, and every figure with its ratio to the baseline.

    Of more than MOST_ROWS machines first how those of a kind differ and which are far off, then
    the best, the baseline and the last ones of each figure.
    """
    names = names_of(found, is_wide=True)
    if not names:
        return ()
    is_many = len(names) > MOST_ROWS
    parts = _of_many(found, names) if is_many else _of_few(found.standings, names)
    return (
        *notes(best_sentences(found.standings, names)),
        machine_facts(found, names),
        *differing(found, names),
        *parts,
        machines_for_people(found.standings, names, found.machines, title="Machines side by side"),
        *missing(found, names),
        *notes(EXPLAINED),
    )


# ------------------------------------------------------------------ a few


def _of_few(standings: Sequence[Standings], names: Names) -> list[Picture]:
    board = _board(standings, names)
    pictures = [board] if board.marks and len(names) <= _MOST_COLUMNS else []
    return pictures + (
        machines_pictures(standings, names, "machines") if len(names) <= _MOST_COLOURS else []
    )


def _board(standings: Sequence[Standings], names: Names) -> Picture:
    """Models by machines, each with its speed of writing and how that stands to the best."""
    shown = writing_standings(standings)
    marks = tuple(
        Mark(
            x=names[row.entry.machine],
            y=each.name,
            label=f"{each.name} on {names[row.entry.machine]}: {text_of(row.figure)} tok/s in "
            f"{each.workload}, {word}",
            series=word,
            name=f"{text_of(row.figure)} {_BRIEFLY[word]}".rstrip(),
            evidence="rehearsed" if each.model.is_twin else "measured",
        )
        for each in shown
        for row, word in _beside_best(each)
    )
    workloads = ", ".join(dict.fromkeys(each.workload for each in shown))
    is_open = any(mark.series == _PERHAPS for mark in marks)
    title = f"Which machine for which model: tok/s of {workloads}"
    return Picture(
        f"{title}; {_BRIEFLY[_PERHAPS]} not told from the fastest" if is_open else title,
        "machines-board",
        "cells",
        marks,
        Axis("machine", order=tuple(names.values())),
        Axis(""),
        series_title="beside the fastest",
    )


def _beside_best(standings: Standings) -> Iterator[tuple[Standing, str]]:
    for row, against in standings.beside_best():
        verdict = against.verdict if against else ""
        words = {"": _FASTEST, "worse": _SLOWER}
        yield row, words.get(verdict, _PERHAPS)


# ------------------------------------------------------------------ many


def _of_many(found: SideBySide, names: Names) -> list[Picture | Table]:
    kinds = {at: machine_text(found.machines[at].facts) for at in names}
    judged = [it for it in found.standings if it.is_headline and it.known]
    spreads = [(it, spreads_of(it, kinds.__getitem__)) for it in judged]
    if not spreads:
        return []
    writing = {id(it) for it in writing_standings(judged)}
    drawn = [(it, of_kinds) for it, of_kinds in spreads if id(it) in writing]
    columns = (
        Column("of"),
        Column("kind"),
        Column("machines", align="right"),
        *(Column(name, align="right") for name in ("best", "median", "worst", "far off")),
        Column("best machine"),
    )
    rows = [_spread_row(it, each, names) for it, of_kinds in spreads for each in of_kinds]
    kinds_table = Table(columns, tuple(rows), "Machines by kind", (_MANY,), is_grouped=True)
    pictures = [_kinds_picture(*it, number) for number, it in enumerate(drawn, start=1)]
    return [*pictures, kinds_table, *_odd(spreads, kinds, names)]


def _spread_row(standings: Standings, spread: Spread, names: Names) -> tuple[Cell, ...]:
    unit = METRICS[standings.metric].unit
    return (
        of_text(standings),
        spread.kind,
        spread.n,
        _plain(spread.best, unit),
        Quantity(spread.median, unit),
        _plain(spread.worst, unit),
        len(spread.outliers),
        names[spread.best.entry.machine],
    )


def _plain(row: Standing, unit: str) -> Cell:
    return Quantity(row.figure.value, unit) if row.figure else None


def _odd(
    spreads: Sequence[tuple[Standings, Sequence[Spread]]], kinds: Mapping[int, str], names: Names
) -> Iterator[Table]:
    """Machines far from their kind in any figure, the farthest first."""
    found: dict[int, list[tuple[Standings, Outlier]]] = {}
    for standings, of_kinds in spreads:
        for outlier in (it for each in of_kinds for it in each.outliers):
            found.setdefault(outlier.row.entry.machine, []).append((standings, outlier))
    if not found:
        return
    farthest = sorted(found, key=lambda at: -max(_distance(it) for _, it in found[at]))
    columns = (
        Column("machine"),
        Column("kind"),
        Column("of"),
        Column("median", align="right"),
        Column("times its kind", align="right"),
    )
    rows = tuple(
        (
            names[at],
            kinds[at],
            of_text(standings),
            _plain(outlier.row, METRICS[standings.metric].unit),
            Quantity(outlier.ratio, "factor"),
        )
        for at in farthest[:_MOST_OUTLIERS]
        for standings, outlier in found[at]
    )
    n_more = len(found) - _MOST_OUTLIERS
    legend = (f"{n_more} more: `harness compare --across machine --json`.",) if n_more > 0 else ()
    title = f"Far from their kind: {units.counted(len(found), 'machine')}"
    yield Table(columns, rows, title, legend, is_grouped=True)


def _distance(outlier: Outlier) -> float:
    return abs(math.log(outlier.ratio))


def _kinds_picture(standings: Standings, of_kinds: Sequence[Spread], number: int) -> Picture:
    metric = standings.metric
    marks = tuple(
        Mark(
            x=shown_value(it.median, metric),
            y=f"{it.kind} ({it.n})",
            label=f"{it.kind}: the middle of {it.n} machines "
            f"{units.quantity(it.median, METRICS[metric].unit)}, half of them between "
            f"{units.quantity(it.low, METRICS[metric].unit)} and "
            f"{units.quantity(it.high, METRICS[metric].unit)}",
            low=shown_value(it.low, metric),
            high=shown_value(it.high, metric),
        )
        for it in of_kinds
    )
    return Picture(
        f"{of_text(standings)} by kind of machine: the middle, and between what half of them lie",
        f"kinds-{number}",
        "intervals",
        marks,
        figure_axis(metric),
        Axis(""),
    )
