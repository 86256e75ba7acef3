"""Lines that the marks of a picture are held against, with their words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from harness.report.drawing.layers import Align, Datum, Frame, Layers, layer, words
from harness.report.drawing.scale import SMALL, colour, cut, width_px
from harness.report.picture import Picture, Rule

_LABEL_PX = 15
# Where a limit lies more than this many times beyond all that is shown, it is named at the edge
# instead: to its scale there would be nothing to see of the rest.
_FARTHEST = 4.0
_N_STEPS = 64
Points = list[tuple[float, float]]


def near(picture: Picture, values: Sequence[float], which: str) -> list[float]:
    """Where the rules across axis `which` lie that can be drawn to the scale of `values`."""
    farthest = max(map(abs, values), default=0.0) * _FARTHEST
    return [it.value for it in picture.rules if it.axis == which and abs(it.value) <= farthest]


def height(picture: Picture) -> int:
    """What the words of upright rules take at the top, in pixels."""
    return _LABEL_PX * sum(it.axis == "x" for it in picture.rules)


def drawn(frame: Frame, picture: Picture) -> Layers:
    """All of them; one that lies outside is named at the edge that it lies beyond."""
    found: Layers = []
    for number, rule in enumerate(it for it in picture.rules if it.axis == "x"):
        found += _upright(frame, rule, _LABEL_PX * (number + 0.5))
    taken: list[float] = []
    for rule in picture.rules:
        if rule.axis == "y":
            found += _level(frame, rule, taken)
        elif points := curve(frame, rule):
            found += _curve(frame, rule, points)
    return found


def curve(frame: Frame, rule: Rule) -> Points:
    """Places on the line where y / x, or y × x, is the rule's value; none of other rules."""
    found: Points = []
    for step in range(_N_STEPS + 1):
        x = frame.x.value(step / _N_STEPS)
        if rule.axis in ("x", "y") or (rule.axis == "product" and x == 0):
            continue
        y = rule.value * x if rule.axis == "ratio" else rule.value / x
        if frame.y.low <= y <= frame.y.high:
            found.append((x, y))
    return found


def _upright(frame: Frame, rule: Rule, label_px: float) -> Layers:
    at = frame.x.inside(rule.value)
    share = frame.x.share(at)
    is_left = share > 0.5
    text = rule.label
    if at != rule.value:
        text = f"{text} →" if is_left else f"← {text}"
    room = frame.width * max(share, 1 - share) - 20
    row: Datum = {"x": at, "words": cut(text, room, SMALL)}
    across = {"x": frame.at()["x"]}
    label = words(
        [row],
        {**across, "y": alt.value(label_px)},
        align="right" if is_left else "left",
        dx=-5 if is_left else 5,
        size=SMALL,
        ink=frame.rule_ink,
    )
    return [label] if at != rule.value else [_rule([row], across, frame.rule_ink), label]


def _level(frame: Frame, rule: Rule, taken: list[float]) -> Layers:
    at = frame.y.inside(rule.value)
    share_px = frame.y.share(at) * frame.height
    is_above = share_px < frame.height - 20 and not any(0 <= it - share_px < 30 for it in taken)
    taken.append(share_px)
    text = rule.label
    if at != rule.value:
        text = f"{text} ↑" if share_px > 0 else f"{text} ↓"
    row: Datum = {"y": at, "words": cut(text, frame.width - 80, SMALL)}
    across = {"y": frame.at()["y"]}
    label = words(
        [row],
        {**across, "x": alt.value("width")},
        align="right",
        dx=-4,
        dy=-8 if is_above else 9,
        size=SMALL,
        ink=frame.rule_ink,
    )
    return [label] if at != rule.value else [_rule([row], across, frame.rule_ink), label]


def _curve(frame: Frame, rule: Rule, points: Points) -> Layers:
    """The line, with its words above it: at the left of one that rises, else at the right."""
    ink = frame.rule_ink
    rows: list[Datum] = [{"x": x, "y": y} for x, y in points]
    line = (
        layer(rows)
        .mark_line(color=colour(ink), strokeWidth=1.5, strokeDash=[5, 3], aria=False)
        .encode(**frame.at())
    )
    text = cut(rule.label, frame.plot_width_px * 0.6, SMALL)
    room = (width_px(text, SMALL) + 16) / frame.plot_width_px
    is_rising = rule.axis == "ratio"
    beside = [it for it in points if (frame.x.share(it[0]) >= room) == is_rising] or points
    y = beside[0][1] if is_rising else beside[-1][1]
    where = {"x": alt.value(0) if is_rising else alt.value("width"), "y": frame.at()["y"]}
    align: Align = "left" if is_rising else "right"
    dx = 4 if is_rising else -4
    row: Datum = {"y": y, "words": text}
    return [line, words([row], where, align=align, dx=dx, dy=-8, size=SMALL, ink=ink)]


def _rule(rows: Sequence[Datum], where: Mapping[str, Any], ink: str) -> alt.Chart:
    drawn: alt.Chart = (
        layer(rows)
        .mark_rule(color=colour(ink), strokeWidth=1.5, strokeDash=[5, 3], aria=False)
        .encode(**where)
    )
    return drawn
