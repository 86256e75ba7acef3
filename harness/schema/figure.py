"""One number with what is known of it: where it lies, how sure that is, and where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

FigureKind = Literal["exact", "interval", "range", "predicted"]


@dataclass(frozen=True, slots=True)
class Figure:
    """
    A value and its bounds. Plain rather than pydantic's, for `harness show` makes hundreds.

    Attributes:
        value: The best single number, in `unit`.
        low: Lower bound; None where the data tells none.
        high: Upper bound, the same.
        unit: As `units.quantity` knows it.
        kind: "exact": known from a file or counted, not estimated. "interval": the bounds enclose
            the true value as surely as they promise, 95 % unless said otherwise. "range": too few
            values for an interval, so the bounds, if any, are merely the smallest and the largest
            and decide nothing. "predicted": nothing was measured; the bounds are the prediction's.
        n: Values it stands on, one for each Run (for qualities, chunk of text); 0 where nothing was
            sampled.
        source: What it was measured as or how it was predicted: "tg128@d4096".
        standard_error: One standard error of `value`; None where the figure has none.
    """

    value: float
    low: float | None
    high: float | None
    unit: str
    kind: FigureKind
    n: int = 0
    source: str = ""
    standard_error: float | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        """`low` and `high` as numbers to compare with; infinite where there is no bound."""
        low = -math.inf if self.low is None else self.low
        return low, math.inf if self.high is None else self.high

    def scaled(self, factor: float) -> Figure:
        """The figure times a positive factor, its bounds too."""
        return replace(
            self,
            value=self.value * factor,
            low=None if self.low is None else self.low * factor,
            high=None if self.high is None else self.high * factor,
            standard_error=None if self.standard_error is None else self.standard_error * factor,
        )

    @property
    def is_decisive(self) -> bool:
        """Whether its bounds may decide a question: both are there and promise something."""
        return self.kind != "range" and self.low is not None and self.high is not None

    @property
    def is_exact(self) -> bool:
        """Whether nothing is left open: known, or an interval without width."""
        return self.is_decisive and self.low == self.high


def exact(value: float, unit: str, source: str = "") -> Figure:
    """A figure that is known rather than estimated."""
    return Figure(value, value, value, unit, "exact", source=source)
