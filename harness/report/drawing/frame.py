"""The plane that the marks of a picture lie on, with its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt

from harness.report.drawing.scale import WIDTH, Placed, Span, cut, span
from harness.report.picture import Axis, Picture

# Scales, axes and legends stay plain: Altair's own classes are copied with each of their hundred
# fields, set or not, which took longer than all else.
Json = dict[str, Any]

# About what the axis of y takes.
_AXIS_PX = 60
_HEIGHT = 320
RULE_LABEL_PX = 15
# Where a limit lies more than this many times beyond all that is shown, it is named at the edge
# instead: to its scale there would be nothing to see of the rest.
_FARTHEST = 4.0


@dataclass(frozen=True)
class Frame:
    """
    The plane that all layers of a picture share.

    Attributes:
        rule_ink: The colour of rules.
    """

    x: Span
    y: Span
    height: int
    x_axis: Json | None
    y_axis: Json | None
    width: int = WIDTH
    rule_ink: str = "quiet"

    def place(self, x: float, y: float) -> tuple[float, float]:
        """In pixels from the left and from the top, more or less."""
        return self.x.share(x) * self.width, (1 - self.y.share(y)) * self.height

    def at(self, x: str = "x", y: str = "y") -> dict[str, Any]:
        """The channels that put a layer's fields onto this plane."""
        x_scale = _scale(self.x, [0, "width"])
        y_scale = _scale(self.y, ["height", 0])
        return {
            "x": alt.X(x, type="quantitative", scale=x_scale, axis=self.x_axis),
            "y": alt.Y(y, type="quantitative", scale=y_scale, axis=self.y_axis),
        }


def rows_frame(x: Span, x_axis: Json | None, height: int, width: int = WIDTH) -> Frame:
    """A plane whose y are pixels from its top."""
    return Frame(x, Span(height, 0), height, x_axis, None, width)


def plane(picture: Picture, marks: Sequence[Placed], categories: Sequence[str] = ()) -> Frame:
    """A plane for all `marks`; `categories` are named along x, at 0, 1, 2 and so on."""
    xs = [it.x for it in marks]
    ys = [v for it in marks for v in (it.y, it.low, it.high) if v is not None]
    x = span([*xs, *near_rules(picture, xs, "x")], picture.x)
    y = span([*ys, *near_rules(picture, ys, "y")], picture.y)
    x_axis = axis(picture.x, x, is_x=True)
    if categories:
        air = 0.3 if len(categories) > 1 else 1.0
        x = Span(-air, len(categories) - 1 + air)
        x_axis = {
            "title": cut(picture.x.title, 320),
            "values": list(range(len(categories))),
            "labels": False,
            "titlePadding": 26,
        }
    # Free of marks at the top, for the words of rules.
    y = replace(y, high=y.value(_HEIGHT / (_HEIGHT - min(rules_height(picture), _HEIGHT / 2))))
    return Frame(x, y, _HEIGHT, x_axis, axis(picture.y, y, is_x=False), WIDTH - _AXIS_PX)


def near_rules(picture: Picture, values: Sequence[float], which: str) -> list[float]:
    """Where the rules across axis `which` lie that can be drawn to the scale of `values`."""
    farthest = max(map(abs, values), default=0.0) * _FARTHEST
    return [it.value for it in picture.rules if it.axis == which and abs(it.value) <= farthest]


def rules_height(picture: Picture) -> int:
    """What the words of upright rules take at the top, in pixels."""
    return RULE_LABEL_PX * sum(it.axis == "x" for it in picture.rules)


def _scale(span: Span, ends: Sequence[float | str]) -> Json:
    return {
        "type": "log" if span.is_log else "linear",
        "domain": [span.low, span.high],
        "range": list(ends),
        "nice": False,
        "zero": False,
    }


def axis(axis_: Axis, span: Span, *, is_x: bool) -> Json:
    """An axis of numbers."""
    largest = max(abs(span.low), abs(span.high))
    # Of values that are given a count would drop every other one.
    more: Json = {"values": list(span.ticks)} if span.ticks else {"tickCount": 5}
    return dict(
        title=cut(axis_.title, 320),
        format="~s" if largest >= 1e7 or largest < 1e-4 else ",.7~g",
        grid=True,
        labelOverlap="greedy" if is_x else True,
        labelFlush=is_x,
        **more,
    )
