"""A trend as a page, and as the document of `harness show --trend`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness import units
from harness.commands.show.trend import Point, Trend, TrendResult
from harness.report.blocks import sparkline
from harness.report.document_parts import BuildDocument, build_document
from harness.report.legend import range_line
from harness.report.page import Column, Facts, Page, Table, notes
from harness.schema.figure import Figure
from harness.schema.moment import utc_time
from harness.schema.settings import AnySettings, settings_text

_FLAT = (
    *(Column(None, key) for key in ("model", "settings", "workload", "metric")),
    *(Column(None, key) for key in ("experiment", "started_at", "build", "")),
)


@dataclass(frozen=True, slots=True)
class PointDocument:
    """
    A case in one experiment.

    Attributes:
        experiment: Its id.
        figure: Null where it has none.
        state: Then why: "failed", "disturbed", "absent".
    """

    experiment: str
    started_at: str
    engine: BuildDocument
    figure: Figure | None
    state: str | None


@dataclass(frozen=True, slots=True)
class TrendOfCase:
    """
    One workload of one configuration.

    Attributes:
        metric: By which the workload is judged.
        points: One for each experiment that planned it, the newest last.
    """

    model: str
    settings: AnySettings
    workload: str
    metric: str
    points: tuple[PointDocument, ...]


@dataclass(frozen=True, slots=True)
class TrendDocument:
    """
    The cases of an experiment over experiments.

    Attributes:
        experiment: Whose cases they are.
        trends: One for each of them.
        n_older: Experiments with one of them that were not read, for there are very many.
    """

    experiment: str
    trends: tuple[TrendOfCase, ...]
    n_older: int


def trend_page(result: TrendResult) -> Page:
    """For each case what it came to lately, a row for each experiment, and all as small bars."""
    trends = [trend for trend in result.trends if trend.points]
    said = [_sentence(trend, trends) for trend in trends if trend.known]
    tables = (part for trend in trends for part in _table(trend, trends))
    figures = [point.figure for trend in trends for point in trend.known if point.figure]
    has_range = any(figure.kind == "range" for figure in figures)
    bars = tuple((_name(trend, trends), _bars(trend)) for trend in trends if len(trend.known) > 1)
    return (
        *notes(said or "Nothing of it was measured."),
        *tables,
        *((Facts(bars, "From the oldest to the newest"),) if bars else ()),
        *notes(range_line() if has_range else ""),
    )


def trend_hint(result: TrendResult) -> Page:
    """What is left out, and how to know more."""
    older = f"{result.n_older} older experiments were not read." if result.n_older else ""
    several = next((trend.known for trend in result.trends if len(trend.known) > 1), None)
    question = ""
    if several:
        ids = " ".join(f"experiment={point.experiment.id}" for point in several[-2:])
        question = f"Whether two of them differ: harness compare --stored {ids}"
    return notes([text for text in (*result.problems, older, question) if text])


def trend_document(result: TrendResult) -> TrendDocument:
    """The same for programs."""
    trends = tuple(
        TrendOfCase(
            trend.configuration.model.key,
            trend.configuration.settings,
            trend.workload,
            trend.metric.name,
            tuple(map(_point, trend.points)),
        )
        for trend in result.trends
    )
    return TrendDocument(result.experiment.id, trends, result.n_older)


def _point(point: Point) -> PointDocument:
    experiment = point.experiment
    build = build_document(experiment)
    return PointDocument(experiment.id, experiment.started_at, build, point.figure, point.state)


def _sentence(trend: Trend, among: Sequence[Trend]) -> str:
    """What the newest says, and between which it lay before."""
    name = f"{_name(trend, among)} {trend.metric.label}"
    *before, newest = [point.figure for point in trend.known if point.figure]
    now = units.quantity(newest.value, trend.metric.unit)
    if not before:
        return f"{name}: {now}, measured once: a trend takes two experiments."
    span = _span([figure.value for figure in before], trend)
    return f"{name}: {now} in the newest of {len(before) + 1} experiments, {span} before."


def _table(trend: Trend, among: Sequence[Trend]) -> Page:
    columns = (
        Column("experiment"),
        Column("started (UTC)"),
        Column("build"),
        Column(trend.metric.label, align="right", interval="95 % interval"),
        Column("n", align="right"),
    )
    about = (
        trend.configuration.model.key,
        settings_text(trend.configuration.settings),
        trend.workload,
        trend.metric.name,
    )
    rows, flat = [], []
    for point in trend.points:
        experiment, figure = point.experiment, point.figure
        build = experiment.engine_for(trend.configuration.model).build
        started = utc_time(experiment.started_at).strftime("%Y-%m-%d %H:%M")
        n = figure.n if figure else None
        rows.append((experiment.id, started, build, figure or point.state, n))
        flat.append((*about, experiment.id, experiment.started_at, build, figure))
    return (
        Table(columns, tuple(rows), _name(trend, among)),
        Table(_FLAT, tuple(flat)),
    )


def _bars(trend: Trend) -> str:
    values = [point.figure.value for point in trend.known if point.figure]
    return f"{sparkline(values, min(values), max(values))}  {_span(values, trend)}"


def _span(values: Sequence[float], trend: Trend) -> str:
    ends = (units.quantity(end, trend.metric.unit) for end in (min(values), max(values)))
    return " – ".join(dict.fromkeys(ends))


def _name(trend: Trend, among: Sequence[Trend]) -> str:
    """The workload, with its model and its settings."""
    settings = [each.configuration.settings for each in among]
    case = trend.configuration
    parts = (case.model.key, settings_text(case.settings, settings), trend.workload)
    return " · ".join(filter(None, parts))
