"""
Estimates over Runs, and the labels that warn about them.

Every function takes plain numbers and gives plain answers. Nothing here drops a value: what
looks odd is labelled, and the reader decides. Plain Python, for the samples are small and
`harness show` should not wait for numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations, pairwise
from statistics import fmean, median

from harness.schema.figure import Figure

CONFIDENCE = 0.95

# Tukey's fences (Exploratory Data Analysis, 1977, ch. 2): beyond 1.5 quartile ranges a value is
# "outside", beyond 3 "far out". Of normal values 0.7 % and 0.0002 % lie there.
_MILD_FENCE = 1.5
_SEVERE_FENCE = 3.0

# A first trial that was really slow (pages still coming in, clocks still rising) took 1.23 to
# 1.67 times as long as the later ones; ordinary trials of one process spread by 6 to 12 %. 1.2
# lies between the two.
_SLOW_FIRST_RATIO = 1.2
# Fewer later trials than these do not say what ordinary is.
_MIN_LATER_TRIALS = 2

# An experiment has several cases, and 5 % of false alarms in each would warn of nothing too often.
# Six values in perfect order reach 0.3 %.
_DRIFT_P_VALUE = 0.01


@dataclass(frozen=True, slots=True)
class Outliers:
    """How many values lie beyond Tukey's inner (mild) and outer (severe) fences."""

    n_mild: int
    n_severe: int


@dataclass(frozen=True, slots=True)
class Drift:
    """
    A trend along the order in which values were taken.

    `change_ratio` is the change from the first value to the last by the Theil-Sen line, as a
    share of the median. `p_value` is how often values in random order look as ordered as these.
    """

    change_ratio: float
    p_value: float

    @property
    def is_real(self) -> bool:
        """Whether chance is a poor explanation of the trend."""
        return self.p_value < _DRIFT_P_VALUE


def estimate(values: Sequence[float], unit: str, confidence: float = CONFIDENCE) -> Figure:
    """
    Median of `values` with the exact order-statistic interval for it.

    Each of n independent values lies below the true median with probability 1/2, so the number
    below it is Binomial(n, 1/2), whatever the distribution of the values. The k-th smallest
    value exceeds the true median only when at most k - 1 values lie below it, and by symmetry
    the same holds for the k-th largest; so the two enclose the median with probability

        1 - 2 P(Binomial(n, 1/2) <= k - 1).

    The largest k that still gives `confidence` makes the narrowest interval. With n values even
    k = 1 (smallest to largest) reaches only 1 - 2 / 2^n: 93.8 % for n = 5, 96.9 % for n = 6.
    That is why a 95 % interval needs 6 Runs, and why below them the same two numbers are
    called a "range".

    Args:
        values: One number for each Run, NOT for each trial, in any order; at least one.
        unit: As `units.quantity` knows it.
        confidence: Between 0 and 1.

    Raises:
        ValueError: No values, or one that is not a finite number.

    Source: Conover, Practical Nonparametric Statistics, 3rd ed. 1999, section 3.2.
    """
    if not values or not all(math.isfinite(value) for value in values):
        raise ValueError(f"cannot estimate from {list(values)!r}")
    ordered = sorted(float(value) for value in values)
    n = len(ordered)
    rank = _interval_rank(n, confidence)
    return Figure(
        value=median(ordered),
        low=ordered[rank - 1],
        high=ordered[n - rank],
        unit=unit,
        kind="interval" if _coverage(n, rank) >= confidence else "range",
        n=n,
    )


def min_values(confidence: float = CONFIDENCE) -> int:
    """Number of values from which an interval of this confidence exists: 6 for 95 %."""
    n = 1
    while _coverage(n, 1) < confidence:
        n += 1
    return n


def relative_half_width(figure: Figure) -> float:
    """Half the interval's width as a share of the value; infinite around 0 and without bounds."""
    low, high = figure.bounds
    half_width = (high - low) / 2
    if half_width == 0:
        return 0.0
    return half_width / abs(figure.value) if figure.value else math.inf


def outliers(values: Sequence[float]) -> Outliers:
    """Counts of values beyond Tukey's fences; none when there are fewer than 4 values."""
    n_severe = sum(_beyond(values, _SEVERE_FENCE))
    return Outliers(n_mild=sum(_beyond(values, _MILD_FENCE)) - n_severe, n_severe=n_severe)


