"""Pictures with a row for each category, its name above it: the whole width is for the values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import altair as alt

from harness.report.drawing import rules
from harness.report.drawing.frame import Frame, axis, near_rules, rows_frame, rules_height
from harness.report.drawing.layers import (
    DISTURBED,
    Datum,
    bounds,
    colours,
    ends,
    kinds_of,
    layer,
    legend,
    point,
    points,
    stacked,
    words,
)
from harness.report.drawing.scale import (
    SERIES,
    SMALL,
    WIDTH,
    Placed,
    Span,
    cut,
    in_order,
    placed,
    span,
    width_px,
)
from harness.report.picture import Picture
from harness.report.style import colour

_NAME_PX, _GAP_PX = 20, 8
_LANE_PX, _RUNS_PX = 16, 11
_BAR_PX, _HISTOGRAM_PX = 16, 56
_CELL_PX, _LEAST_CELL_PX = 24, 58
# Of verdicts and of a gate; other words get the colours of series as they come.
_WORD_COLOURS = {
    "comfortable": "c3",
    "usable": "c1",
    "slow": "c5",
    "pages": "c2",
    "does-not-run": "bad",
    "pass": "c3",
    "regression": "bad",
    "inconclusive": "c5",
    "unknown": "quiet",
    "no-verdict": "quiet",
    "fastest": "c3",
    "perhaps-as-fast": "c1",
    "slower": "quiet",
}
_FILL = {"measured": 0.9, "rehearsed": 0.65, "predicted": 0.45}


def intervals(picture: Picture) -> alt.LayerChart:
    """Each value as a point on the line of its interval, its Runs below it."""
    marks = placed(picture)
    by = colours(picture, marks)
    drawn, lines, names = list[Datum](), list[Datum](), list[Datum]()
    cursor = rules_height(picture)
    for name, own in _by_row(picture, marks):
        names.append(_name_of(name, own, cursor))
        cursor += _NAME_PX
        for lane in _lanes(own):
            has_figure = any(not it.mark.is_single for it in lane)
            has_runs = any(it.mark.is_single for it in lane)
            for it in lane:
                below = _RUNS_PX if it.mark.is_single and has_figure else 0
                row = point(it, it.x, cursor + _LANE_PX / 2 + below)
                drawn.append(row)
                lines += ends(it, row)
            cursor += _LANE_PX + (_RUNS_PX if has_runs and has_figure else 0)
        cursor += _GAP_PX
    frame = _frame(picture, marks, cursor)
    return stacked(
        [
            *rules.drawn(frame, picture),
            bounds(frame, lines, by, is_upright=False),
            points(frame, sorted(drawn, key=_is_upper), by, kinds_of(marks)),
            _names(names, frame),
        ],
        frame,
    )


def stack(picture: Picture) -> alt.LayerChart:
    """Each row's parts one behind the other."""
    marks = placed(picture)
    series = in_order(it.mark.series for it in marks)
    bars, names = list[Datum](), list[Datum]()
    longest = 0.0
    cursor = rules_height(picture)
    for name, own in _by_row(picture, marks):
        names.append(_name_of(name, own, cursor, has_evidence=True))
        cursor += _NAME_PX
        end = 0.0
        for it in sorted(own, key=lambda it: series.index(it.mark.series)):
            bars.append(
                {
                    "x": end,
                    "x2": end + it.x,
                    "y": cursor,
                    "y2": cursor + _BAR_PX,
                    "series": it.mark.series,
                    "opacity": _FILL[it.mark.evidence] * (0.5 if it.mark.is_faint else 1),
                    "named": f"mark-{it.number}",
                }
            )
            end += it.x
        longest = max(longest, end)
        cursor += _BAR_PX + _GAP_PX
    x = span([longest, *near_rules(picture, [longest], "x")], picture.x, is_length=True)
    frame = replace(rows_frame(x, axis(picture.x, x, is_x=True), cursor), rule_ink="bad")
    inks = [colour(SERIES[at % len(SERIES)]) for at in range(len(series))]
    ink = alt.Color(
        "series",
        type="nominal",
        scale={"domain": series, "range": inks},
        legend=legend(series, picture.series_title) if series != [""] else None,
    )
    return stacked(
        [_rectangles(bars, frame, ink), *rules.drawn(frame, picture), _names(names, frame)], frame
    )


