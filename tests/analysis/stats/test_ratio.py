"""Ratios with their intervals, and the verdicts that they allow."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from harness.analysis.stats.ratio import (
    CONFIDENCE,
    CONFIDENCE_OF_EACH_LOOK,
    Comparison,
    compare_apart,
    compare_exact,
    compare_rounds,
)

RATES = st.floats(0.5, 5000)
SEVERAL = st.lists(st.tuples(RATES, RATES), min_size=2, max_size=30)


def paired(pairs: list[tuple[float, float]], **changes: bool) -> Comparison:
    a = {index: one for index, (one, _) in enumerate(pairs)}
    b = {index: other for index, (_, other) in enumerate(pairs)}
    found = compare_rounds(a, b, **({"is_more_better": True} | changes))
    assert found
    return found


def apart(a: list[float], b: list[float]) -> Comparison:
    found = compare_apart(a, b, is_more_better=True)
    assert found
    return found


@given(SEVERAL)
def test_the_paired_interval_is_that_of_a_t_test_on_log_ratios(
    pairs: list[tuple[float, float]],
) -> None:
    logs = [math.log(b / a) for a, b in pairs]
    assume(np.std(logs) > 1e-6)
    found = paired(pairs)
    expected = stats.ttest_1samp(logs, 0).confidence_interval(0.99)
    assume(expected.high - expected.low < 30)
    assert math.log(found.low) == pytest.approx(expected.low, rel=1e-6, abs=1e-9)
    assert math.log(found.high) == pytest.approx(expected.high, rel=1e-6, abs=1e-9)
    assert found.n == len(pairs)


@given(st.lists(RATES, min_size=2, max_size=20), st.lists(RATES, min_size=2, max_size=20))
def test_the_unpaired_interval_is_that_of_welch(a: list[float], b: list[float]) -> None:
    logs = [np.log(a), np.log(b)]
    assume(min(np.std(logs[0]), np.std(logs[1])) > 1e-3)
    found = apart(a, b)
    welch = stats.ttest_ind(logs[1], logs[0], equal_var=False)
    interval = welch.confidence_interval(0.99)
    # Degrees of freedom are rounded down, so ours is wider, but not by more than one of them.
    n_free = max(1, math.floor(welch.df + 1e-9))
    fewer = float(stats.t.ppf(0.995, n_free) / stats.t.ppf(0.995, welch.df))
    half = (interval.high - interval.low) / 2
    assume(half * fewer < 15)
    mean = np.mean(logs[1]) - np.mean(logs[0])
    assert math.log(found.ratio) == pytest.approx(mean, abs=1e-9)
    assert math.log(found.high) == pytest.approx(mean + fewer * half, rel=1e-6, abs=1e-8)
    assert math.log(found.low) == pytest.approx(mean - fewer * half, rel=1e-6, abs=1e-8)


@given(st.lists(RATES, min_size=2, max_size=9), st.lists(RATES, min_size=2, max_size=9))
def test_unpaired_sides_can_be_swapped_scaled_and_shuffled(a: list[float], b: list[float]) -> None:
    there, back = apart(a, b), apart(b, a)
    assert there.ratio * back.ratio == pytest.approx(1)
    turned = {"better": "worse", "worse": "better"}
    assert back.verdict == turned.get(there.verdict, there.verdict)
    again = apart([1e-6 * value for value in reversed(a)], [1e-6 * value for value in reversed(b)])
    assert again.ratio == pytest.approx(there.ratio)


@given(SEVERAL)
def test_swapping_the_sides_turns_ratio_and_verdict_around(
    pairs: list[tuple[float, float]],
) -> None:
    there, back = paired(pairs), paired([(b, a) for a, b in pairs])
    assert there.ratio * back.ratio == pytest.approx(1)
    turned = {"better": "worse", "worse": "better"}
    assert back.verdict == turned.get(there.verdict, there.verdict)


@given(SEVERAL, st.floats(0.01, 100))
def test_the_unit_and_the_order_of_rounds_do_not_matter(
    pairs: list[tuple[float, float]], factor: float
) -> None:
    plain = paired(pairs)
    scaled = paired([(a * factor, b * factor) for a, b in reversed(pairs)])
    assert scaled.ratio == pytest.approx(plain.ratio)
    assert scaled.high == pytest.approx(plain.high, rel=1e-6)


@given(SEVERAL)
def test_less_is_better_turns_the_verdict_and_not_the_ratio(
    pairs: list[tuple[float, float]],
) -> None:
    rate, time = paired(pairs), paired(pairs, is_more_better=False)
    assert time.ratio == rate.ratio
    turned = {"better": "worse", "worse": "better"}
    assert time.verdict == turned.get(rate.verdict, rate.verdict)


def test_one_round_tells_nothing() -> None:
    found = paired([(100.0, 200.0)])
    assert (found.low, found.high) == (0.0, math.inf)
    assert found.verdict == "inconclusive"
    assert math.isinf(found.smallest)


def test_no_common_round_is_no_comparison() -> None:
    assert compare_rounds({1: 2.0}, {2: 2.0}, is_more_better=True) is None
    assert compare_apart([], [1.0], is_more_better=True) is None


def test_rounds_that_always_agree_are_the_same_thing() -> None:
    assert paired([(50.0, 50.0)] * 4).verdict == "same"
    assert apart([50.0] * 3, [50.0] * 4).verdict == "same"


def test_one_run_on_a_side_tells_nothing() -> None:
    found = apart([1.0], [3.0, 3.1, 3.2])
    assert (found.low, found.high, found.n) == (0.0, math.inf, 1)
    assert found.verdict == "inconclusive"


@pytest.mark.parametrize("factor", [1e-200, 1e-9, 1e9, 1e200])
def test_huge_ratios_are_ratios_all_the_same(factor: float) -> None:
    pairs = [(value, value * factor) for value in (0.9, 1.0, 1.1, 1.2)]
    found = paired(pairs)
    assert found.ratio == pytest.approx(factor)
    assert found.verdict == ("better" if factor > 1 else "worse")
    assert math.isfinite(found.smallest)


def test_an_interval_too_wide_for_a_number_is_none() -> None:
    found = paired([(1.0, 1e-30), (1.0, 1e30)])
    assert (found.low, found.high, found.verdict) == (0.0, math.inf, "inconclusive")


def test_figures_known_exactly_need_one_run() -> None:
    assert compare_exact(100, 90, 1, is_more_better=False).verdict == "better"
    assert compare_exact(100, 101, 1, is_more_better=False).verdict == "same"
    assert compare_exact(100, 103, 1, is_more_better=False).verdict == "worse"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.021, 1.3, "better"),
        (1.019, 1.3, "inconclusive"),
        (0.985, 1.019, "same"),
        (0.975, 1.01, "inconclusive"),
        (0.7, 0.979, "worse"),
        (0.7, 0.981, "inconclusive"),
    ],
)
def test_a_verdict_needs_the_whole_interval(low: float, high: float, verdict: str) -> None:
    found = Comparison(
        ratio=math.sqrt(low * high),
        low=low,
        high=high,
        n=9,
        pairing="rounds",
        is_more_better=True,
        threshold=0.02,
        confidence=0.99,
        means=(1.0, math.sqrt(low * high)),
    )
    assert found.verdict == verdict


@given(
    st.dictionaries(st.integers(0, 9), st.floats(1e-3, 1e6), min_size=1),
    st.dictionaries(st.integers(0, 9), st.floats(1e-3, 1e6), min_size=1),
)
def test_a_ratio_is_that_of_the_two_means_beside_it(
    a: dict[int, float], b: dict[int, float]
) -> None:
    # Medians may rise while most rounds fell; what is shown beside a ratio must not.
    by_rounds = compare_rounds(a, b, is_more_better=True)
    apart = compare_apart([*a.values()], [*b.values()], is_more_better=True)
    exact = compare_exact(a[min(a)], b[min(b)], 1, is_more_better=True)
    assert (by_rounds is None) == (not a.keys() & b.keys())
    for found in filter(None, (by_rounds, apart, exact)):
        assert found.means[1] / found.means[0] == pytest.approx(found.ratio)


def test_more_rounds_show_smaller_differences() -> None:
    rng = random.Random(5)
    rounds = [(rng.lognormvariate(0, 0.05), rng.lognormvariate(0, 0.05)) for _ in range(80)]
    few, many = paired(rounds[:8]), paired(rounds)
    assert many.smallest < few.smallest


def simulated(
    rng: np.random.Generator, n: int, effect: float, drift: float, noise: float = 0.03
) -> tuple[list[float], list[float]]:
    """Rounds of a machine that wanders by `drift` a Run, with slow outliers now and then."""
    wander = np.cumsum(rng.normal(0, drift, 2 * n)).reshape(n, 2)
    logs = wander + rng.normal(0, noise, (n, 2))
    logs -= (rng.random((n, 2)) < 0.03) * 0.2
    rates = 100 * np.exp(logs)
    return rates[:, 0].tolist(), (rates[:, 1] * effect).tolist()


def false_and_found(n_repeats: int, n: int, effect: float, drift: float) -> float:
    """Share of simulated comparisons that call B better or worse."""
    rng = np.random.default_rng(11)
    told = 0
    for _ in range(n_repeats):
        a, b = simulated(rng, n, effect, drift)
        told += paired(list(zip(a, b, strict=True))).verdict in ("better", "worse")
    return told / n_repeats


def test_the_paired_interval_covers_the_truth_though_the_machine_wanders() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(1500):
        a, b = simulated(rng, 12, 1.1, drift=0.02)
        found = paired(list(zip(a, b, strict=True)))
        covered += found.low <= 1.1 <= found.high
    assert covered / 1500 >= 0.98


def test_the_unpaired_interval_covers_the_truth_where_nothing_wanders() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(1500):
        a, b = rng.lognormal(3, 0.03, 8), rng.lognormal(3, 0.06, 12) * 1.1
        found = apart(a.tolist(), b.tolist())
        covered += found.low <= 1.1 <= found.high
    assert covered / 1500 >= 0.98


def test_a_model_against_itself_is_next_to_never_called_different() -> None:
    assert false_and_found(1500, 10, 1.0, drift=0.02) <= 0.01


def test_a_true_difference_is_found_with_enough_rounds() -> None:
    assert false_and_found(300, 60, 0.92, drift=0.01) >= 0.9


def errors_of_looks(confidence: float, n_rounds: int = 200, n_repeats: int = 3000) -> float:
    """
    How often equals are told apart at any look from the 6th round on, at the worst.

    At the worst: no threshold hides a difference. Log ratios are normal here; of equals measured
    in random order they are symmetric at least.
    """
    logs = np.random.default_rng(1).standard_normal((n_repeats, n_rounds))
    n = np.arange(1, n_rounds + 1)
    means = np.cumsum(logs, axis=1) / n
    squares = np.cumsum(logs**2, axis=1) - n * means**2
    looks = slice(5, None)
    errors = np.sqrt(squares[:, looks] / (n[looks] - 1) / n[looks])
    halves = stats.t.ppf((1 + confidence) / 2, n[looks] - 1) * errors
    return float(np.mean((np.abs(means[:, looks]) > halves).any(axis=1)))


def test_all_looks_together_err_in_one_of_a_hundred_at_most() -> None:
    assert errors_of_looks(CONFIDENCE) > 0.03
    assert errors_of_looks(CONFIDENCE_OF_EACH_LOOK) < 0.01


def test_one_block_after_the_other_is_deceived_by_drift_where_rounds_are_not() -> None:
    rng = np.random.default_rng(3)
    wrong = {"rounds": 0, "apart": 0}
    for _ in range(400):
        wander = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, 24)) + rng.normal(0, 0.005, 24))
        interleaved = wander.reshape(12, 2)
        one = paired([(float(a), float(b)) for a, b in interleaved])
        later = apart(wander[:12].tolist(), wander[12:].tolist())
        wrong["rounds"] += one.verdict in ("better", "worse")
        wrong["apart"] += later.verdict in ("better", "worse")
    assert wrong["rounds"] <= 0.01 * 400 < 0.1 * 400 < wrong["apart"]
