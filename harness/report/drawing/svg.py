"""
What Vega draws made into an element for a page: its marks named, its colours the page's own.

Vega describes every axis and every group to screen readers, in its own words. Here the whole is a
document of graphics with a name, in which there are the marks, that say what the picture's say, and
nothing else: ticks and legends without their places would be words without a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from harness.report.picture import Mark

_SVG = "http://www.w3.org/2000/svg"
# As wide as each other, letter for letter, and as what the drawing was laid out with; their digits
# are all of one width.
_FONTS = "Arial, Helvetica, Liberation Sans, sans-serif"
_NAMED = re.compile(r"(mark|part)-(\d+)")
_PLACE = ("d", "x", "y", "x1", "y1", "x2", "y2", "dx", "dy", "width", "height", "transform")
_LOOK = ("fill", "stroke", "opacity", "fill-opacity", "stroke-opacity")
_STROKE = ("stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin")
_WORDS = ("text-anchor", "font-size", "font-weight", "font-style")
_KEPT = frozenset((*_PLACE, *_LOOK, *_STROKE, "stroke-miterlimit", *_WORDS))
_UNREAD = {"aria-hidden": "true"}
_LONG = re.compile(r"(\.\d\d)\d+")
_TAGS = frozenset(("svg", "g", "path", "rect", "line", "text", "tspan", "circle"))

ElementTree.register_namespace("", _SVG)


def element(
    drawn: str,
    title: str,
    marks: Sequence[Mark],
    colours: Mapping[str, str],
    width: str = "100%",
) -> str:
    """
    An `<svg>` that says what it shows.

    Args:
        drawn: As Vega drew it; elements of marks are described as "mark-3", what belongs to one
            without being it as "part-3".
        title: The name of the whole.
        marks: All of the picture's.
        colours: What takes the place of each colour that it was drawn in.
        width: Of the element; its height follows where that is a number.
    """
    root = ElementTree.fromstring(drawn)
    view = root.get("viewBox", "0 0 1 1")
    _clean(root, marks, colours)
    _fill_ground(root, view)
    root.attrib.clear()
    root.attrib.update({"viewBox": view, "width": width, "font-family": _FONTS})
    if width.isdigit():
        _, _, wide, high = (float(it) for it in view.split())
        root.set("height", f"{int(width) * high / wide:.0f}")
    # Not "img": whatever is in an image is no part of what is read aloud.
    root.attrib.update({"role": "graphics-document", "aria-label": title})
    return ElementTree.tostring(root, encoding="unicode")


def _fill_ground(root: ElementTree.Element, view: str) -> None:
    """Lets the ground reach beyond the edges, where rounding leaves a slit of nothing."""
    for ground in root.findall(f"{{{_SVG}}}rect")[:1]:
        _, _, wide, high = (float(it) for it in view.split())
        size = {"width": f"{wide + 4:g}", "height": f"{high + 4:g}"}
        ground.attrib.update({"x": "-2", "y": "-2", **size})


def _clean(node: ElementTree.Element, marks: Sequence[Mark], colours: Mapping[str, str]) -> None:
    for child in list(node):
        if _tag(child) not in _TAGS:
            node.remove(child)
            continue
        named = _NAMED.fullmatch(child.get("aria-label", ""))
        _clean(child, marks, colours)
        child.attrib = _attributes(child.attrib, colours)
        if _tag(child) == "text" and "stroke" in child.attrib:
            child.attrib.update({"paint-order": "stroke", "stroke-linejoin": "round"})
        if named:
            _name(child, marks[int(named[2])].label, is_mark=named[1] == "mark")
        elif _tag(child) == "text":
            child.attrib.update(_UNREAD)
        elif _tag(child) == "g":
            _unwrap(node, child)


def _unwrap(node: ElementTree.Element, group: ElementTree.Element) -> None:
    """Takes a group away that does nothing to what it holds."""
    if not group.attrib or not len(group):
        at = list(node).index(group)
        node.remove(group)
        for offset, child in enumerate(list(group)):
            node.insert(at + offset, child)


def _attributes(found: Mapping[str, str], colours: Mapping[str, str]) -> dict[str, str]:
    kept = {}
    for name, value in found.items():
        if name not in _KEPT or (name.endswith("opacity") and value == "1"):
            continue
        if name in ("fill", "stroke"):
            value = "none" if value == "transparent" else colours.get(value.lower(), value)
        if name in _PLACE:
            value = _LONG.sub(r"\1", value)
        kept[name] = value.removesuffix("px") if name == "font-size" else value
    if kept.get("stroke-width") == "0":
        del kept["stroke-width"]
    return kept


def _name(child: ElementTree.Element, label: str, *, is_mark: bool) -> None:
    """Its words on hover; and read aloud, where it is the one element of its mark."""
    is_read = is_mark and label.strip()
    child.attrib.update({"role": "graphics-symbol", "aria-label": label} if is_read else _UNREAD)
    title = ElementTree.Element(f"{{{_SVG}}}title")
    title.text = label
    child.insert(0, title)


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]
