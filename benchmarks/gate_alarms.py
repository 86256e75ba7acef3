"""
How often `harness gate` is right, by simulation: false alarms, missed slowdowns, open verdicts.

    python -m benchmarks.gate_alarms [--gates 2000]

A gate of four figures is judged many times. The Runs of an experiment differ by normal noise, and
all Runs of an experiment by the same amount more, which no interval can know: the machine was
another from one day to the next. Printed is the share of gates with each verdict.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from collections.abc import Sequence

from tabulate import tabulate

from harness.analysis.stats.ratio import compare_apart
from harness.commands.gate.judge import (
    PASS_CONFIDENCE,
    Check,
    Judgement,
    Limits,
    change_of,
    decide,
    sure_confidence,
)

N_FIGURES = 4
# Runs, their deviation, deviations of days. The last is a shared virtual machine, as in
# data/rounds-quiet.csv: Runs deviate by 15 to 22 % there, and means of twelve by 6 to 13 %, where
# independent Runs would give 4 to 7 %.
CASES = (
    (6, 0.02, (0.0, 0.01, 0.02)),
    (12, 0.02, (0.0, 0.01, 0.02)),
    (12, 0.04, (0.0, 0.01, 0.02)),
    (12, 0.15, (0.0, 0.05)),
)


def simulated(
    rng: random.Random,
    *,
    slowdown: float,
    n_runs: int,
    of_runs: float,
    of_days: float,
    limit: float = 0.05,
) -> Judgement:
    """
    One gate.

    Args:
        rng: Where chance comes from.
        slowdown: The true one, of every figure, as a share.
        n_runs: Of each side.
        of_runs: Standard deviation between the Runs of an experiment, as a share.
        of_days: The same between experiments.
        limit: What is allowed.
    """
    days = rng.gauss(0, of_days), rng.gauss(math.log1p(slowdown), of_days)
    checks = []
    for _ in range(N_FIGURES):
        a, b = ([math.exp(day + rng.gauss(0, of_runs)) for _ in range(n_runs)] for day in days)
        plain, sure = (
            compare_apart(a, b, is_more_better=False, confidence=confidence)
            for confidence in (PASS_CONFIDENCE, sure_confidence(N_FIGURES))
        )
        assert plain
        assert sure
        change = change_of(plain, sure)
        checks.append(Check(decide(change, limit), limit=limit, change=change))
    return Judgement(tuple(checks), Limits())


def shares(n_gates: int, rng: random.Random, **given: float) -> dict[str, float]:
    """Verdict to the share of gates that had it."""
    n_runs = int(given.pop("n_runs"))
    counts = Counter(simulated(rng, n_runs=n_runs, **given).verdict for _ in range(n_gates))
    return {word: counts[word] / n_gates for word in ("pass", "inconclusive", "regression")}


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--gates", type=int, default=2000, help="gates in each row")
    n_gates = parser.parse_args(arguments).gates
    rows = []
    for n_runs, of_runs, days in CASES:
        for of_days in days:
            for slowdown in (0.0, 0.05, 0.10, 0.15, 0.30):
                found = shares(
                    n_gates,
                    random.Random(1),
                    slowdown=slowdown,
                    n_runs=n_runs,
                    of_runs=of_runs,
                    of_days=of_days,
                )
                settings = [n_runs, f"{of_runs:.0%}", f"{of_days:.0%}", f"{slowdown:.0%}"]
                rows.append([*settings, *(f"{100 * share:.1f} %" for share in found.values())])
    headers = ["Runs", "of Runs", "of days", "slowdown", "pass", "inconclusive", "regression"]
    print(tabulate(rows, headers, "simple", disable_numparse=True))


if __name__ == "__main__":
    main()
