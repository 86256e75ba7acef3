"""Machines side by side: a table of what each has of a model, in words, as rows, as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness import units
from harness.analysis.metrics import METRICS
from harness.analysis.roster import Entrant
from harness.analysis.standings import Standing, Standings
from harness.report.cells import text_of
from harness.report.page import Cell, Column, Judged, Table
from harness.report.picture import Axis, Mark, Picture
from harness.report.ratios import STATUS, ratio_of, verdict_word

Names = Mapping[int, str]
"""Machines by their numbers, each in a few words."""

MOST_ROWS = 12
"""So many machines a table shows of each figure, unless all are asked for."""
_N_LAST = 3
_MORE = "Every machine: `harness compare --across machine --all`; --json has them all."
# As many as a picture has colours for.
_MOST_SERIES = 6
_SCALES = {"ns": (1e9, "s"), "bytes": (1 << 30, "GiB")}
_BEFORE = (
    Column("of"),
    Column(None, "model"),
    Column(None, "workload"),
    Column(None, "metric"),
    *(Column(None, key) for key in ("machine", "host", "experiment")),
    Column("machine"),
)
_AFTER = (
    Column("n", "n_runs", "right"),
    Column("is"),
    *(Column(None, key) for key in ("verdict", "confidence", "note")),
)


@dataclass(frozen=True, slots=True)
class MachineRows:
    """
    Rows of standings with what they leave out.

    Attributes:
        is_whole: Whether every machine has its row, however many there are.
        n_left: How many have none.
    """

    shown: tuple[Standing, ...]
    n_left: int


def shown_rows(standings: Standings, *, is_whole: bool) -> MachineRows:
    """The best, the baseline and the last ones; all where they are few, or with `is_whole`."""
    rows = standings.rows
    if is_whole or len(rows) <= MOST_ROWS:
        return MachineRows(rows, 0)
    last = rows[-_N_LAST:]
    first = rows[: MOST_ROWS - _N_LAST]
    baseline = [row for row in rows[len(first) : -_N_LAST] if row.is_baseline]
    shown = (*first, *baseline, *last)
    return MachineRows(shown, len(rows) - len(shown))


def of_text(standings: Standings) -> str:
    """What a table of machines is of: "smollm2-135m:Q4_1 · tg128 tok/s"."""
    metric = METRICS[standings.metric]
    return f"{standings.name} · {standings.workload or metric.topic} {metric.label}"


def machines_table(
    standings: Sequence[Standings],
    names: Names,
    machines: Sequence[Entrant],
    *,
    is_whole: bool = False,
    title: str = "",
) -> Table:
    """
    A row for each machine in each figure.

    Args:
        standings: Those that people read.
        names: What they are called in a row.
        machines: By their numbers.
        is_whole: Whether no row is left out.
        title: Of the table.
    """
    found = [row.comparison for each in standings for row in each.rows if row.comparison]
    shares = {f"{it.confidence * 100:.4g} % " for it in found if it.pairing != "exact"}
    share = shares.pop() if len(shares) == 1 else ""
    columns = (
        *_BEFORE,
        Column("median", "", "right", interval="95 % interval", is_interval_optional=True),
        Column("ratio", "ratio_", "right", interval=f"{share}interval"),
        *_AFTER,
    )
    rows = [row for each in standings for row in _rows(each, names, machines, is_whole=is_whole)]
    return Table(columns, tuple(rows), title, is_grouped=True)


def machines_for_people(
    standings: Sequence[Standings],
    names: Names,
    machines: Sequence[Entrant],
    *,
    is_whole: bool = False,
    title: str = "",
) -> Table:
    """The same without what is just alike on all, which a line below says, and for no program."""
    shown = [it for it in standings if not it.is_exactly_alike]
    table = machines_table(shown, names, machines, is_whole=is_whole, title=title)
    columns = tuple(replace(it, key=None) for it in table.columns)
    alike = [it for it in standings if it.is_exactly_alike]
    legend = tuple(f"{of_text(it)}: {text_of(it.rows[0].figure)} on each." for it in alike)
    n_left = max((len(it.rows) - MOST_ROWS for it in shown), default=0)
    more = (_MORE,) if n_left > 0 and not is_whole else ()
    return replace(table, columns=columns, legend=(*legend, *more))


def _rows(
    standings: Standings, names: Names, machines: Sequence[Entrant], *, is_whole: bool
) -> Iterator[tuple[Cell, ...]]:
    """With a row for those that are left out, where they would stand."""
    rows = shown_rows(standings, is_whole=is_whole)
    for at, row in enumerate(rows.shown):
        if rows.n_left and at == len(rows.shown) - _N_LAST:
            unsaid = (None,) * (len(_BEFORE) - 2)
            more = f"… {rows.n_left} more"
            yield (of_text(standings), *unsaid, more, "", "", *(None,) * len(_AFTER))
        yield _row(standings, row, names, machines)


def _row(
    standings: Standings, row: Standing, names: Names, machines: Sequence[Entrant]
) -> tuple[Cell, ...]:
    entry, found = row.entry, row.comparison
    machine = machines[entry.machine]
    return (
        of_text(standings),
        standings.model.key,
        standings.workload,
        standings.metric,
        machine.facts.id,
        machine.host or None,
        entry.source.experiment,
        names[entry.machine],
        row.figure if row.figure else (entry.lack.state if entry.lack else ""),
        ratio_of(found) if found else "",
        row.figure.n if row.figure else entry.n_runs,
        _word(standings.metric, row),
        found.verdict if found else None,
        found.confidence if found else None,
        row.note,
    )


def _word(metric: str, row: Standing) -> Cell:
    if row.is_baseline:
        return "baseline"
    if row.comparison is None:
        return ""
    return Judged(verdict_word(metric, row.comparison), STATUS[row.comparison.verdict])


# ------------------------------------------------------------------ pictures


def machines_pictures(standings: Sequence[Standings], names: Names, stem: str) -> list[Picture]:
    """Of each workload's main figure all machines with their intervals, models below each other."""
    by_workload: dict[tuple[str, str], list[Standings]] = {}
    for each in standings:
        if each.is_headline and each.known:
            by_workload.setdefault((each.workload, each.metric), []).append(each)
    return [
        _picture(workload, metric, found, names, f"{stem}-{number}")
        for number, ((workload, metric), found) in enumerate(by_workload.items(), start=1)
    ]


