"""
One picture of a result to pass on: which model on which machine, the verdict, three figures.

Drawn by hand as SVG of 1200 x 630 pixels, the size in which sites show a picture beside a link.
Text is large enough to be read at a third of that, on a phone. It holds no link and no script.
"""

from __future__ import annotations

import struct
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib import import_module
from importlib.util import find_spec

from harness import units
from harness.analysis.verdict import Level
from harness.report.cells import RANGE_MARK, bounds_of
from harness.report.text import sanitize
from harness.schema.figure import Figure

WIDTH, HEIGHT = 1200, 630
FIGURES = 3
"""As many figures as there is room for."""

_PNG = b"\x89PNG\r\n\x1a\n"
_MARGIN = 56
_INNER = WIDTH - 2 * _MARGIN
_COLUMN = 350
_GAP = (_INNER - FIGURES * _COLUMN) // (FIGURES - 1)
_NOTE_LINES, _NOTE_SIZE = 3, 28
_FONTS = "Liberation Sans, Arial, Helvetica, DejaVu Sans, sans-serif"
_INK, _QUIET, _LINE, _GROUND = "#14181d", "#434b54", "#d5dae0", "#ffffff"
# Of a verdict: its text and what lies behind it, 7 : 1 or more apart.
_COLOURS: dict[Level | None, tuple[str, str]] = {
    "comfortable": ("#0b4f2e", "#ddf3e6"),
    "usable": ("#114a82", "#e0edfa"),
    "slow": ("#633c00", "#fbeed6"),
    "pages": ("#6e2c0a", "#fbe6da"),
    "does-not-run": ("#8a0f1b", "#fbe1e4"),
    None: ("#353c44", "#eceff2"),
}
# Widths of letters in parts of their size: those of Liberation Sans Bold, rounded up, and how much
# narrower the usual weight is.
_NARROW, _WIDE = "iljtfrI.,:;'!|()[] /-·", "mwMW@%—…"
_WIDTH_NARROW, _WIDTH_USUAL, _WIDTH_CAPITAL, _WIDTH_WIDE = 0.35, 0.59, 0.74, 1.0
_BOLD = 700
_USUAL_WEIGHT_RATIO = 0.94


@dataclass(frozen=True, slots=True)
class CardFigure:
    """A figure and what it is of; `is_disturbed`: others took the CPU in each of its trials."""

    label: str
    figure: Figure
    is_disturbed: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """
    What the picture says.

    Attributes:
        model: Its name.
        about: What else tells which file and settings.
        machine: What it ran on.
        level: Of the verdict, for its colour; None where there is none.
        verdict: In words.
        reason: The number that decided, or why there is no verdict.
        figures: At most FIGURES.
        instead: What stands there if there are none.
        notes: What a reader must know, the gravest first; as far as there is room.
        origin: Engine, build and day.
    """

    model: str
    about: str
    machine: str
    level: Level | None
    verdict: str
    reason: str
    figures: tuple[CardFigure, ...]
    instead: str
    notes: tuple[str, ...]
    origin: str


def svg(card: Card) -> str:
    """The picture."""
    ink, tint = _COLOURS[card.level]
    parts = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{_GROUND}"/>',
        f'<rect width="{WIDTH}" height="12" fill="{ink}"/>',
        _line(card.model, 80, 62, least=40, weight=_BOLD),
        _line(_joined(card.machine, card.about), 126, 34, least=27, fill=_QUIET),
        f'<rect x="{_MARGIN}" y="148" width="{_INNER}" height="122" rx="12" fill="{tint}"/>',
        _line(card.verdict, 203, 52, least=34, weight=_BOLD, fill=ink, inset=24),
        _line(card.reason, 250, 33, least=26, fill=ink, inset=24),
        *_figures(card),
        f'<rect x="{_MARGIN}" y="456" width="{_INNER}" height="2" fill="{_LINE}"/>',
        *_notes(card),
        _line(card.origin, 606, 30, least=24, fill=_QUIET),
    ]
    title = escape(sanitize(f"{card.model}: {card.verdict}"))
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="{_FONTS}">',
            f"<title>{title}</title>",
            *parts,
            "</svg>\n",
        )
    )


def png(drawn: str) -> bytes | None:
    """The picture as PNG; None where vl-convert, which makes it, is not installed."""
    if find_spec("vl_convert") is None:
        return None
    return _repacked(bytes(import_module("vl_convert").svg_to_png(drawn)))


def _repacked(data: bytes) -> bytes:
    """The same PNG in a quarter of its bytes: it comes packed for speed."""
    chunks: list[tuple[bytes, bytes]] = []
    position = len(_PNG)
    while position < len(data):
        n_bytes, kind = struct.unpack_from(">I4s", data, position)
        chunks.append((kind, data[position + 8 : position + 8 + n_bytes]))
        position += n_bytes + 12
    pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    kept = [each for each in chunks if each[0] in (b"IHDR", b"pHYs")]
    return _PNG + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (*kept, (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b""))
    )


