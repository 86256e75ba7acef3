"""Intervals from values that come in chunks: those of one chunk depend on each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from harness.analysis.stats.interval import CONFIDENCE, percentile
from harness.analysis.stats.student import t_quantile


def mean_interval(means: Sequence[float]) -> tuple[float | None, float | None]:
    """
    The t interval of the mean of one value a chunk; (None, None) from fewer than two chunks.

    Source: the method of batch means; Law, Simulation Modeling and Analysis, 5th ed., 9.5.3.
    """
    if len(means) < 2:
        return None, None
    half = _half_width(means)
    return fmean(means) - half, fmean(means) + half


def percentile_interval(
    chunks: Sequence[Sequence[float]], percent: float
) -> tuple[float | None, float | None]:
    """
    Woodruff's interval for a percentile of all values; an end that they do not tell is None.

    The share of values at or below the percentile has a t interval over chunks; the percentiles
    at the two ends of that are the ends of this one. It is made of the values themselves and
    needs no model of how they are distributed.

    Source: Woodruff, Confidence Intervals for Medians and Other Position Measures, Journal of the
    American Statistical Association 47 (1952), 635-646.
    """
    if len(chunks) < 2:
        return None, None
    ordered = sorted(value for chunk in chunks for value in chunk)
    value = percentile(ordered, percent)
    half = 100 * _half_width([sum(x <= value for x in chunk) / len(chunk) for chunk in chunks])

    def at(share: float) -> float | None:
        # Beyond the outermost values nothing tells where the percentile may lie.
        return percentile(ordered, share) if 0 <= share <= 100 else None

    return at(percent - half), at(percent + half)


def _half_width(values: Sequence[float]) -> float:
    quantile = t_quantile((1 + CONFIDENCE) / 2, len(values) - 1)
    return quantile * stdev(values) / math.sqrt(len(values))