def _picture(
    workload: str, metric: str, found: Sequence[Standings], names: Names, file: str
) -> Picture:
    machines = {row.entry.machine for each in found for row in each.known}
    is_coloured = len(machines) <= _MOST_SERIES and len(found) > 1
    marks = []
    for each in found:
        for row in shown_rows(each, is_whole=False).shown:
            if row.figure is None:
                continue
            machine = names[row.entry.machine]
            alone = machine if len(found) == 1 else f"{each.name} · {machine}"
            marks.append(
                Mark(
                    x=shown_value(row.figure.value, metric),
                    y=each.name if is_coloured else alone,
                    label=_label(each, row, machine),
                    series=machine if is_coloured else "",
                    low=_bound(row.figure.low, metric),
                    high=_bound(row.figure.high, metric),
                    evidence="rehearsed" if each.model.is_twin else "measured",
                )
            )
    return Picture(
        title=f"{workload} by machine",
        name=file,
        drawing="intervals",
        marks=tuple(marks),
        x=figure_axis(metric),
        y=Axis(""),
        series_title="machine" if is_coloured else "",
    )


def _label(standings: Standings, row: Standing, machine: str) -> str:
    found = row.comparison
    ratio = f", {units.factor(found.ratio)} times the baseline" if found else ""
    said = f"{of_text(standings)} on {machine}: {text_of(row.figure)}{ratio}"
    return f"{said}, n = {row.figure.n}" if row.figure else said


def shown_value(value: float, metric: str) -> float:
    """A value of a metric on the axis that `figure_axis` makes."""
    return value / _SCALES.get(METRICS[metric].unit, (1.0, ""))[0]


def figure_axis(metric: str) -> Axis:
    """Of a metric's values over machines, which differ by factors."""
    found = METRICS[metric]
    unit = _SCALES.get(found.unit, (1.0, found.unit))[1]
    return Axis(found.label if unit == found.label else f"{found.label} ({unit})", is_log=True)


def _bound(value: float | None, metric: str) -> float | None:
    return None if value is None else shown_value(value, metric)
