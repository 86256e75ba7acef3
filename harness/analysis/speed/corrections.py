"""
Results of a machine that correct what its class says of other models.

What one model was missed by says something of the next, the more the closer the two are: kernels
differ with the kind of model and with its size. How much such a result may move a prediction was
chosen on published results (tools/speed; docs/method/predicted-speed.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analysis.speed.rates import Spread
from harness.schema.work import Work

# The weight of a result of another kind: a mixture for a dense model, one with a state for one
# without. Dense models predict dense ones to 7.5 % in the median, mixtures to 10.2 %.
_OTHER_KIND = 0.3
# By which factor bytes read for a token may differ, in natural logarithms, until a result weighs
# 1/e of one of the same size.
_SIZE_SCALE = 1.5
# What the class itself weighs beside the results, where it is good enough to be believed: one
# result of the same kind and size then moves a prediction by three quarters of what it was missed.
_CLASS_WEIGHT = 0.3


Phase = Literal["decode", "prefill"]


@dataclass(frozen=True)
class LocalResult:
    """One result of the machine; `log_ratio` is ln(measured speed / what the class says)."""

    model: str
    work: Work
    log_ratio: float


@dataclass(frozen=True)
class LocalResults:
    """
    A machine's results, each model once, and how far what they correct may still be off.
    """

    decode: tuple[LocalResult, ...]
    prefill: tuple[LocalResult, ...]
    decode_spread: Spread
    prefill_spread: Spread

    def of(self, phase: Phase) -> tuple[LocalResult, ...]:
        """Those of one phase."""
        return self.decode if phase == "decode" else self.prefill

    def spread(self, phase: Phase, of_class: Spread) -> Spread:
        """Of a corrected figure: never wider than the class's own."""
        known = self.decode_spread if phase == "decode" else self.prefill_spread
        return Spread(min(known.low, of_class.low), min(known.high, of_class.high), of_class.depth)


def correction(local_results: Sequence[LocalResult], work: Work, *, is_class_loose: bool) -> float:
    """
    What to multiply the class's speed of `work` with.

    Args:
        local_results: At least one.
        work: The model asked about.
        is_class_loose: The class tells no more than a range: results alone count.
    """
    weights = [_similarity(local.work, work) for local in local_results]
    missed = sum(
        weight * local.log_ratio for weight, local in zip(weights, local_results, strict=True)
    )
    return math.exp(missed / (sum(weights) + (0.0 if is_class_loose else _CLASS_WEIGHT)))


def _similarity(one: Work, other: Work) -> float:
    """Between 0 and 1, of the same kind and size."""
    weight = math.exp(-abs(math.log(one.token_read_bytes / other.token_read_bytes)) / _SIZE_SCALE)
    for is_other in (one.is_mixture != other.is_mixture, one.is_recurrent != other.is_recurrent):
        weight *= _OTHER_KIND if is_other else 1.0
    return weight
