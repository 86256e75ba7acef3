"""Where the values of a picture go on paper, in which colours, and in how many letters."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from harness.report.picture import Axis, Mark, Picture

# Of what is drawn, in units of its own: on a phone of 390 px its letters are 9 px high, at the
# 42 rem that page.css lets it grow to they are as large as the text around them.
WIDTH = 490
FONT = 13
SMALL = 12
# No figure of a machine lies beyond these, and ratios of two with air on both sides are numbers.
_LARGEST, _SMALLEST = 1e60, 1e-60
_MOST_TICKS = 9
# Below this ratio of its ends a logarithmic axis has too few of 1, 2, 5, 10: equal steps will do.
_NARROW = 5.0
# What differs by less than this of its size is drawn as near to each other as it is.
_LEAST_SPAN = 0.02
# In ems, of DejaVu Sans: its digits and most of its letters, and groups of those that are none of
# that. A picture asks for Arial, and a system without it may take a font as wide as this instead,
# an eighth wider, and names would be cut off at the edge. East Asian letters are as wide as high.
_NARROW_LETTER, _LETTER, _WIDE_LETTER = 0.36, 0.62, 1.0
NARROWEST = 0.86
"""How wide the same words are in Arial."""
_GROUPS = ((_NARROW_LETTER, " .,:;|!'ijltfrIJ/\\()[]·-"), (0.94, "mwMW@%…+=<>"))
_LETTERS = {letter: width for width, letters in _GROUPS for letter in letters}
_CAPITAL = 0.7


SERIES = ("c1", "c2", "c3", "c4", "c5", "c6")
SHADES = ("s1", "s2", "s3", "s4", "s5")


@dataclass(frozen=True, slots=True)
class Span:
    """What one axis covers, and where its ticks are; without any the renderer chooses."""

    low: float
    high: float
    is_log: bool = False
    ticks: tuple[float, ...] = ()

    def share(self, value: float) -> float:
        """How far along `value` lies: 0 at the low end, 1 at the high one."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def inside(self, value: float) -> float:
        """`value`, or the end that it lies beyond."""
        return min(max(value, self.low), self.high)

    def value(self, share: float) -> float:
        """What lies at `share`."""
        if self.is_log:
            return self.low * math.exp(math.log(self.high / self.low) * share)
        return self.low + (self.high - self.low) * share


@dataclass(frozen=True, slots=True)
class Placed:
    """
    A mark that can be drawn.

    Attributes:
        number: Its place among the picture's.
        x: As a number where its axis has numbers.
    """

    number: int
    mark: Mark
    x: float = 0.0
    y: float = 0.0
    low: float | None = None
    high: float | None = None


def placed(picture: Picture) -> list[Placed]:
    """
    The marks that have a place on paper.

    One that is no number, is not above 0 on a logarithmic axis or below 0 where lengths are drawn
    has none; the table beside the picture holds it.
    """
    found = []
    for number, mark in enumerate(picture.marks):
        x = number_on(mark.x, picture.x) if has_numbers(picture, "x") else 0.0
        y = number_on(mark.y, picture.y) if has_numbers(picture, "y") else 0.0
        if x is None or y is None or (picture.drawing == "stack" and x < 0):
            continue
        axis = picture.y if picture.drawing in ("lines", "scatter") else picture.x
        low, high = number_on(mark.low, axis, 0.0), number_on(mark.high, axis)
        if low is None or high is None or low > high:
            low = high = None
        found.append(Placed(number, mark, x, y, low, high))
    return found


def has_numbers(picture: Picture, axis: str) -> bool:
    """Whether places along "x" or "y" are numbers, and not categories."""
    match picture.drawing:
        case "cells":
            return False
        case "intervals" | "stack":
            return axis == "x"
        case "scatter":
            return True
        case "lines":
            return axis == "y" or not any(isinstance(it.x, str) for it in picture.marks)
        case "histogram":
            return axis == "x" or not any(isinstance(it.y, str) for it in picture.marks)


