"""How often values lie where, a row for each category."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import altair as alt

from harness.report.drawing import rules
from harness.report.drawing.frame import axis, near_rules, rows_frame, rules_height
from harness.report.drawing.layers import Datum, layer, stacked, words
from harness.report.drawing.scale import (
    SERIES,
    Placed,
    Span,
    cut,
    has_numbers,
    in_order,
    placed,
    span,
)
from harness.report.picture import Mark, Picture
from harness.report.style import colour
from harness.units import count, significant

_NAME_PX, _BARS_PX, _GAP_PX = 20, 56, 10
# More bars than this are hairs on a phone; fewer than these hide a second hump.
_MOST_BARS, _FEWEST_BARS = 40, 8


def binned(picture: Picture) -> Picture:
    """
    The picture with bars for marks: x their middle, low and high their ends, y how many.

    Marks that are bars already, whose y are numbers, stay as they are.
    """
    if has_numbers(picture, "y"):
        return picture
    marks = placed(picture)
    if not marks:
        return replace(picture, marks=())
    x = span([it.x for it in marks], picture.x)
    n_bars = min(_MOST_BARS, max(_FEWEST_BARS, 2 * math.isqrt(len(marks))))
    bars: list[Mark] = []
    for name in in_order((str(it.mark.y) for it in marks), picture.y.order):
        own = [it for it in marks if str(it.mark.y) == name]
        bars += _bars(name, own, x, n_bars, picture.x.title)
    return replace(picture, marks=tuple(bars), y=replace(picture.y, order=()))


def _bars(name: str, own: Sequence[Placed], x: Span, n_bars: int, title: str) -> list[Mark]:
    counts: dict[int, int] = {}
    for it in own:
        at = min(int(x.share(it.x) * n_bars), n_bars - 1)
        counts[at] = counts.get(at, 0) + 1
    found = []
    for at, n in sorted(counts.items()):
        low, middle, high = (x.value((at + part) / n_bars) for part in (0, 0.5, 1))
        between = f"{significant(low)} – {significant(high)} {title}"
        label = f"{name}: {n} of {len(own)} in {between}"
        found.append(Mark(middle, n, label, name, low, high, own[0].mark.evidence))
    return found


def histogram(picture: Picture) -> alt.LayerChart:
    """Bars of a `binned` picture."""
    marks = placed(picture)
    ends = [v for it in marks for v in (it.x, it.low, it.high) if v is not None]
    x = span([*ends, *near_rules(picture, ends, "x")], picture.x)
    bars, names = list[Datum](), list[Datum]()
    cursor = rules_height(picture)
    for at, name in enumerate(in_order(it.mark.series for it in marks)):
        own = [it for it in marks if it.mark.series == name]
        most = max(it.y for it in own) or 1.0
        total = count(sum(it.y for it in own))
        text = cut(f"{name} (n = {total})" if name else f"n = {total}")
        names.append({"y": cursor + _NAME_PX / 2, "words": text})
        cursor += _NAME_PX + _BARS_PX
        for it in own:
            bars.append(
                {
                    "x": it.x if it.low is None else it.low,
                    "x2": it.x if it.high is None else it.high,
                    "y": cursor - _BARS_PX * max(it.y, 0.0) / most,
                    "y2": cursor,
                    "colour": colour(SERIES[at % len(SERIES)]),
                    "named": f"mark-{it.number}",
                }
            )
        cursor += _GAP_PX
    frame = rows_frame(x, axis(picture.x, x, is_x=True), cursor)
    drawn = (
        layer(bars)
        .mark_rect(stroke=colour("ground"), strokeWidth=0.5, opacity=0.9)
        .encode(
            **frame.at(),
            x2=alt.X2("x2"),
            y2=alt.Y2("y2"),
            color=alt.Color("colour", type="nominal", scale=None),
            description=alt.Description("named", type="nominal"),
        )
    )
    labels = words(names, {"x": alt.value(0), "y": frame.at()["y"]})
    return stacked([drawn, *rules.drawn(frame, picture), labels], frame)
