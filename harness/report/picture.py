"""
What a picture shows, as values: marks with their words, and lines that they are held against.

How it is drawn is up to charts.py, which may be missing: then the table beside it says the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Evidence = Literal["measured", "rehearsed", "predicted"]
"""Where a value comes from; each has a shape of its own as well as a colour."""

Drawing = Literal["intervals", "lines", "stack", "scatter", "histogram", "cells"]
"""
What is drawn of the marks.

"intervals": a row for each `y`, its value along x with its bounds, single Runs as small points.
"lines": a line for each series over a numeric x, bounds as a band. "stack": a bar for each `y`, its
parts (series) one behind the other along x. "scatter": points, shaded by `shade`. "histogram": how
often along x, a series for each y; or bars made already, from low to high, y of them, a row for
each series. "cells": a board of words, x by y, shaded by series.
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """
    One value.

    Attributes:
        x: Along the horizontal axis; text for a category.
        y: Along the vertical axis; text for a category.
        label: All that it says, in words: shown on hover, and read aloud.
        series: What it belongs to, where several are drawn into one picture.
        low: Lower end of its interval, along the axis of its value, which is y of "lines" and
            "scatter" and x of all others; None: it has none.
        high: Upper end.
        evidence: Where it comes from.
        shade: A third value, where the picture has one.
        is_single: One Run among those whose figure stands beside it.
        is_disturbed: Others took the CPU; it counts for nothing.
        is_faint: It is there to be seen, and others are better in everything.
        name: Short for it: beside its point of "scatter" where there is room, in its cell of
            "cells". Without one the beginning of its label, in a cell its series.
    """

    x: float | str
    y: float | str
    label: str
    series: str = ""
    low: float | None = None
    high: float | None = None
    evidence: Evidence = "measured"
    shade: float | None = None
    is_single: bool = False
    is_disturbed: bool = False
    is_faint: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """
    One axis.

    Attributes:
        title: With its unit: "tok/s", "context (positions)".
        is_log: Whether equal steps are equal factors.
        includes_zero: Whether it begins at nothing, as lengths must.
        order: Of categories; empty: as they come.
    """

    title: str
    is_log: bool = False
    includes_zero: bool = False
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """
    A line across the picture: a limit, a ceiling, a ratio of 1.

    Attributes:
        axis: Which axis its value lies on. "ratio" and "product", of "scatter" and "lines": the
            line on which y / x, or y × x, is its value; 1 is where both agree, a bandwidth is
            what rate × bytes cannot exceed.
    """

    value: float
    label: str
    axis: Literal["x", "y", "ratio", "product"] = "x"


@dataclass(frozen=True, slots=True)
class Picture:
    """
    A picture of values that a table beside it holds too.

    Attributes:
        title: What it shows, in a sentence without a dot; read aloud where it is not seen.
        name: Of the file that it is written to, without its ending: "decode".
        drawing: How its marks are drawn.
        series_title: What tells its series apart.
        shade_title: What `shade` is.
    """

    title: str
    name: str
    drawing: Drawing
    marks: tuple[Mark, ...]
    x: Axis
    y: Axis
    rules: tuple[Rule, ...] = ()
    series_title: str = ""
    shade_title: str = ""
