"""The plane of pictures with numbers along both axes."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.drawing import rules
from harness.report.drawing.layers import Frame, axis
from harness.report.drawing.scale import Placed, Span, cut, span
from harness.report.picture import Picture

_HEIGHT = 320


def plane(picture: Picture, marks: Sequence[Placed], categories: Sequence[str] = ()) -> Frame:
    """A plane for all `marks`; `categories` are named along x, at 0, 1, 2 and so on."""
    xs = [it.x for it in marks]
    ys = [v for it in marks for v in (it.y, it.low, it.high) if v is not None]
    x = span([*xs, *rules.near(picture, xs, "x")], picture.x)
    y = span([*ys, *rules.near(picture, ys, "y")], picture.y)
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
    return Frame(
        x, y, _HEIGHT, x_axis, axis(picture.y, y, is_x=False), top_px=rules.height(picture)
    )
