"""
Whether one thing is faster than another, slower, the same, or this data cannot tell.

A comparison is a ratio, B over A, with an interval. Values of one round were measured side by
side, so what slowed the machine slowed both: the t interval of the mean log ratio over rounds.
Values without common rounds are set against each other by Welch's interval for the difference of
two means of logarithms, which a machine that changed in between can deceive.

A verdict needs the whole interval: beyond the threshold it is "better" or "worse", inside it
"same", and anything else is "inconclusive".
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean, stdev, variance
from typing import Literal, TypeVar

from harness.analysis.stats.student import t_quantile

_Round = TypeVar("_Round", bound=Hashable)
Verdict = Literal["better", "worse", "same", "inconclusive"]
Pairing = Literal["turns", "rounds", "unpaired", "exact"]

# One comparison in a hundred may err: a table has ten of them, and a gate runs every day.
CONFIDENCE = 0.99
# Where one asks again after every round and stops at an answer, errors add up. At this level a
# difference that is not there is found at any of the looks from the 6th round to the 1000th in 0.9
# of 100 comparisons, however wide the noise: simulated (tests/analysis/stats/test_ratio.py).
CONFIDENCE_OF_EACH_LOOK = 0.9997
# Less than 2 % nobody feels, and the same model differs from itself by as much from hour to hour.
THRESHOLD = 0.02
# An interval of a factor of e^20 to either side says nothing, and its ends are no numbers to print.
_WIDEST = 20.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    How B stands to A in one figure.

    Attributes:
        ratio: B / A: of rounds the geometric mean.
        low: Lower end of its interval; 0 where nothing is known.
        high: Upper end; infinite where nothing is known.
        n: Rounds, or the Runs of the side that has fewer.
        pairing: "turns": in rounds whose trials took turns, by neighbours. "rounds": by the values
            of Runs of one round. "unpaired": at different times. "exact": the same in
            every Run, so nothing had to be estimated.
        is_more_better: True for tokens per second, False for times and bytes.
        means: The geometric means of A and of B that it is the ratio of, over just these rounds or
            Runs. Medians of the same values may even lie the other way round.
    """

    ratio: float
    low: float
    high: float
    n: int
    pairing: Pairing
    is_more_better: bool
    threshold: float
    confidence: float
    means: tuple[float, float]

    @property
    def verdict(self) -> Verdict:
        """Of B, seen from A."""
        above = 1 + self.threshold
        if self.low > above:
            return "better" if self.is_more_better else "worse"
        if self.high < 1 / above:
            return "worse" if self.is_more_better else "better"
        if self.low >= 1 / above and self.high <= above:
            return "same"
        return "inconclusive"

    @property
    def smallest(self) -> float:
        """
        The smallest true difference that this data would as often as not have shown.

        As a share, 0.04 for 4 %; infinite where there is too little data for any.
        """
        if not math.isfinite(self.high) or self.low <= 0:
            return math.inf
        half = math.log(self.high / self.low) / 2
        return (1 + self.threshold) * math.exp(half) - 1


def compare_rounds(
    a: Mapping[_Round, float],
    b: Mapping[_Round, float],
    *,
    is_more_better: bool,
    threshold: float = THRESHOLD,
    confidence: float = CONFIDENCE,
) -> Comparison | None:
    """
    B over A by the rounds that both have; None where there is none.

    Args:
        a: Round to value, all above 0.
        b: The same of the other side.
        is_more_better: Whether a larger value is the better one.
        threshold: Differences up to this share are called the same.
        confidence: Of the interval, two-sided.
    """
    common = [key for key in a if key in b]
    if not common:
        return None
    logs = [math.log(b[key] / a[key]) for key in common]
    mean, half = fmean(logs), math.inf
    if len(logs) > 1:
        error = stdev(logs) / math.sqrt(len(logs))
        half = t_quantile((1 + confidence) / 2, len(logs) - 1) * error
    means = geometric_mean([a[key] for key in common]), geometric_mean([b[key] for key in common])
    return _comparison(
        mean, half, len(logs), "rounds", is_more_better, threshold, confidence, means
    )


def compare_apart(
    a: Sequence[float],
    b: Sequence[float],
    *,
    is_more_better: bool,
    threshold: float = THRESHOLD,
    confidence: float = CONFIDENCE,
) -> Comparison | None:
    """
    B over A from values that were not measured side by side; None where one has none.

    Welch's interval on logarithms, its degrees of freedom rounded down (Welch 1947). It knows the
    spread between Runs, not what happened to the machine between the two measurements.
    """
    if not a or not b:
        return None
    logs_a, logs_b = [math.log(value) for value in a], [math.log(value) for value in b]
    mean, half = fmean(logs_b) - fmean(logs_a), math.inf
    if len(a) > 1 and len(b) > 1:
        part_a, part_b = variance(logs_a) / len(a), variance(logs_b) / len(b)
        half = 0.0
        if part_a + part_b > 0:
            parts = part_a**2 / (len(a) - 1) + part_b**2 / (len(b) - 1)
            # A whole number may come out of the division as just less than that.
            n_free = max(1, math.floor((part_a + part_b) ** 2 / parts + 1e-9))
            half = t_quantile((1 + confidence) / 2, n_free) * math.sqrt(part_a + part_b)
    n = min(len(a), len(b))
    means = geometric_mean(a), geometric_mean(b)
    return _comparison(mean, half, n, "unpaired", is_more_better, threshold, confidence, means)


def compare_exact(
    a: float,
    b: float,
    n: int,
    *,
    is_more_better: bool,
    threshold: float = THRESHOLD,
) -> Comparison:
    """B over A of figures that are the same in every Run, such as a buffer's size."""
    return _comparison(math.log(b / a), 0.0, n, "exact", is_more_better, threshold, 1.0, (a, b))


def _comparison(
    mean: float,
    half: float,
    n: int,
    pairing: Pairing,
    is_more_better: bool,
    threshold: float,
    confidence: float,
    means: tuple[float, float],
) -> Comparison:
    is_known = half < _WIDEST
    return Comparison(
        ratio=math.exp(mean),
        low=math.exp(mean - half) if is_known else 0.0,
        high=math.exp(mean + half) if is_known else math.inf,
        n=n,
        pairing=pairing,
        is_more_better=is_more_better,
        threshold=threshold,
        confidence=confidence,
        means=means,
    )