def has_place(value: float) -> bool:
    """Whether it is a number that differences and ratios can be taken of."""
    return abs(value) <= _LARGEST


def number_on(value: float | str | None, axis: Axis, least: float | None = None) -> float | None:
    """
    `value` where `axis` can show it.

    Args:
        value: As a mark has it.
        axis: That it lies along.
        least: What stands in for what a logarithmic axis cannot show; None: nothing does.
    """
    if value is None or isinstance(value, str) or not has_place(value):
        return None
    if axis.is_log and value < _SMALLEST:
        return least
    return float(value)


def span(values: Iterable[float], axis: Axis, *, is_length: bool = False) -> Span:
    """What `axis` has to cover for all `values`, with some air; `is_length` begins it at 0."""
    found = sorted(it for it in values if not axis.is_log or it >= _SMALLEST)
    low, high = (found[0], found[-1]) if found else (1.0, 1.0)
    if axis.is_log:
        ratio = max(math.exp((math.log(high) - math.log(low)) * 0.05), 1.08)
        low, high = low / ratio, high * ratio
        return Span(low, high, True, _log_ticks(low, high, found))
    if axis.includes_zero or is_length:
        low, high = min(low, 0.0), max(high, 0.0)
    lacking = _LEAST_SPAN * max(abs(low), abs(high)) - (high - low)
    air = (high - low) * 0.05 + max(lacking, 0.0) / 2 or 1.0
    starts = 0.0 if (axis.includes_zero or is_length) and low == 0 else air
    ends = 0.0 if (axis.includes_zero or is_length) and high == 0 and low < 0 else air
    return Span(low - starts, high + ends)


def _log_ticks(low: float, high: float, values: Sequence[float]) -> tuple[float, ...]:
    """Some round numbers; the values themselves where all are powers of two."""
    distinct = sorted(set(values))
    if 2 <= len(distinct) <= _MOST_TICKS and all(
        it >= 1 and math.log2(it).is_integer() for it in distinct
    ):
        return tuple(distinct)
    if high / low < _NARROW:
        step = _round_step((high - low) / 5)
        return tuple(it * step for it in range(math.ceil(low / step), math.floor(high / step) + 1))
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1, 2, 5), (1, 3)):
        found = [s * 10.0**p for p in range(first, last + 1) for s in steps]
        shown = tuple(it for it in found if low <= it <= high)
        if len(shown) <= _MOST_TICKS:
            return shown
    every = -(-(last - first) // (_MOST_TICKS - 1))
    return tuple(10.0**p for p in range(first, last + 1, every) if low <= 10.0**p <= high)


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10 and so on."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(it * power for it in (1, 2, 5, 10) if it * power >= step)


# ------------------------------------------------------------------ order and words


def in_order(names: Iterable[str], order: Sequence[str] = ()) -> list[str]:
    """Each once: first as `order` has them, then as they come."""
    found = list(dict.fromkeys(names))
    return [it for it in dict.fromkeys(order) if it in found] + [
        it for it in found if it not in order
    ]


def width_px(text: str, size: float = FONT) -> float:
    """About how wide `text` is drawn."""
    return size * sum(map(_letter_width, text))


@cache
def _letter_width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return _WIDE_LETTER
    return _LETTERS.get(letter, _CAPITAL if letter.isupper() else _LETTER)


def cut(text: str, room_px: float = WIDTH - 10, size: float = FONT) -> str:
    """`text` as it may be shown; of a long one the middle goes, as names differ at their ends."""
    if width_px(text, size) <= room_px:
        return text
    most = int(room_px / (size * _NARROW_LETTER))
    for kept in range(min(len(text) - 1, most), 2, -1):
        tail = kept * 2 // 5
        shown = f"{text[: kept - tail].rstrip()}…{text[len(text) - tail :].lstrip()}"
        if width_px(shown, size) <= room_px:
            return shown
    return f"{text[:2]}…"
