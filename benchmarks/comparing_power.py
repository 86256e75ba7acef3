"""What rounds of a recording say of all comparisons of so many rounds: false verdicts and power."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, median, stdev

import numpy as np
from numpy.random import Generator

from harness.analysis.stats.ratio import CONFIDENCE, Comparison, compare_rounds

MOST_ROUNDS = 2000
_LENGTHS = (6, 12, 24)
_N_DRAWN = 2000
_BLOCK = 4


def of_way(
    logs: Sequence[float], slowed: Sequence[float], effect: float, rng: Generator
) -> dict[str, object]:
    """
    The spread of `logs`, and of comparisons drawn from them how many find a difference.

    Args:
        logs: Log ratios of rounds of a thing with itself.
        slowed: Of it with itself slowed.
        effect: The logarithm of by how much.
        rng: Draws.
    """
    if len(logs) < 2 or len(slowed) < 2:
        return {"rounds": len(logs)}
    centred = [each - median(logs) for each in logs]
    found: dict[str, object] = {
        "rounds": len(logs),
        "spread": stdev(logs),
        "without outliers": deviation(logs),
        "slowed": math.exp(-fmean(slowed)),
    }
    for length in _LENGTHS:
        found[f"false at {length}"] = _share(logs, 0.0, length, rng)
        found[f"found at {length}"] = _share(centred, -effect, length, rng)
    found["rounds for 90 %"] = _rounds_for(centred, -effect, rng)
    return found


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of normal values with this middle half, whatever the others are."""
    return float(np.subtract(*np.percentile(values, [75, 25]))) / 1.349


def _rounds_for(logs: Sequence[float], effect: float, rng: Generator) -> int | None:
    """The fewest rounds with which nine in ten comparisons find the effect; None: too many."""
    least, length = 2, 4
    while _share(logs, effect, length, rng, 400) < 0.9:
        least, length = length, length * 2
        if length > MOST_ROUNDS:
            return None
    while length - least > max(1, least // 20):
        middle = (least + length) // 2
        if _share(logs, effect, middle, rng, 400) < 0.9:
            least = middle
        else:
            length = middle
    return length


def _share(
    logs: Sequence[float], effect: float, length: int, rng: Generator, n_drawn: int = _N_DRAWN
) -> float:
    """Of comparisons of so many rounds, how many find a difference."""
    n_found = 0
    for _ in range(n_drawn):
        drawn = [effect + each for each in _drawn(logs, length, rng)]
        found = _compared(drawn)
        n_found += found.verdict in ("better", "worse")
    return n_found / n_drawn


def _drawn(logs: Sequence[float], length: int, rng: Generator) -> Iterator[float]:
    """Rounds in blocks, so that what lasts for some of them stays; sides swapped at random."""
    n_left = length
    while n_left:
        start, sign = int(rng.integers(len(logs))), rng.choice((-1, 1))
        for at in range(start, start + min(_BLOCK, n_left)):
            yield sign * logs[at % len(logs)]
        n_left -= min(_BLOCK, n_left)


def _compared(logs: Sequence[float]) -> Comparison:
    ones = dict.fromkeys(range(len(logs)), 1.0)
    others = {at: math.exp(each) for at, each in enumerate(logs)}
    found = compare_rounds(ones, others, is_more_better=True, confidence=CONFIDENCE)
    assert found
    return found
