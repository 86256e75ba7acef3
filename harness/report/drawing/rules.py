"""Lines that the marks of a picture are held against, with their words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from harness.report.drawing.frame import RULE_LABEL_PX, Frame
from harness.report.drawing.layers import Align, Datum, Layers, layer, words
from harness.report.drawing.scale import SMALL, cut, width_px
from harness.report.picture import Picture, Rule
from harness.report.style import colour

_N_STEPS = 64
Points = list[tuple[float, float]]
# Where the words of a level line may stand: at its left or right end, above or below it.
_CORNERS = ((False, -8), (True, -8), (False, 9), (True, 9))


def drawn(frame: Frame, picture: Picture, places: Points | None = None) -> Layers:
    """
    All of them; one that lies outside is named at the edge that it lies beyond.

    Args:
        frame: Where they are drawn.
        picture: That has them.
        places: Where marks are, in pixels; words of level lines stay clear of them, and theirs
            and those of curves are added.
    """
    found: Layers = []
    for number, rule in enumerate(it for it in picture.rules if it.axis == "x"):
        found += _upright(frame, rule, RULE_LABEL_PX * (number + 0.5))
    taken = [] if places is None else places
    for rule in picture.rules:
        if rule.axis == "y":
            found += _level(frame, rule, taken)
        elif points := _curve_points(frame, rule):
            taken += [frame.place(x, y) for x, y in points]
            found += _curve(frame, rule, points)
    return found


def _curve_points(frame: Frame, rule: Rule) -> Points:
    """Where y / x, or y × x, is the rule's value; none of other rules."""
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


def _level(frame: Frame, rule: Rule, taken: Points) -> Layers:
    at = frame.y.inside(rule.value)
    is_near = at == rule.value
    text = rule.label if is_near else f"{rule.label} {'↑' if rule.value > at else '↓'}"
    row: Datum = {"y": at, "words": cut(text, frame.width - 20, SMALL)}
    wide = width_px(str(row["words"]), SMALL) + 8
    _, line_px = frame.place(frame.x.low, at)
    best = min(_CORNERS, key=lambda it: _n_hit(frame, it, wide, line_px, taken))
    is_left, dy = best
    left = 0.0 if is_left else frame.width - wide
    taken += [(left + part * wide / 8, line_px + dy) for part in range(9)]
    across = {"y": frame.at()["y"]}
    label = words(
        [row],
        {**across, "x": alt.value(0 if is_left else "width")},
        align="left" if is_left else "right",
        dx=4 if is_left else -4,
        dy=dy,
        size=SMALL,
        ink=frame.rule_ink,
    )
    return [_rule([row], across, frame.rule_ink), label] if is_near else [label]


def _n_hit(
    frame: Frame, corner: tuple[bool, int], wide: float, line_px: float, taken: Points
) -> float:
    """How many of `taken` lie under words that stand there; they must not leave the plane."""
    is_left, dy = corner
    left = 0.0 if is_left else frame.width - wide
    y = line_px + dy
    if y < 6 or y > frame.height - 6:
        return float("inf")
    return sum(left - 4 <= at <= left + wide + 4 and abs(y - it) < 14 for at, it in taken)


def _curve(frame: Frame, rule: Rule, points: Points) -> Layers:
    """The line, with its words above it: at the left of one that rises, else at the right."""
    ink = frame.rule_ink
    rows: list[Datum] = [{"x": x, "y": y} for x, y in points]
    line = (
        layer(rows)
        .mark_line(color=colour(ink), strokeWidth=1.5, strokeDash=[5, 3], aria=False)
        .encode(**frame.at())
    )
    text = cut(rule.label, frame.width * 0.6, SMALL)
    room = (width_px(text, SMALL) + 16) / frame.width
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
