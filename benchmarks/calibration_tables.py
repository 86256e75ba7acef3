"""Comparisons of known truth as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmarks.calibration_repeats import (
    MOST_ROUNDS,
    ROUNDS,
    SAME,
    UNDECIDED,
    WITHIN_BUDGET,
    WORSE,
    Judged,
    Shares,
    disjoint,
    errors_of_looks,
    fastest,
    mean_and_stdev,
    pairs,
    ratio_of_means,
    rounds_needed,
    slowed,
    verdicts,
)
from benchmarks.calibration_rounds import N_REPETITIONS, SLOWED, Value
from harness.analysis.stats.ratio import CONFIDENCE, CONFIDENCE_OF_EACH_LOOK

_CUT = 12
# The standard deviation of a round's log ratio, on a quiet machine and on a shared one.
_SPREADS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)


def figures(values: Sequence[Value]) -> list[str]:
    """
    Workloads and metrics, in the order recorded.

    Those of fewer than three whole rounds are left out: where every trial of a side was disturbed,
    its round has no value, and one or two ratios have no spread to speak of.
    """
    return [
        figure
        for figure in dict.fromkeys(it.figure for it in values)
        if all(len(pairs(values, figure, "plain", side)) > 2 for side in ("again", "slowed"))
    ]


def against_itself(judged: Sequence[Judged]) -> str:
    """False verdicts."""
    rows = [
        [it.figure, it.n_rounds, f"{it.spread:.1%}", f"{it.autocorrelation:+.2f}"]
        + [_percent(_false(said)) for said in it.itself.values()]
        + [_percent(share) for share in it.itself_ever.values()]
        for it in judged
    ]
    looks = [f"any look at {share * 100:.4g} %" for share in (CONFIDENCE, CONFIDENCE_OF_EACH_LOOK)]
    head = ["against itself: called better or worse", "recorded", "spread", "lag 1"]
    return _table(rows, [*head, *_rounds(ROUNDS), *looks])


def against_slower(judged: Sequence[Judged]) -> str:
    """What is found of a difference that is there, and how long it takes."""
    rows = [
        [it.figure]
        + [_percent(said.worse) for said in it.slower.values()]
        + [str(it.slower_needs or f"over {MOST_ROUNDS}")]
        + [_percent(it.slower_until.said.worse), f"{it.slower_until.n_median:.0f}"]
        + [_percent(max(*map(_missed, it.slower.values()), it.slower_ever_wrong))]
        for it in judged
    ]
    until = ["90 % from round", f"until decided, {WITHIN_BUDGET} at most", "rounds"]
    head = [f"{SLOWED:.0%} slower: found", *_rounds(ROUNDS), *until, "most called wrong"]
    return _table(rows, head)


def as_measured(values: Sequence[Value]) -> str:
    """What the recording says as it is, and the engine that was really slowed."""
    rows = []
    for figure in figures(values):
        own, late = (pairs(values, figure, "plain", side) for side in ("again", "slowed"))
        is_false = ~np.isin(disjoint(own, _CUT), (SAME, UNDECIDED))
        is_found = disjoint(late, _CUT) == WORSE
        error = float(np.std(late, ddof=1)) / len(late) ** 0.5
        rows.append(
            [
                *(figure, f"{float(np.exp(-np.mean(late))):.3f} ± {error:.3f}"),
                _fastest(values, figure),
                *(f"{int(hits.sum())} of {len(hits)}" for hits in (is_false, is_found)),
            ]
        )
    cuts = [f"itself, {_CUT} rounds: different", f"slowed, {_CUT} rounds: found"]
    head = ["slowed engine", "took longer by", "fastest 5 %", *cuts]
    return _table(rows, head)


def _fastest(values: Sequence[Value], figure: str) -> str:
    """By how much the slowed engine took longer where nothing held either of them up."""
    rates = [fastest(values, figure, side) for side in ("plain", "again", "slowed")]
    plain, again, late = (rate or float("nan") for rate in rates)
    return f"{(plain + again) / 2 / late:.3f}" if None not in rates else ""


def one_process(values: Sequence[Value]) -> str:
    """What llama-bench's figures of one process each would have said of the same processes."""
    rows = []
    for figure in figures(values):
        if not any(it.repetitions for it in values if it.figure == figure):
            continue
        for way, say in (("mean ± stdev", mean_and_stdev), ("ratio of means", ratio_of_means)):
            itself, late = (say(values, figure, "plain", side) for side in ("again", "slowed"))
            shown = _false(itself), late.worse, late.better
            rows.append([figure, f"{way} of {N_REPETITIONS}", *map(_percent, shown)])
    head = ["one process each", "read by", "itself: different"]
    return _table(rows, [*head, "slowed: found", "slowed: called faster"])


def looks(n_repeats: int, seed: int) -> str:
    """How often equals are told apart at any look, whatever the noise."""
    rows, most = [], (WITHIN_BUDGET, MOST_ROUNDS)
    for confidence in (CONFIDENCE, CONFIDENCE_OF_EACH_LOOK):
        rng = np.random.default_rng(seed)
        errors = [errors_of_looks(confidence, n, n_repeats, rng) for n in most]
        rows.append([f"{confidence * 100:.4g} %", *map(_percent, errors)])
    head = ["each look at", *(f"looks up to {n} rounds" for n in most)]
    return "\n\n".join([_table(rows, head), _needed(n_repeats, seed)])


def _needed(n_repeats: int, seed: int) -> str:
    """How many rounds a spread takes."""
    noise = np.random.default_rng(seed).standard_normal((min(n_repeats, 2000), MOST_ROUNDS))
    rows = []
    for spread in _SPREADS:
        itself, late = (verdicts(logs) for logs in (spread * noise, slowed(spread * noise)))
        needed = [rounds_needed(itself, SAME), rounds_needed(late, WORSE)]
        rows.append([f"{spread:.0%}", *(str(n or f"over {MOST_ROUNDS}") for n in needed)])
    return _table(
        rows, ["spread of a round", "itself: same, in 90 %", "5 % slower: found, in 90 %"]
    )


def _false(said: Shares) -> float:
    return said.better + said.worse


def _missed(said: Shares) -> float:
    return said.better + said.same


def _rounds(counts: Sequence[int]) -> list[str]:
    return [f"{n} rounds" for n in counts]


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _table(rows: Sequence[Sequence[Any]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers, "github", disable_numparse=True)
