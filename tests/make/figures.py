"""Figures by the numbers that a test is about."""

from __future__ import annotations

from harness.schema.figure import Figure, FigureKind, exact


def between(
    low: float, value: float, high: float, kind: FigureKind = "interval", unit: str = "ratio"
) -> Figure:
    return Figure(value, low, high, unit, kind)


def around(
    value: float, width: float, kind: FigureKind = "interval", unit: str = "ratio"
) -> Figure:
    """`value` and bounds that are `width` of it away, as a share."""
    return between(value * (1 - width), value, value * (1 + width), kind, unit)


def known(value: float, unit: str = "ratio") -> Figure:
    return exact(value, unit)