def far_out(values: Sequence[float]) -> list[bool]:
    """Of each value whether it lies beyond the outer of Tukey's fences."""
    return _beyond(values, _SEVERE_FENCE)


def _beyond(values: Sequence[float], fence: float) -> list[bool]:
    if len(values) < 4:
        return [False] * len(values)
    ordered = sorted(values)
    lower, upper = percentile(ordered, 25), percentile(ordered, 75)
    return [max(lower - value, value - upper) > fence * (upper - lower) for value in values]


def is_first_slow(times: Sequence[float]) -> bool:
    """Whether the first of `times` (in the order taken) was not yet the steady state."""
    if len(times) < 1 + _MIN_LATER_TRIALS:
        return False
    first, later = times[0], times[1:]
    return first > max(later) and first > _SLOW_FIRST_RATIO * median(later)


def drift(values: Sequence[float], at: Sequence[float] | None = None) -> Drift | None:
    """
    Trend of `values` in the order they were taken, or None for fewer than 6 values.

    The slope is the median of all pairwise slopes (Theil 1950, Sen 1968); the p-value is
    that of the Mann-Kendall test by the exact distribution of its score, two-sided. Ties
    count for neither direction, so they make the test cautious, never bold.

    Args:
        values: One number for each Run.
        at: When each was taken, strictly rising; default their positions.
    """
    n = len(values)
    if n < min_values():
        return None
    times = range(n) if at is None else at
    pairs = list(combinations(zip(times, values, strict=True), 2))
    score = sum((later > earlier) - (later < earlier) for (_, earlier), (_, later) in pairs)
    slope = median((later - earlier) / (end - start) for (start, earlier), (end, later) in pairs)
    usual = median(values)
    change = slope * (times[-1] - times[0])
    if usual:
        change /= abs(usual)
    elif change:
        change = math.copysign(math.inf, change)
    return Drift(change_ratio=change, p_value=_mann_kendall_p(n, abs(score)))


def lag1_autocorrelation(values: Sequence[float]) -> float | None:
    """How much each value resembles the one before it, -1 to 1; None where that is undefined."""
    if len(values) < 4:
        return None
    mean = fmean(values)
    deviations = [value - mean for value in values]
    total = sum(deviation**2 for deviation in deviations)
    products = sum(earlier * later for earlier, later in pairwise(deviations))
    return products / total if total > 0 else None


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value below which `percent` % of `ordered` lie, between its neighbours by a line."""
    position = (len(ordered) - 1) * percent / 100
    below = math.floor(position)
    above = math.ceil(position)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _coverage(n: int, rank: int) -> float:
    """Probability that the `rank`-th smallest and largest of n values enclose the median."""
    outside = sum(math.comb(n, k) for k in range(rank))
    return float(max(0.0, 1 - 2 * outside / 2**n))


def _interval_rank(n: int, confidence: float) -> int:
    """Largest rank whose interval still has the confidence; 1 when none has."""
    rank = 1
    while rank < (n + 1) // 2 and _coverage(n, rank + 1) >= confidence:
        rank += 1
    return rank


def _mann_kendall_p(n: int, score: int) -> float:
    """
    Probability that n values in random order score `score` or more, in either direction.

    A score of s means (pairs - s) / 2 inversions; the permutations of n with a given number
    of inversions are counted by adding one element at a time (Knuth, volume 3, 5.1.1). An element
    adds 0 to size - 1 inversions, each as often, so a count is a sum of the last `size` ones: the
    difference of two running sums, or a hundred Runs would take seconds.
    """
    n_pairs = n * (n - 1) // 2
    n_wanted = (n_pairs - score) // 2 + 1
    counts = [1]
    for size in range(2, n + 1):
        length = min(n_wanted, len(counts) + size - 1)
        sums = list(accumulate(counts[:length], initial=0))
        sums += [sums[-1]] * (length + 1 - len(sums))
        counts = [sums[k + 1] - sums[max(0, k + 1 - size)] for k in range(length)]
    n_as_extreme = sum(counts)
    return min(1.0, 2 * n_as_extreme / math.factorial(n))
