"""Points, with a name beside those that have room for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt

from harness.report.drawing import rules
from harness.report.drawing.frame import Frame, plane
from harness.report.drawing.layers import (
    Align,
    Colours,
    Datum,
    Layers,
    bounds,
    colours,
    ends,
    kinds_of,
    point,
    points,
    stacked,
    words,
)
from harness.report.drawing.scale import SHADES, SMALL, Placed, cut, placed, width_px
from harness.report.picture import Picture
from harness.report.style import colour
from harness.units import significant

_MOST_NAMES = 16
_Box = tuple[float, float, float, float]
_Side = tuple[Align, int, int]
# Where a name may stand, the best place first.
_SIDES: tuple[_Side, ...] = (
    ("left", 9, 0), ("right", -9, 0), ("center", 0, -13), ("center", 0, 14),
    ("left", 7, -10), ("left", 7, 11), ("right", -7, -10), ("right", -7, 11),
)  # fmt: skip


def scatter(picture: Picture) -> alt.LayerChart:
    """Points, by shape what kind they are, by colour their shade, series or kind."""
    marks = placed(picture)
    frame = plane(picture, marks)
    by = colours(picture, marks)
    shades = _shades(marks)
    drawn, bars = list[Datum](), list[Datum]()
    for it in marks:
        row = point(it, it.x, it.y)
        if shades:
            row["shade"] = shades[0][it.number]
        drawn.append(row)
        bars += ends(it, row)
    if shades:
        _, names, inks = shades
        by = Colours("shade", names, inks, picture.shade_title)
    places = [frame.place(it.x, it.y) for it in marks]
    lines = rules.drawn(frame, picture, places)
    return stacked(
        [
            bounds(frame, bars, by, is_upright=True),
            *lines,
            points(frame, drawn, by, kinds_of(marks)),
            *_names(marks, frame, places),
        ],
        frame,
    )


def _shades(
    marks: Sequence[Placed],
) -> tuple[dict[int, str], tuple[str, ...], tuple[str, ...]] | None:
    """Of each mark the name of its shade, all names, and their colours; None without any."""
    values = {
        it.number: it.mark.shade
        for it in marks
        if it.mark.shade is not None and math.isfinite(it.mark.shade)
    }
    if not values:
        return None
    ends = _shade_ends(sorted(set(values.values())))
    names = [
        significant(low) if low == high else f"{significant(low)} – {significant(high)}"
        for low, high in ends
    ]
    step = (len(SHADES) - 1) / max(1, len(ends) - 1)
    inks = [colour(SHADES[round(at * step)]) for at in range(len(ends))]
    found = {}
    for it in marks:
        value = values.get(it.number)
        found[it.number] = "not known"
        if value is not None:
            at = next(at for at, (_, high) in enumerate(ends) if value <= high)
            found[it.number] = names[at]
    if "not known" in found.values():
        names.append("not known")
        inks.append(colour("quiet"))
    return found, tuple(names), tuple(inks)


def _shade_ends(values: Sequence[float]) -> list[tuple[float, float]]:
    """At most five intervals that hold all of `values`, each its own where they are so few."""
    if len(values) <= len(SHADES):
        return [(it, it) for it in values]
    each = len(values) / len(SHADES)
    groups = [values[round(at * each) : round((at + 1) * each)] for at in range(len(SHADES))]
    return [(it[0], it[-1]) for it in groups if it]


def _names(marks: Sequence[Placed], frame: Frame, places: rules.Points) -> Layers:
    """Names beside points, as far as none lies on another, on a point or on a line."""
    named = sorted((it for it in marks if not it.mark.is_single), key=lambda it: it.mark.is_faint)
    if len(named) > _MOST_NAMES:
        named = [it for it in named if not it.mark.is_faint][:_MOST_NAMES]
    taken = _taken(marks, frame, places)
    sides: dict[_Side, list[Datum]] = {}
    for it in named:
        x, y = frame.place(it.x, it.y)
        text = cut(it.mark.name or _short(it.mark.label), 150, SMALL)
        wide = width_px(text, SMALL)
        for side in _SIDES:
            align, dx, dy = side
            left = x + dx - {"left": 0.0, "right": wide, "center": wide / 2}[align]
            box = (left, y + dy - 6, left + wide, y + dy + 6)
            if left >= 0 and left + wide <= frame.width and not _is_hit(box, taken):
                taken.append(box)
                row: Datum = {"x": it.x, "y": it.y, "words": text}
                sides.setdefault(side, []).append(row)
                break
    return [
        words(rows, frame.at(), align=align, dx=dx, dy=dy, size=SMALL)
        for (align, dx, dy), rows in sides.items()
    ]


def _taken(marks: Sequence[Placed], frame: Frame, places: rules.Points) -> list[_Box]:
    """Where no word may lie: marks, their bounds, and what rules took."""
    found = [(x - 6, y - 6, x + 6, y + 6) for x, y in places]
    for it in marks:
        if it.low is not None and it.high is not None:
            x, top = frame.place(it.x, frame.y.inside(it.high))
            found.append((x - 2, top, x + 2, frame.place(it.x, frame.y.inside(it.low))[1]))
    return found


def _short(label: str) -> str:
    """What a label begins with."""
    return min(label.split(": ", 1)[0], label.split(", ", 1)[0], key=len)


def _is_hit(box: _Box, others: Sequence[_Box]) -> bool:
    return any(
        box[0] < x2 and x1 < box[2] and box[1] < y2 and y1 < box[3] for x1, y1, x2, y2 in others
    )
