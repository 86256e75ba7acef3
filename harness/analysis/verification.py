"""
What a batch of several tokens costs beside one token: whether speculation can pay here at all.

A step of speculation reads one token and the guesses behind it in one batch, and yields one token
more than guesses were right. With c(n) the time of a batch of n tokens in units of that of one, k
guesses make the model 1 + accepted tokens / c(k + 1) times as fast, guessing itself left out
(Leviathan et al. 2023, Fast inference from transformers via speculative decoding, theorem 3.8).
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.analysis.cases import Case
from harness.analysis.measured import Measured
from harness.analysis.stats.ratio import Comparison, compare_rounds
from harness.schema.workload import Verify, parse_workload


@dataclass(frozen=True, slots=True)
class BatchCost:
    """
    A batch of `n` tokens.

    Attributes:
        ratio: Its time over that of one token, by rounds: c(n); None of one token itself, and where
            no round has both.
    """

    n: int
    case: Case
    ratio: Comparison | None

    @property
    def best(self) -> float | None:
        """How many times as fast decoding is where every guess is right; None where unknown."""
        return self.n / self.ratio.ratio if self.ratio else None

    @property
    def can_pay(self) -> bool | None:
        """Whether right guesses may gain anything; None where the rounds cannot tell."""
        if self.ratio is None:
            return None
        if self.ratio.low >= self.n:
            return False
        return True if self.ratio.high < self.n else None


@dataclass(frozen=True, slots=True)
class CostCurve:
    """The batches of one configuration at one depth, the smallest first, one token among them."""

    group: Measured
    depth: int
    costs: tuple[BatchCost, ...]


def cost_curves(group: Measured) -> tuple[CostCurve, ...]:
    """What was measured of batches beside one token, by depth; nothing without any."""
    found: dict[int, dict[int, Case]] = {}
    for case in group.cases:
        task = parse_workload(case.workload)
        if isinstance(task, Verify):
            found.setdefault(task.depth, {})[task.n] = case
    return tuple(
        CostCurve(group, depth, tuple(_cost(group, n, cases) for n in sorted(cases)))
        for depth, cases in sorted(found.items())
        if 1 in cases and len(cases) > 1
    )


def _cost(group: Measured, n: int, cases: dict[int, Case]) -> BatchCost:
    case = cases[n]
    one, several = (group.by_round(it.workload).get("batch", {}) for it in (cases[1], case))
    ratio = compare_rounds(one, several, is_more_better=False) if n > 1 else None
    return BatchCost(n, case, ratio)
