"""Lines through points, with their bounds as bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

import altair as alt

from harness.report.drawing import rules
from harness.report.drawing.frame import Frame, plane
from harness.report.drawing.layers import (
    DASHES,
    Colours,
    Datum,
    Layers,
    bounds,
    colours,
    ends,
    kinds_of,
    layer,
    point,
    points,
    stacked,
    words,
)
from harness.report.drawing.scale import SMALL, Placed, cut, has_numbers, in_order, placed
from harness.report.picture import Picture

_BETWEEN = " · "  # of the parts of a name (Scope.row)
# From so many points of a line on, each is a dot on it.
_MANY_POINTS, _MANY_SIZE = 40, 12.0


def lines(picture: Picture) -> alt.LayerChart:
    """A line for each series, its bounds as a band."""
    marks = _told_apart(placed(picture))
    categories: list[str] = []
    if not has_numbers(picture, "x"):
        categories = in_order((str(it.mark.x) for it in marks), picture.x.order)
        marks = [replace(it, x=float(categories.index(str(it.mark.x)))) for it in marks]
    by = colours(picture, marks)
    frame = plane(picture, marks, categories)
    drawn, path, band, bars = list[Datum](), list[Datum](), list[Datum](), list[Datum]()
    is_many = len(marks) > _MANY_POINTS * max(1, len(by.names))
    for it in marks:
        row = point(it, it.x, it.y)
        if is_many and not it.mark.is_disturbed:
            row["size"] = _MANY_SIZE
        drawn.append(row)
    for name, own, start in _runs_of_points(marks):
        path += [_line_row(it, name, own[0]) for it in (*start, *own)]
        within = [row for it in own for row in ends(it, _line_row(it, name, own[0]))]
        for row in within:
            row["low"], row["high"] = (
                frame.y.inside(float(row[it] or 0)) for it in ("low", "high")
            )
        if len(within) > 1:
            band += within
        else:
            bars += within
    return stacked(
        [
            _bands(frame, band, by),
            bounds(frame, bars, by, is_upright=True),
            *_paths(frame, path, by),
            *rules.drawn(frame, picture, [frame.place(it.x, it.y) for it in marks]),
            points(frame, drawn, by, kinds_of(marks)),
            *_categories(frame, categories),
        ],
        frame,
    )


def _told_apart(marks: list[Placed]) -> list[Placed]:
    """
    With names of series that leave out what all of them begin with.

    A legend has room for some forty letters, and what tells one from the other stands at the end.
    """
    parts = {it.mark.series: it.mark.series.split(_BETWEEN) for it in marks}
    # Of the shortest at least its last part stays.
    columns = list(zip(*(each[:-1] for each in parts.values()), strict=False))
    n_left_out = len(list(takewhile(lambda column: len({*column}) == 1, columns)))
    return [
        replace(
            it,
            mark=replace(it.mark, series=_BETWEEN.join(parts[it.mark.series][n_left_out:])),
        )
        for it in marks
    ]


def _runs_of_points(
    marks: Sequence[Placed],
) -> Iterator[tuple[str, list[Placed], list[Placed]]]:
    """
    What is one line: a name, its points in order, and where it goes on from.

    What is predicted for longer contexts begins at the last one that was measured.
    """
    groups: dict[tuple[str, str], list[Placed]] = {}
    for it in sorted(marks, key=lambda it: it.x):
        if not it.mark.is_single:
            groups.setdefault((it.mark.series, it.mark.evidence), []).append(it)
    for number, ((series, _), own) in enumerate(groups.items()):
        before = [
            others[-1]
            for (name, _), others in groups.items()
            if name == series and others[-1].x < own[0].x
        ]
        yield f"line {number}", own, sorted(before, key=lambda it: it.x)[-1:]


def _line_row(it: Placed, name: str, of: Placed) -> Datum:
    evidence = of.mark.evidence
    return {**point(it, it.x, it.y), "line": name, "kind": evidence, "evidence": evidence}


def _paths(frame: Frame, rows: Sequence[Datum], by: Colours) -> Layers:
    """A layer for each evidence: a scale of dashes takes the legend of shapes away."""
    found: Layers = []
    for evidence, dash in DASHES.items():
        own = [it for it in rows if it["evidence"] == evidence]
        if own:
            found.append(
                layer(own)
                .mark_line(strokeWidth=2, strokeJoin="round", strokeDash=dash, aria=False)
                .encode(**frame.at(), color=by.channel(), detail=alt.Detail("line:N"))
            )
    return found


def _bands(frame: Frame, rows: Sequence[Datum], by: Colours) -> alt.Chart:
    drawn: alt.Chart = (
        layer(rows)
        .mark_area(opacity=0.18, aria=False)
        .encode(
            **frame.at(y="low"), y2=alt.Y2("high"), color=by.channel(), detail=alt.Detail("line:N")
        )
    )
    return drawn


def _categories(frame: Frame, categories: Sequence[str]) -> Layers:
    """Their names below the axis, in as many letters as each has room for."""
    if not categories:
        return []
    every = -(-len(categories) // 8)
    shown = list(categories)[::every]
    room = frame.width / len(shown) - 6
    rows: list[Datum] = [
        {"x": at * every, "words": cut(name, room, SMALL)} for at, name in enumerate(shown)
    ]
    where = {"x": frame.at()["x"], "y": alt.value("height")}
    return [words(rows, where, align="center", dy=14, size=SMALL, ink="quiet")]