def cells(picture: Picture) -> alt.LayerChart:
    """A board of words."""
    marks = placed(picture)
    columns = in_order((str(it.mark.x) for it in marks), picture.x.order)
    rows = in_order((str(it.mark.y) for it in marks), picture.y.order)
    texts = [it.mark.name or it.mark.series or it.mark.label for it in marks]
    beside = min(max(width_px(it, SMALL) for it in rows), 190.0) + 14
    each = max(_LEAST_CELL_PX, *(min(width_px(it, SMALL), 110) + 10 for it in texts + columns))
    is_beside = beside + each * len(columns) <= WIDTH * 1.3
    left = beside if is_beside else 0.0
    width = max(WIDTH, int(left + each * len(columns)))
    each = min((width - left) / len(columns), 140.0)
    row_px = _CELL_PX + (4 if is_beside else _NAME_PX)
    inks = _word_colours(in_order(it.mark.series for it in marks))
    bars, said, names = list[Datum](), list[Datum](), list[Datum]()
    for name in columns:
        middle = left + each * (columns.index(name) + 0.5)
        said.append({"x": middle, "y": 10, "words": cut(name, each - 6, SMALL)})
    for at, name in enumerate(rows):
        y = 24 + at * row_px + (_CELL_PX / 2 if is_beside else 9)
        names.append(
            {"x": 0, "y": y, "words": cut(name, beside - 8 if is_beside else width, SMALL)}
        )
    for it, text in zip(marks, texts, strict=True):
        x = left + each * columns.index(str(it.mark.x))
        y = 24 + rows.index(str(it.mark.y)) * row_px + (0 if is_beside else _NAME_PX)
        row = {"x": x + 1, "x2": x + each - 1, "y": y, "y2": y + _CELL_PX}
        bars.append(
            {**row, "colour": inks[it.mark.series], "opacity": 0.28, "named": f"mark-{it.number}"}
        )
        shown = cut(text, each - 8, SMALL)
        said.append({"x": x + each / 2, "y": y + _CELL_PX / 2, "words": shown})
    frame = rows_frame(Span(0, width), None, 24 + row_px * len(rows), width)
    ink = alt.Color("colour", type="nominal", scale=None)
    return stacked(
        [
            _rectangles(bars, frame, ink),
            words(said, frame.at(), align="center", size=SMALL, has_halo=False),
            words(names, frame.at(), size=SMALL, has_halo=False),
        ],
        frame,
    )


# ------------------------------------------------------------------ what rows share


def _by_row(picture: Picture, marks: Sequence[Placed]) -> Iterator[tuple[str, list[Placed]]]:
    for name in in_order((str(it.mark.y) for it in marks), picture.y.order):
        yield name, [it for it in marks if str(it.mark.y) == name]


def _lanes(own: Sequence[Placed]) -> list[list[Placed]]:
    """Of one row: by series and evidence, so that none lies on another."""
    lanes: dict[tuple[str, str], list[Placed]] = {}
    for it in own:
        lanes.setdefault((it.mark.series, it.mark.evidence), []).append(it)
    return list(lanes.values())


def _is_upper(row: Datum) -> bool:
    """Whether it lies on what does not count."""
    return row["kind"] != DISTURBED


def _frame(picture: Picture, marks: Sequence[Placed], height: int) -> Frame:
    values = [v for it in marks for v in (it.x, it.low, it.high) if v is not None]
    x = span([*values, *near_rules(picture, values, "x")], picture.x)
    return rows_frame(x, axis(picture.x, x, is_x=True), height)


def _name_of(name: str, own: Sequence[Placed], y: float, *, has_evidence: bool = False) -> Datum:
    evidence = in_order(it.mark.evidence for it in own)
    text = f"{name} ({', '.join(evidence)})" if has_evidence and evidence != ["measured"] else name
    return {"y": y + _NAME_PX / 2, "words": cut(text)}


def _names(rows: Sequence[Datum], frame: Frame) -> alt.Chart:
    return words(rows, {"x": alt.value(0), "y": frame.at()["y"]})


def _rectangles(rows: Sequence[Datum], frame: Frame, ink: alt.Color) -> alt.Chart:
    drawn: alt.Chart = (
        layer(rows)
        .mark_rect(stroke=colour("ground"), strokeWidth=0.5)
        .encode(
            **frame.at(),
            x2=alt.X2("x2"),
            y2=alt.Y2("y2"),
            color=ink,
            opacity=alt.Opacity("opacity", type="quantitative", scale=None),
            description=alt.Description("named", type="nominal"),
        )
    )
    return drawn


def _word_colours(series: Sequence[str]) -> dict[str, str]:
    known = {it: _WORD_COLOURS.get(it.replace(" ", "-")) for it in series}
    others = [it for it in series if known[it] is None]
    return {it: colour(known[it] or SERIES[others.index(it) % len(SERIES)]) for it in series}
