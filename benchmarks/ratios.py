"""How much faster one thing is than another, from pairs measured side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Ratio:
    """
    A geometric mean of ratios with its interval.

    `spread` is the standard deviation of the logarithms, about the relative noise of one pair.
    """

    value: float
    low: float
    high: float
    spread: float
    n: int

    @property
    def half_width(self) -> float:
        """Half the interval as a share: 0.03 reads ±3 %."""
        return (self.high - self.low) / 2 / self.value

    @property
    def text(self) -> str:
        """The ratio with its interval."""
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    def as_dict(self) -> dict[str, float | int | None]:
        """For JSON, where an unknown bound is null."""
        fields = {name: getattr(self, name) for name in ("value", "low", "high", "spread")}
        known = {name: x if math.isfinite(x) else None for name, x in fields.items()}
        return known | {"n": self.n}


def ratio_of(pairs: Sequence[tuple[float, float]]) -> Ratio | None:
    """
    First over second of each pair: the t interval of the mean log ratio, or None without pairs.

    What slows both of a pair (a drifting host) cancels; with one pair the interval is unknown.
    """
    logs = [math.log(first / second) for first, second in pairs]
    n = len(logs)
    if n == 0:
        return None
    mean = fmean(logs)
    if n == 1:
        return Ratio(math.exp(mean), 0.0, math.inf, math.inf, 1)
    spread = stdev(logs)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * spread / math.sqrt(n)
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half), spread, n)