# ------------------------------------------------------------------ parts


def _figures(card: Card) -> Iterator[str]:
    if not card.figures:
        lines = wrapped(card.instead, 36, _INNER)[:3]
        yield from (
            _text(line, _MARGIN, 326 + 46 * n, 36, fill=_INK) for n, line in enumerate(lines)
        )
    for n, each in enumerate(card.figures[:FIGURES]):
        x = _MARGIN + n * (_COLUMN + _GAP)
        figure = each.figure
        value = units.quantity(figure.value, figure.unit)
        suffix = f" {figure.unit}" if figure.unit in ("tok/s", "J/token") else ""
        fill = "#8a0f1b" if each.is_disturbed else _INK
        yield _line(each.label, 314, 32, least=26, x=x, room=_COLUMN, fill=_QUIET)
        yield _line(
            f"{value}{suffix}", 384, 68, least=44, x=x, room=_COLUMN, weight=_BOLD, fill=fill
        )
        bounds = "disturbed" if each.is_disturbed else _bounds(figure)
        yield _line(bounds, 432, 34, least=26, x=x, room=_COLUMN, fill=fill)


def _bounds(figure: Figure) -> str:
    """Where it lies, in as few words as say whether that is an interval."""
    if figure.kind == "exact":
        return "exact"
    if figure.n == 1:
        return "one Run, no interval"
    return bounds_of(figure)


def _notes(card: Card) -> Iterator[str]:
    """A line for each note but the last, which has the lines that are left."""
    shown = card.notes[:_NOTE_LINES]
    lines: list[str] = []
    for note in shown:
        n_lines = _NOTE_LINES - len(lines) if note is shown[-1] else 1
        found = wrapped(note, _NOTE_SIZE, _INNER)
        if len(found) > n_lines:
            rest = " ".join(found[n_lines - 1 :])
            found = [*found[: n_lines - 1], shortened(rest, _NOTE_SIZE, _INNER)]
        lines += found
    for n, line in enumerate(lines):
        yield _text(line, _MARGIN, 492 + 34 * n, _NOTE_SIZE, fill=_INK)


def explained(figures: Sequence[CardFigure]) -> str:
    """What the bounds of these figures are: "95 % intervals, n = 12"."""
    shown = [each.figure for each in figures if not each.is_disturbed and each.figure.n > 1]
    counts = sorted({figure.n for figure in shown})
    if not counts:
        return ""
    n = f"n = {counts[0]}" + (f" to {counts[-1]}" if len(counts) > 1 else "")
    ranges = [figure.kind == "range" for figure in shown]
    if all(ranges):
        return f"{RANGE_MARK.strip()} smallest and largest Run, {n}"
    mark = f" ({RANGE_MARK.strip()} ranges)" if any(ranges) else ""
    return f"95 % intervals{mark}, {n}"


# ------------------------------------------------------------------ text


def _line(
    text: str,
    y: int,
    size: int,
    *,
    least: int,
    x: int = _MARGIN,
    room: int = _INNER,
    weight: int = 400,
    fill: str = _INK,
    inset: int = 0,
) -> str:
    """Text in one line, smaller where it is long, cut where `least` is too large still."""
    room -= 2 * inset
    text = sanitize(text)
    while size > least and width_of(text, size, weight) > room:
        size -= 1
    text = shortened(text, size, room, weight)
    return _text(text, x + inset, y, size, weight=weight, fill=fill)


def _text(text: str, x: int, y: int, size: int, *, weight: int = 400, fill: str) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{fill}">'
        f"{escape(sanitize(text))}</text>"
    )


def _joined(*texts: str) -> str:
    return " · ".join(filter(None, texts))


def width_of(text: str, size: int, weight: int = 400) -> float:
    """At most so many pixels wide is `text`."""
    ratio = 1.0 if weight >= _BOLD else _USUAL_WEIGHT_RATIO
    return size * ratio * sum(map(_letter_width, text))


def _letter_width(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    if char in _NARROW:
        return _WIDTH_NARROW
    if char in _WIDE or unicodedata.east_asian_width(char) in "WF":
        return _WIDTH_WIDE
    return _WIDTH_CAPITAL if not char.isascii() or char.isupper() else _WIDTH_USUAL


def shortened(text: str, size: int, room: float, weight: int = 400) -> str:
    """As much of `text` as has room, with a mark where something is missing."""
    if width_of(text, size, weight) <= room:
        return text
    kept = text
    while kept and width_of(f"{kept}…", size, weight) > room:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"


def wrapped(text: str, size: int, room: float) -> list[str]:
    """`text` in lines that have room; a word that has none is cut."""
    lines: list[str] = []
    for word in sanitize(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width_of(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(shortened(word, size, room))
    return lines
