"""What the drawings are made of: a frame with its axes, and layers of points, rules and words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt

from harness.report.drawing.frame import Frame, Json
from harness.report.drawing.scale import (
    FONT,
    NARROWEST,
    SERIES,
    SMALL,
    WIDTH,
    Placed,
    cut,
    in_order,
    width_px,
)
from harness.report.picture import Picture
from harness.report.style import colour

Datum = dict[str, str | float | None]
Align = Literal["left", "center", "right"]
Layers = list[alt.Chart]

_DOT = "M-0.6,0A0.6,0.6,0,1,1,0.6,0A0.6,0.6,0,1,1,-0.6,0Z"
_CROSS = "M-1,-0.7L-0.7,-1L0,-0.3L0.7,-1L1,-0.7L0.3,0L1,0.7L0.7,1L0,0.3L-0.7,1L-1,0.7L-0.3,0Z"
# Shape and colour of each kind: nobody has to tell one from another by its colour alone.
DISTURBED = "disturbed, not counted"
KINDS = {
    "measured": ("circle", "c1"),
    "rehearsed": ("diamond", "c4"),
    "predicted": ("triangle-up", "c2"),
    "single run": (_DOT, "c1"),
    "single run, rehearsed": (_DOT, "c4"),
    "single run, predicted": (_DOT, "c2"),
    DISTURBED: (_CROSS, "odd"),
}
DASHES = {"measured": [1, 0], "rehearsed": [7, 3], "predicted": [3, 3]}
_POINT_SIZE, _RUN_SIZE = 70.0, 40.0


def layer(rows: Iterable[Datum]) -> alt.Chart:
    """An empty chart with data of its own."""
    # As text: Altair copies what it can look into, each time that a chart becomes part of another.
    values = json.dumps(list(rows), allow_nan=False)
    return alt.Chart(alt.InlineData(values=values, format=alt.JsonDataFormat(type="json")))


# ------------------------------------------------------------------ points and their bounds


def kind_of(it: Placed) -> str:
    """Which of KINDS it is."""
    if it.mark.is_disturbed:
        return DISTURBED
    if not it.mark.is_single:
        return it.mark.evidence
    return "single run" if it.mark.evidence == "measured" else f"single run, {it.mark.evidence}"


def point(it: Placed, x: float, y: float) -> Datum:
    """What `points` draws of it."""
    is_small = it.mark.is_single and not it.mark.is_disturbed
    return {
        "x": x,
        "y": y,
        "kind": kind_of(it),
        "series": it.mark.series,
        "size": _RUN_SIZE if it.mark.is_single else _POINT_SIZE,
        "opacity": 0.4 if it.mark.is_faint else 0.75 if is_small else 1.0,
        "named": f"mark-{it.number}",
    }


@dataclass(frozen=True)
class Colours:
    """
    What colours tell apart, and the legend that says so.

    Attributes:
        field: Of a datum.
        names: All values of that field, in order.
        values: Their colours.
    """

    field: str
    names: tuple[str, ...]
    values: tuple[str, ...]
    title: str = ""

    def channel(self) -> alt.Color:
        """The colour of a layer."""
        return alt.Color(
            self.field,
            type="nominal",
            scale={"domain": list(self.names), "range": list(self.values)},
            legend=self.legend(),
        )

    def legend(self) -> Json | None:
        """What names them; None where that says nothing."""
        return None if self.names in ((), ("",), ("measured",)) else legend(self.names, self.title)


def kinds_of(marks: Iterable[Placed]) -> list[str]:
    """The kinds that are there, in the order of KINDS."""
    found = {kind_of(it) for it in marks}
    return [it for it in KINDS if it in found]


def colours(picture: Picture, marks: Sequence[Placed]) -> Colours:
    """By series where there are several, else by kind."""
    names = in_order(it.mark.series for it in marks)
    if len(names) > 1:
        shades = [colour(SERIES[at % len(SERIES)]) for at in range(len(names))]
        return Colours("series", tuple(names), tuple(shades), picture.series_title)
    kinds = kinds_of(marks)
    kinds = [it for it in KINDS if it in (*kinds, *(m.mark.evidence for m in marks))]
    return Colours("kind", tuple(kinds), tuple(colour(KINDS[it][1]) for it in kinds))


def legend(names: Sequence[str], title: str = "") -> Json:
    """A legend above the picture, in as many columns as fit."""
    shown = [cut(it, WIDTH - 60, SMALL) for it in names]
    widest = max(width_px(it, SMALL) for it in shown)
    more = {"title": cut(title, WIDTH - 20)} if title else {"title": None}
    return dict(
        orient="top",
        columns=max(1, min(len(names), int((WIDTH - 50) // (widest + 34)))),
        # The renderer sets them apart by a font that is narrower than the one they may be read in.
        columnPadding=12 + widest * (1 - NARROWEST),
        labelLimit=WIDTH - 50,
        titleLimit=WIDTH - 20,
        symbolSize=_POINT_SIZE,
        symbolOpacity=1,
        offset=8,
        **more,
    )


def points(frame: Frame, rows: Sequence[Datum], by: Colours, kinds: Sequence[str]) -> alt.Chart:
    """Points, by shape what kind they are."""
    own = None if list(kinds) == ["measured"] else legend(kinds)
    if own:
        own["symbolFillColor"] = own["symbolStrokeColor"] = colour("quiet")
    shape = alt.Shape(
        "kind",
        type="nominal",
        scale={"domain": list(kinds), "range": [KINDS[it][0] for it in kinds]},
        legend=by.legend() if by.field == "kind" else own,
    )
    drawn: alt.Chart = (
        layer(rows)
        .mark_point(filled=True, strokeWidth=0)
        .encode(
            **frame.at(),
            shape=shape,
            color=by.channel(),
            size=alt.Size("size", type="quantitative", scale=None),
            opacity=alt.Opacity("opacity", type="quantitative", scale=None),
            description=alt.Description("named", type="nominal"),
        )
    )
    return drawn


def bounds(frame: Frame, rows: Sequence[Datum], by: Colours, *, is_upright: bool) -> alt.Chart:
    """The intervals: of a datum from "low" to "high"."""
    where = frame.at(y="low") if is_upright else frame.at(x="low")
    end = {"y2": alt.Y2("high")} if is_upright else {"x2": alt.X2("high")}
    drawn: alt.Chart = (
        layer(rows)
        .mark_rule(strokeWidth=2.5, strokeCap="round")
        .encode(
            **where,
            **end,
            color=by.channel(),
            opacity=alt.Opacity("opacity", type="quantitative", scale=None),
            description=alt.Description("named", type="nominal"),
        )
    )
    return drawn


def ends(it: Placed, row: Datum) -> list[Datum]:
    """What `bounds` draws of it: nothing where it has none."""
    if it.low is None or it.high is None:
        return []
    return [{**row, "low": it.low, "high": it.high, "named": f"part-{it.number}"}]


def words(
    rows: Sequence[Datum],
    where: Mapping[str, Any],
    *,
    align: Align = "left",
    dx: float = 0,
    dy: float = 0,
    size: float = FONT,
    ink: str = "text",
    has_halo: bool = True,
) -> alt.Chart:
    """Text at places: of a datum its "words"; a halo keeps lines from crossing them."""
    # svg.element puts it below the letters.
    halo: Json = {"stroke": colour("ground"), "strokeWidth": 3} if has_halo else {}
    drawn: alt.Chart = (
        layer(rows)
        .mark_text(
            align=align,
            baseline="middle",
            dx=dx,
            dy=dy,
            fontSize=size,
            color=colour(ink),
            aria=False,
            **halo,
        )
        .encode(**where, text=alt.Text("words", type="nominal"))
    )
    return drawn


def stacked(layers: Layers, frame: Frame) -> alt.LayerChart:
    """All layers as one chart, the first at the bottom."""
    return alt.LayerChart(
        layer=layers,
        width=frame.width,
        height=frame.height,
    )
