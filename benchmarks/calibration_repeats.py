"""What comparisons of recorded rounds would have said, many times over; beside it mean ± stdev."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.calibration_rounds import SLOWED, Value
from harness.analysis.metrics import METRICS
from harness.analysis.stats.interval import lag1_autocorrelation
from harness.analysis.stats.ratio import CONFIDENCE, CONFIDENCE_OF_EACH_LOOK, THRESHOLD
from harness.analysis.stats.student import t_quantile

Floats = NDArray[np.float64]
Words = NDArray[np.int8]

BETTER, SAME, WORSE, UNDECIDED = 1, 0, -1, 2

# Rounds are drawn in blocks, so that what a slow minute did to some in a row stays together.
_BLOCK = 8
FIRST_LOOK = 6
"""As `--until decided`."""
MOST_ROUNDS = 1000
"""As many as `--until decided` makes."""
WITHIN_BUDGET = 200
"""Five minutes, the default budget of a model, at one and a half seconds a Run."""

# How many rounds a comparison has: the least that is judged under `--until decided`, the default
# of --runs, and what more would bring.
ROUNDS = (6, 12, 24, 48, 96)


@dataclass(frozen=True)
class Shares:
    """How often what was said, among repeats of one kind."""

    better: float
    same: float
    worse: float
    undecided: float


@dataclass(frozen=True)
class Stopped:
    """What was said when measuring went on until a verdict, and after how many rounds."""

    said: Shares
    n_median: float


@dataclass(frozen=True)
class Judged:
    """
    One figure of one recording: n rounds to what was said in them.

    `itself_ever` is how often the model was told from itself at any look, by the confidence of
    each. `slower_until` is what is said in the end, and after how many rounds; `slower_ever_wrong`
    how often something wrong would have been said at any look. `slower_needs` is the number of
    rounds after which nine of ten comparisons found it.
    """

    figure: str
    n_rounds: int
    spread: float
    autocorrelation: float
    itself: dict[int, Shares]
    itself_ever: dict[float, float]
    itself_until: Stopped
    slower: dict[int, Shares]
    slower_until: Stopped
    slower_ever_wrong: float
    slower_needs: int | None


def pairs(values: Sequence[Value], figure: str, a: str, b: str) -> Floats:
    """By how much B was better than A in each round that both have, as logarithms."""
    found = [it for it in values if it.figure == figure]
    of_a = {it.round: it.value for it in found if it.side == a}
    of_b = {it.round: it.value for it in found if it.side == b}
    sign = 1 if METRICS[found[0].metric].is_more_better else -1
    logs = [sign * math.log(of_b[n] / of_a[n]) for n in sorted(of_a.keys() & of_b.keys())]
    return np.array(logs)


def autocorrelation(logs: Floats) -> float:
    """How much a round's ratio resembles the one of the round before."""
    return lag1_autocorrelation(logs.tolist()) or 0.0


