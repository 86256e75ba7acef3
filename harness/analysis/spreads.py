"""How many machines of one kind differ: the best, the middle, the worst, and those far off."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from harness.analysis.metrics import METRICS
from harness.analysis.standings import Standing, Standings
from harness.analysis.stats.interval import far_out, percentile
from harness.analysis.stats.ratio import THRESHOLD


@dataclass(frozen=True, slots=True)
class Outlier:
    """A machine far from its kind; `ratio` is its figure by the median of its kind."""

    row: Standing
    ratio: float


@dataclass(frozen=True, slots=True)
class Spread:
    """
    Machines of one kind in one figure.

    Attributes:
        kind: What they have in common.
        best: The machine with the best figure; `worst` that with the worst.
        low: A quarter of the machines have less; `high`: a quarter have more.
        outliers: The farthest first.
    """

    kind: str
    n: int
    best: Standing
    worst: Standing
    median: float
    low: float
    high: float
    outliers: tuple[Outlier, ...]


def spreads_of(standings: Standings, kind_of: Callable[[int], str]) -> list[Spread]:
    """
    Each kind's, the kind with the best median first; machines without a figure are left out.

    An outlier lies far out by Tukey's fences, three quartile ranges beyond the quartiles, of the
    logarithms of its own kind: of normal values 1 of 400,000 does. Kinds of fewer than four have
    none, and less than the threshold from the median is none however alike the others are.
    """
    kinds: dict[str, list[Standing]] = {}
    for row in standings.known:
        kinds.setdefault(kind_of(row.entry.machine), []).append(row)
    found = [_spread(kind, rows) for kind, rows in kinds.items()]
    is_more_better = METRICS[standings.metric].is_more_better
    return sorted(found, key=lambda it: it.median, reverse=is_more_better)


def _value(row: Standing) -> float:
    assert row.figure
    return row.figure.value


def _spread(kind: str, rows: list[Standing]) -> Spread:
    values = [_value(row) for row in rows]
    middle = median(values)
    outside = far_out([math.log(value) for value in values])
    found = [
        Outlier(row, value / middle)
        for row, value, is_far in zip(rows, values, outside, strict=True)
        if is_far and abs(math.log(value / middle)) > math.log(1 + THRESHOLD)
    ]
    ordered = sorted(values)
    return Spread(
        kind=kind,
        n=len(rows),
        best=rows[0],
        worst=rows[-1],
        median=middle,
        low=percentile(ordered, 25),
        high=percentile(ordered, 75),
        outliers=tuple(sorted(found, key=lambda it: -abs(math.log(it.ratio)))),
    )
