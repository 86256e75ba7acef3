"""How many rounds `compare --until decided` takes: each look at a level, or an interval for all."""

from __future__ import annotations

import math
from collections.abc import Callable

import click
import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from harness.analysis.stats.interval import min_values
from harness.analysis.stats.ratio import CONFIDENCE, CONFIDENCE_OF_EACH_LOOK, THRESHOLD
from harness.analysis.stats.student import t_quantile

_HELP = """
Simulate comparisons that are looked at after every round, normal log ratios, up to --rounds rounds.

"constant": each look's t interval at 99.97 %. "always valid": one confidence sequence at 99 % for
all looks: the t-test's mixture with a normal prior of the effect by its noise (Lai 1976; Wang and
Ramdas 2023, Anytime-valid t-tests and confidence sequences for Gaussian means).

Errors: comparisons of equals that any look calls a difference, the noise far wider than the
threshold.
Rounds: until a true 5 % is found, in half and in nine tenths of comparisons.
"""

Array = NDArray[np.float64]
Halves = Callable[[Array, Array], Array]
"""Numbers of rounds and standard deviations to half the interval's width."""

_SPREADS = (0.01, 0.02, 0.04, 0.08, 0.16)
_PRIOR_ROUNDS = 1.0


def constant(n: Array, deviation: Array) -> Array:
    """Half of the t interval at the constant level."""
    level = (1 + CONFIDENCE_OF_EACH_LOOK) / 2
    quantiles = np.array([t_quantile(level, int(each) - 1) for each in n])
    return quantiles * deviation / np.sqrt(n)


def always_valid(n: Array, deviation: Array) -> Array:
    """Half of the confidence sequence; infinite for the first rounds."""
    k = 1 + n / _PRIOR_ROUNDS
    q = (np.sqrt(k) / (1 - CONFIDENCE)) ** (2 / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = np.where(q < k, (n - 1) * (q - 1) / (1 - q / k), math.inf)
    return np.sqrt(squared) * deviation / np.sqrt(n)


def verdicts(logs: Array, halves: Halves) -> tuple[Array, Array]:
    """
    By comparison the first round of a decision, or infinity, and whether it says "different".

    Args:
        logs: Shape (comparisons, rounds).
        halves: The rule.
    """
    n = np.arange(1, logs.shape[1] + 1, dtype=np.float64)
    means = np.cumsum(logs, axis=1) / n
    squares = np.cumsum(logs**2, axis=1) - n * means**2
    deviations = np.sqrt(np.maximum(squares, 0) / np.maximum(n - 1, 1))
    looked = slice(min_values() - 1, None)
    width = halves(n[looked], deviations[:, looked])
    limit = math.log(1 + THRESHOLD)
    differs = np.abs(means[:, looked]) - width > limit
    decided = differs | (np.abs(means[:, looked]) + width <= limit)
    first = np.argmax(decided, axis=1)
    is_any = decided.any(axis=1)
    rows = np.arange(len(logs))
    return np.where(is_any, first + min_values(), math.inf), is_any & differs[rows, first]


@click.command(help=_HELP)
@click.option("--comparisons", default=20000, show_default=True)
@click.option("--rounds", default=1000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(comparisons: int, rounds: int, seed: int) -> None:
    rows = []
    for name, halves in (("constant", constant), ("always valid", always_valid)):
        rng = np.random.default_rng(seed)
        _, differ = verdicts(rng.normal(0, 1.0, (comparisons, rounds)), halves)
        row = [name, f"{differ.mean():.2%}"]
        for spread in _SPREADS:
            logs = math.log(1.05) + rng.normal(0, spread, (comparisons // 4, rounds))
            at, _ = verdicts(logs, halves)
            row.append(" / ".join(f"{np.quantile(at, q, method='higher'):.0f}" for q in (0.5, 0.9)))
        rows.append(row)
    click.echo(tabulate(rows, headers=["", "errors", *(f"{each:.0%}" for each in _SPREADS)]))


if __name__ == "__main__":
    main()
