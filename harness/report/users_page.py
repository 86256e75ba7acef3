"""How a server bears several users: tokens a second and waiting over their number, and a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analysis.metrics import METRICS
from harness.analysis.user_loads import LoadSeries, load_series
from harness.report.loads_page import load_sentences, load_tables, size_text
from harness.report.marks import figure_text
from harness.report.page import Page, notes
from harness.report.picture import Axis, Mark, Picture, Rule
from harness.report.scope import Scope, Shown

_NS_PER_S = 1e9
_Known = tuple[Shown, LoadSeries]


def users_page(scope: Scope) -> Page:
    """What was measured of several users of a server, in words, pictures and tables; or nothing."""
    shown = [it for it in scope.shown if it.group.model.served]
    known = [(it, series) for it in shown for series in load_series(it.group)]
    if not known:
        return ()
    groups = [(it.name, it.group) for it in shown]
    pictures = [
        picture
        for is_open in (False, True)
        if (of_kind := [it for it in known if it[1].is_open == is_open])
        for picture in (_rates(scope, of_kind), _waits(scope, of_kind))
        if picture.marks
    ]
    return (*notes(load_sentences(groups)), *pictures, *load_tables(groups))


def _rates(scope: Scope, known: Sequence[_Known]) -> Picture:
    kinds = (("tok_per_s", "together"), ("tok_per_s_per_user", "per user"))
    marks = tuple(
        mark
        for shown, series in known
        for name, kind in kinds
        for mark in _marks(scope, shown, series, name, kind, 1.0)
    )
    return Picture(
        title=scope.title("Tokens a second, of all together and of each"),
        name=scope.file_name(f"{_file(known)}-rates"),
        drawing="lines",
        marks=marks,
        x=Axis(_axis(known), includes_zero=True),
        y=Axis("tok/s", includes_zero=True),
        series_title="load",
    )


def _waits(scope: Scope, known: Sequence[_Known]) -> Picture:
    kinds = (("ttft", "median"), ("ttft_p95", "p95"))
    marks = tuple(
        mark
        for shown, series in known
        for name, kind in kinds
        for mark in _marks(scope, shown, series, name, kind, 1 / _NS_PER_S)
    )
    limits = {series.level.ttft_ns for _, series in known if series.level}
    rules = tuple(
        Rule(limit / _NS_PER_S, "the service level", "y") for limit in sorted(filter(None, limits))
    )
    return Picture(
        title=scope.title("Time to the first token"),
        name=scope.file_name(f"{_file(known)}-ttft"),
        drawing="lines",
        marks=marks,
        x=Axis(_axis(known), includes_zero=True),
        y=Axis("s", includes_zero=True),
        rules=rules,
        series_title="load",
    )


def _axis(known: Sequence[_Known]) -> str:
    return "requests/s" if known[0][1].is_open else "users"


def _file(known: Sequence[_Known]) -> str:
    return "requests" if known[0][1].is_open else "users"


def _marks(
    scope: Scope, shown: Shown, series: LoadSeries, name: str, kind: str, factor: float
) -> Iterator[Mark]:
    """A figure over the loads that have it; `factor` is from its unit to that of the axis."""
    for load in series.loads:
        if (figure := load.figures.get(name)) is None:
            continue
        about = f"{shown.name}: {series.what}, {size_text(series, load)}, {METRICS[name].label}"
        is_disturbed = bool(load.case.disturbed)
        suffix = "disturbed trials alone" if is_disturbed else shown.evidence
        scaled = figure.scaled(factor)
        yield Mark(
            x=load.size,
            y=scaled.value,
            label=f"{about} {figure_text(figure)}, {suffix}",
            series=scope.row(shown, series.what, kind),
            low=scaled.low,
            high=scaled.high,
            evidence=shown.evidence,
            is_disturbed=is_disturbed,
        )