def repeated(logs: Floats, n_repeats: int, rng: Generator) -> Floats:
    """
    Longer series in blocks of the recorded one, drawn with replacement around its end.

    Each block may have its sides swapped. Of two sides that are the same that changes nothing but
    their chance difference, which would else be taken for the truth.

    Args:
        logs: Recorded; shape (n_recorded,).
        n_repeats: How many series.
        rng: Draws.

    Returns:
        Shape (n_repeats, MOST_ROUNDS).
    """
    n_blocks = -(-MOST_ROUNDS // _BLOCK)
    starts = rng.integers(0, len(logs), size=(n_repeats, n_blocks, 1))
    drawn = logs[(starts + np.arange(_BLOCK)) % len(logs)]
    drawn = drawn * rng.choice([-1.0, 1.0], size=(n_repeats, n_blocks, 1))
    long: Floats = drawn.reshape(n_repeats, -1)
    return long[:, :MOST_ROUNDS]


def verdicts(logs: Floats, confidence: float = CONFIDENCE, threshold: float = THRESHOLD) -> Words:
    """
    What is said of B after each round; the same as `compare_rounds` of the rounds so far.

    Args:
        logs: How much better B was; shape (n_repeats, n_rounds).
        confidence: Of each interval.
        threshold: Differences up to this share are called the same.

    Returns:
        BETTER, SAME, WORSE, UNDECIDED; of the same shape.
    """
    n = np.arange(1, logs.shape[1] + 1)
    mean = np.cumsum(logs, axis=1) / n
    squares = np.cumsum(logs**2, axis=1) - n * mean**2
    # After one round there is none.
    quantiles = [math.inf, *(t_quantile((1 + confidence) / 2, k - 1) for k in n[1:].tolist())]
    errors = np.sqrt(np.maximum(squares, 0) / np.maximum(n - 1, 1) / n)
    half = np.array(quantiles) * np.where(n == 1, 1.0, errors)
    low, high, edge = mean - half, mean + half, math.log(1 + threshold)
    said = np.full(logs.shape, UNDECIDED, dtype=np.int8)
    said[(low >= -edge) & (high <= edge)] = SAME
    said[low > edge] = BETTER
    said[high < -edge] = WORSE
    return said


def shares(said: Words) -> Shares:
    """How often each was said."""
    return Shares(*(float(np.mean(said == word)) for word in (BETTER, SAME, WORSE, UNDECIDED)))


def until_decided(said: Words) -> Stopped:
    """Where one looks after each round within the budget, and stops at the first verdict."""
    looks = said[:, FIRST_LOOK - 1 : WITHIN_BUDGET]
    is_over = looks != UNDECIDED
    stops = np.where(is_over.any(axis=1), is_over.argmax(axis=1), looks.shape[1] - 1)
    last = looks[np.arange(len(looks)), stops]
    rounds = stops + FIRST_LOOK
    return Stopped(shares(last), float(np.median(rounds)))


def ever(said: Words, *words: int) -> float:
    """How often one of `words` was said at any look; what else is compared decides which counts."""
    return float(np.isin(said[:, FIRST_LOOK - 1 :], words).any(axis=1).mean())


def errors_of_looks(confidence: float, n_rounds: int, n_repeats: int, rng: Generator) -> float:
    """
    How often equals are told apart at any look, at the worst: no threshold hides a difference.

    Log ratios are normal here; of equals measured in random order they are symmetric at least.
    """
    hits = 0.0
    chunk = 500  # 4 MB for each array of 1000 rounds
    for _ in range(n_repeats // chunk):
        said = verdicts(rng.standard_normal((chunk, n_rounds)), confidence, 0.0)
        hits += ever(said, BETTER, WORSE)
    return hits / (n_repeats // chunk)


def rounds_needed(said: Words, word: int) -> int | None:
    """After how many rounds nine of ten comparisons say `word`; None where they never do."""
    is_enough = np.mean(said == word, axis=0) >= 0.9
    return int(is_enough.argmax()) + 1 if is_enough.any() else None


def fastest(values: Sequence[Value], figure: str, side: str) -> float | None:
    """
    The rate that a twentieth of all repetitions reach: of the engine where nothing held it up.

    None for what is no rate.
    """
    found = [it for it in values if it.figure == figure and it.side == side]
    rates = [rate for it in found for rate in it.repetitions]
    return float(np.quantile(rates, 0.95)) if rates else None


def disjoint(logs: Floats, n_rounds: int) -> Words:
    """The verdicts of the comparisons that the recording itself can be cut into."""
    n_whole = len(logs) // n_rounds
    cut = logs[: n_whole * n_rounds].reshape(n_whole, n_rounds)
    return verdicts(cut)[:, -1]


def slowed(logs: Floats) -> Floats:
    """The same rounds, had B taken longer by SLOWED."""
    return logs - math.log(1 + SLOWED)


def judge(figure: str, logs: Floats, n_repeats: int, rng: Generator) -> Judged:
    """What `n_repeats` comparisons drawn from the rounds of one figure would have said."""
    fair = repeated(logs, n_repeats, rng)
    late = slowed(fair)
    itself, slower = verdicts(fair), verdicts(late)
    looks, late_looks = (verdicts(each, CONFIDENCE_OF_EACH_LOOK) for each in (fair, late))
    return Judged(
        figure=figure,
        n_rounds=len(logs),
        spread=float(np.std(logs, ddof=1)),
        autocorrelation=autocorrelation(logs),
        itself={n: shares(itself[:, n - 1]) for n in ROUNDS},
        itself_ever={
            CONFIDENCE: ever(itself, BETTER, WORSE),
            CONFIDENCE_OF_EACH_LOOK: ever(looks, BETTER, WORSE),
        },
        itself_until=until_decided(looks),
        slower={n: shares(slower[:, n - 1]) for n in ROUNDS},
        slower_until=until_decided(late_looks),
        slower_ever_wrong=ever(late_looks, BETTER, SAME),
        slower_needs=rounds_needed(slower, WORSE),
    )


def mean_and_stdev(values: Sequence[Value], figure: str, a: str, b: str) -> Shares:
    """
    What llama-bench's figures of one process each say in each round.

    Two processes are called different where mean ± standard deviation of their repetitions do not
    overlap, which is how such figures are read.
    """
    return _said_of_each(values, figure, (a, b), _overlap)


def ratio_of_means(values: Sequence[Value], figure: str, a: str, b: str) -> Shares:
    """
    The same where the ratio of both means is believed, as comparing scripts print it.

    Two processes are called different where it is beyond the threshold.
    """
    return _said_of_each(values, figure, (a, b), _beyond)


def _said_of_each(
    values: Sequence[Value],
    figure: str,
    sides: tuple[str, str],
    say: Callable[[Sequence[float], Sequence[float]], int],
) -> Shares:
    found = [it for it in values if it.figure == figure and it.repetitions]
    of_a, of_b = ({it.round: it.repetitions for it in found if it.side == side} for side in sides)
    said = [say(of_a[n], of_b[n]) for n in sorted(of_a.keys() & of_b.keys())]
    return shares(np.array(said, dtype=np.int8))


def _beyond(a: Sequence[float], b: Sequence[float]) -> int:
    ratio = fmean(b) / fmean(a)
    if 1 / (1 + THRESHOLD) <= ratio <= 1 + THRESHOLD:
        return SAME
    return BETTER if ratio > 1 else WORSE


def _overlap(a: Sequence[float], b: Sequence[float]) -> int:
    gap = fmean(b) - fmean(a)
    if abs(gap) <= stdev(a) + stdev(b):
        return SAME
    return BETTER if gap > 0 else WORSE
