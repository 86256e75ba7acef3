"""
Pictures drawn: as an SVG element of a page, as an SVG file, as a PNG.

Altair says what is drawn and vl-convert draws it (the extra `report`); both are loaded when the
first picture is asked for, as they take longer to start than most commands run. Without them there
is None, and the table beside each picture holds all that it shows.
"""

from __future__ import annotations

import textwrap
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from harness.report.drawing.scale import WIDTH, has_place, placed, width_px
from harness.report.drawing.svg import element
from harness.report.picture import Axis, Picture
from harness.report.style import colour, palette
from harness.report.text import sanitize

MISSING = (
    "Pictures are left out, as altair and vl-convert-python are missing: "
    "`pip install altair vl-convert-python`, or harness with its extra `report`"
)
_FILE_WIDTH_PX = "800"
_TITLE_SIZE = 15


def can_draw() -> bool:
    """Whether what draws is installed."""
    return all(find_spec(name) is not None for name in ("altair", "vl_convert"))


def svg(picture: Picture) -> str | None:
    """
    An `<svg>` for a page of report/html.py, whose colours it takes, light or dark.

    Each mark is an element with an `aria-label` and a `<title>`, the words of its label; of a
    histogram each bar is. It has no script, no style, no id and no address of anything.

    Returns:
        None where nothing can draw, or no mark has a place on paper.
    """
    names = {value: f"var(--{name})" for name, value in palette(is_dark=False).items()}
    return _element(picture, names, "100%", has_title=False)


def svg_file(picture: Picture, *, is_dark: bool = False) -> str | None:
    """An SVG file with its title in it and colours of its own; None as with `svg`."""
    return _element(picture, _inks(is_dark), _FILE_WIDTH_PX, has_title=True)


def png(picture: Picture, *, is_dark: bool = False, width_px: int = 1200) -> bytes | None:
    """A PNG file with its title in it; None as with `svg`."""
    drawn = svg_file(picture, is_dark=is_dark)
    if drawn is None:
        return None
    import vl_convert

    return vl_convert.svg_to_png(drawn, scale=width_px / int(_FILE_WIDTH_PX))


def _inks(is_dark: bool) -> dict[str, str]:
    shown = palette(is_dark=is_dark)
    return {value: shown[name] for name, value in palette(is_dark=False).items()}


def _element(
    picture: Picture, colours: dict[str, str], width: str, *, has_title: bool
) -> str | None:
    picture = _clean(picture)
    if not can_draw() or not placed(picture):
        return None
    import vl_convert

    from harness.report.drawing import histogram, lines, rows, scatter

    draw = {
        "intervals": rows.intervals,
        "stack": rows.stack,
        "cells": rows.cells,
        "histogram": histogram.histogram,
        "scatter": scatter.scatter,
        "lines": lines.lines,
    }[picture.drawing]
    if picture.drawing == "histogram":
        picture = histogram.binned(picture)
        if not placed(picture):  # of values at the edge of all numbers the bars may lie beyond it
            return None
    spec = draw(picture).to_dict(validate=False)
    spec["config"] = _config()
    if has_title:
        # Vega makes room for it as if it began at the plane, and not left of its axis.
        room_px = WIDTH - 70
        letters = room_px * len(picture.title) / (width_px(picture.title, _TITLE_SIZE) or 1)
        title = textwrap.wrap(picture.title, max(1, int(letters)), max_lines=3, placeholder="…")
        title = [f"{line} " for line in title]
        spec["title"] = {"text": title, "anchor": "start", "frame": "bounds"}
    drawn = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return element(drawn, picture.title, picture.marks, colours, width)


def _clean(picture: Picture) -> Picture:
    """
    The picture with its words made fit to be shown, and without rules at no number.

    Before anything is drawn: a control character in a name ends the process in vl-convert.
    """
    marks = (
        replace(
            it,
            x=sanitize(it.x) if isinstance(it.x, str) else it.x,
            y=sanitize(it.y) if isinstance(it.y, str) else it.y,
            label=sanitize(it.label),
            series=sanitize(it.series),
            name=sanitize(it.name),
        )
        for it in picture.marks
    )
    rules = (replace(it, label=sanitize(it.label)) for it in picture.rules if has_place(it.value))
    return replace(
        picture,
        title=_title(picture.title),
        marks=tuple(marks),
        x=_clean_axis(picture.x),
        y=_clean_axis(picture.y),
        rules=tuple(rules),
        series_title=_title(picture.series_title),
        shade_title=_title(picture.shade_title),
    )


def _clean_axis(axis: Axis) -> Axis:
    return replace(axis, title=_title(axis.title), order=tuple(map(sanitize, axis.order)))


def _title(text: str) -> str:
    # Of all words Vega takes this one, alone in a title, for the name of a signal.
    return "if " if text == "if" else sanitize(text)


def _config() -> dict[str, Any]:
    """How every picture looks."""
    words = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    return {
        "background": colour("ground"),
        # Arial's twin, which the renderer brings with it: of Arial, where a system has none, it
        # only guesses the widths, and leaves a fifth of the picture empty.
        "font": "Liberation Sans",
        "padding": 6,
        "view": {"stroke": None},
        "title": {"fontSize": _TITLE_SIZE, "color": colour("text"), "offset": 10},
        "axis": {
            **words,
            "labelColor": colour("quiet"),
            "titleColor": colour("quiet"),
            "gridColor": colour("line"),
            "gridOpacity": 0.6,
            "domainColor": colour("line"),
            "tickColor": colour("line"),
            "aria": False,
        },
        "legend": {
            **words,
            "labelColor": colour("text"),
            "titleColor": colour("quiet"),
            "symbolStrokeWidth": 0,
            "layout": {"top": {"direction": "vertical", "anchor": "start", "margin": 4}},
            "aria": False,
        },
    }
