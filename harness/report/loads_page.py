"""One user, several at once, and as they come: a table of loads, and a sentence on each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness import units
from harness.analysis.load_search import RATES, USERS, is_wide
from harness.analysis.measured import Measured
from harness.analysis.metrics import METRICS
from harness.analysis.user_loads import (
    LEAST_IN_TIME,
    Load,
    LoadSeries,
    is_less_than_alone,
    load_series,
)
from harness.report import legend
from harness.report.measured_answer import distinct_name
from harness.report.page import Cell, Column, Table
from harness.schema.figure import Figure
from harness.schema.request import ServiceLevel

FIGURES = (
    "tok_per_s",
    "tok_per_s_per_user",
    "ttft",
    "ttft_p95",
    "itl_p95",
    "within_slo",
    "goodput",
    "failed_ratio",
)
"""The metrics that a table of loads has, where it has figures of them."""


def level_text(level: ServiceLevel) -> str:
    """A service level as a sentence names it: "ttft 2 s, itl 100 ms"."""
    limits = (("ttft", level.ttft_ns), ("itl", level.itl_ns))
    return ", ".join(f"{name} {_duration(ns)}" for name, ns in limits if ns is not None)


Named = Sequence[tuple[str, Measured]]
"""Configurations, each with what tells it from the others."""


def named(groups: Sequence[Measured]) -> Named:
    """Those of one experiment."""
    return [(distinct_name(group, groups), group) for group in groups]


def load_sentences(groups: Named) -> list[str]:
    """How many users each series of loads bears, or how many of them get more together."""
    found = []
    for name, group in groups:
        for series in load_series(group):
            about = " · ".join((name, series.what) if len(groups) > 1 else (series.what,))
            is_judged = series.level and any(load.in_time is not None for load in series.loads)
            told = _kept(series) if is_judged else _growth(series)
            found += [f"{about}: {told}."] if told else []
    return found


def load_tables(groups: Named) -> list[Table]:
    """For people a table for each work that was measured of several loads."""
    known: dict[tuple[str, bool], list[tuple[str, LoadSeries]]] = {}
    for name, group in groups:
        for series in load_series(group):
            known.setdefault((series.what, series.is_open), []).append((name, series))
    return [_table(each, has_names=len(groups) > 1) for each in known.values()]


def shown_loads(groups: Sequence[Measured]) -> Iterator[tuple[str, Figure]]:
    """Every figure that the tables have, by its metric."""
    for group in groups:
        for series in load_series(group):
            for load in series.loads:
                yield from ((name, load.figures[name]) for name in FIGURES if name in load.figures)


def size_text(series: LoadSeries, load: Load) -> str:
    """How large a load is: "1 user", "4 users", "0.5 requests/s"."""
    if series.is_open:
        return f"{load.size:g} {'request' if load.size == 1 else 'requests'}/s"
    return units.counted(round(load.size), "user")


# ------------------------------------------------------------------ tables


def _table(each: Sequence[tuple[str, LoadSeries]], *, has_names: bool) -> Table:
    _, first = each[0]
    known = {name for _, series in each for load in series.loads for name in load.figures}
    names = [name for name in FIGURES if name in known] or ["tok_per_s"]
    columns = (
        *([Column("configuration")] if has_names else []),
        Column("requests/s" if first.is_open else "users", align="right"),
        *map(_column, names),
        Column("n", align="right"),
    )
    rows = tuple(
        (*([name] if has_names else []), *_row(load, names))
        for name, series in each
        for load in series.loads
    )
    levels = {series.level for _, series in each if series.level}
    within = ""
    if len(levels) == 1 and "within_slo" in names:
        within = f" · within {level_text(*levels)}"
    return Table(columns, rows, f"{first.what}{within}", is_grouped=has_names)


def _column(name: str) -> Column:
    interval = "95 % interval" if name == "tok_per_s" else None
    return Column(METRICS[name].label, align="right", interval=interval, is_interval_optional=True)


def _row(load: Load, names: Sequence[str]) -> tuple[Cell, ...]:
    mark = legend.DISTURBED_MARK if load.case.disturbed else ""
    cells: list[Cell] = [load.figures.get(name) for name in names]
    if load.is_refused:
        cells[0] = "failed"
    return f"{load.size:g}{mark}", *cells, load.case.n_runs


# ------------------------------------------------------------------ sentences


def _kept(series: LoadSeries) -> str:
    assert series.level is not None
    level = level_text(series.level)
    kept, lost = series.kept
    share = f"{LEAST_IN_TIME * 100:.0f} %"
    if kept is None:
        assert lost is not None
        return (
            f"not even {size_text(series, lost)} within {level}: {_in_time(lost)}, "
            f"and {share} would do"
        )
    found = f"{size_text(series, kept)} within {level} ({_in_time(kept)})"
    is_search = series.group.experiment.plan.search
    if lost is None and is_search and kept.size < (RATES if series.is_open else USERS).most:
        return f"{found}; more were not tried, as time was up: raise --budget"
    if lost is None:
        return f"{found}, the largest load that was measured"
    found = f"{found}; not {size_text(series, lost)} ({_in_time(lost)})"
    if is_search and is_wide(kept.size, lost.size, is_rate=series.is_open):
        return f"{found}; those between them were not tried, as time was up: raise --budget"
    return found


def _in_time(load: Load) -> str:
    if load.is_refused:
        return "nothing was answered"
    figure = load.figures["within_slo"]
    bounds = ""
    if figure.is_decisive and figure.low != figure.high:
        bounds = f", 95 % interval {_share(figure.low)} to {_share(figure.high)}"
    disturbed = ", from disturbed trials alone" if load.case.disturbed else ""
    return f"{_share(figure.value)} of the requests answered in time{bounds}{disturbed}"


def _share(ratio: float | None) -> str:
    # 89.6 % is less than 90 %, and must not read as if it were not.
    return units.percent(ratio or 0.0).replace(".0 %", " %")


def _growth(series: LoadSeries) -> str:
    last, next_one = series.growth
    if last is None or len(series.loads) < 2:
        return ""
    less = is_less_than_alone(series)
    if less:
        worst = less[0]
        return (
            f"{size_text(series, worst)} get less together than one alone, "
            f"{_tok_per_s(worst)} of {_tok_per_s(series.loads[0])} tok/s"
        )
    if next_one is None:
        return f"tok/s of all together grow up to {size_text(series, last)}, the most measured"
    each = last.figures.get("tok_per_s_per_user")
    of_each = f", {units.significant(each.value)} each" if each else ""
    found = f"{size_text(series, last)} ({_tok_per_s(last)}{of_each})"
    no_more = f"{size_text(series, next_one)} get no more ({_tok_per_s(next_one)})"
    return f"tok/s of all together grow up to {found}; {no_more}"


def _tok_per_s(load: Load) -> str:
    return units.significant(load.figures["tok_per_s"].value)


def _duration(ns: int) -> str:
    value, unit = units.duration(ns).rsplit(" ", 1) if ns < 120e9 else (units.duration(ns), "")
    short = value.rstrip("0").rstrip(".") if "." in value else value
    return f"{short} {unit}".rstrip()
