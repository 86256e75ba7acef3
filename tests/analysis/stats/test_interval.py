from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, kendalltau, theilslopes

from harness.analysis.stats.interval import (
    drift,
    estimate,
    is_first_slow,
    lag1_autocorrelation,
    min_values,
    outliers,
    percentile,
    relative_half_width,
)

numbers = st.floats(min_value=1e-3, max_value=1e12)
samples = st.lists(numbers, min_size=1, max_size=40)
confidences = st.floats(min_value=0.5, max_value=0.999)


@given(samples, confidences)
def test_the_interval_contains_the_median(values: list[float], confidence: float) -> None:
    figure = estimate(values, "tok/s", confidence)
    assert figure.bounds[0] <= figure.value <= figure.bounds[1]
    assert figure.n == len(values)


@given(samples, st.sampled_from([0.25, 0.5, 2.0, 1024.0]))
def test_scaling_the_values_scales_the_estimate(values: list[float], factor: float) -> None:
    # Powers of two, so that no rounding stands between the two sides.
    plain = estimate(values, "ns")
    scaled = estimate([value * factor for value in values], "ns")
    assert scaled.value == plain.value * factor
    assert scaled.bounds == (plain.bounds[0] * factor, plain.bounds[1] * factor)


@given(samples, st.randoms())
def test_the_order_of_the_values_does_not_matter(values: list[float], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(values)
    random.shuffle(shuffled)
    assert estimate(shuffled, "ns") == estimate(values, "ns")


@given(samples, confidences, confidences)
def test_more_confidence_never_narrows_the_interval(
    values: list[float], first: float, second: float
) -> None:
    wide = estimate(values, "ns", max(first, second))
    narrow = estimate(values, "ns", min(first, second))
    assert wide.bounds[0] <= narrow.bounds[0]
    assert narrow.bounds[1] <= wide.bounds[1]


@pytest.mark.parametrize("n", range(6, 60))
def test_the_interval_is_the_narrowest_that_keeps_its_promise(n: int) -> None:
    figure = estimate(range(n), "")
    rank = round(figure.bounds[0]) + 1
    assert figure.kind == "interval"
    assert 1 - 2 * binom.cdf(rank - 1, n, 0.5) >= 0.95
    assert 1 - 2 * binom.cdf(rank, n, 0.5) < 0.95


@pytest.mark.parametrize("n", range(6, 13))
def test_the_interval_covers_the_true_median_as_often_as_it_says(n: int) -> None:
    rng = np.random.default_rng(20261123)
    # Skewed, with a slow fifth: what Runs on a shared machine look like. Such a mixture has no
    # median in closed form, so that of a large sample stands for it.
    true_median = float(np.median(_skewed(rng, 1_000_000)))
    trials = _skewed(rng, 2000 * n).reshape(2000, n)
    figures = [estimate(list(values), "") for values in trials]
    covered = sum(figure.bounds[0] <= true_median <= figure.bounds[1] for figure in figures)
    assert covered / len(figures) >= 0.94


def _skewed(rng: np.random.Generator, n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    slow = np.where(rng.random(n) < 0.2, 0.7, 1.0)
    values: np.ndarray[tuple[int], np.dtype[np.float64]] = 100 * rng.lognormal(0, 0.05, n) * slow
    return values


def test_below_six_values_the_estimate_is_only_a_range() -> None:
    assert min_values() == 6
    assert estimate([1, 2, 3, 4, 5], "ns").kind == "range"
    assert estimate([1, 2, 3, 4, 5], "ns", confidence=0.9375).kind == "interval"
    assert estimate([1, 2, 3, 4, 5, 6], "ns").kind == "interval"


def test_one_value_is_its_own_range_and_promises_nothing() -> None:
    figure = estimate([7.0], "ns")
    assert (figure.bounds, figure.kind) == ((7.0, 7.0), "range")


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_nothing_can_be_estimated_from_no_numbers(values: list[float]) -> None:
    with pytest.raises(ValueError, match="cannot estimate"):
        estimate(values, "ns")


def test_the_half_width_is_a_share_of_the_median() -> None:
    figure = estimate([98, 99, 100, 100, 101, 102], "tok/s")
    assert relative_half_width(figure) == pytest.approx(0.02)
    assert relative_half_width(estimate([0.0, 0.0], "")) == 0.0
    assert relative_half_width(estimate([-1.0, 1.0], "")) == math.inf


def test_outliers_are_counted_by_tukeys_fences() -> None:
    ordinary = [10, 11, 12, 13, 14, 15, 16, 17]
    assert outliers(ordinary).n_mild == 0
    # With these added Q1 = 11.25, Q3 = 16.75, so the fences are at 25 and 33.25.
    assert outliers([*ordinary, 26, 10]).n_mild == 1
    assert outliers([*ordinary, 60, 10]).n_severe == 1


@given(st.lists(numbers, max_size=30))
def test_outliers_are_labels_and_never_more_than_half(values: list[float]) -> None:
    found = outliers(values)
    assert 0 <= found.n_mild + found.n_severe <= len(values) / 2


def test_a_slow_first_trial_is_told_from_ordinary_spread() -> None:
    assert is_first_slow([1.4, 1.0, 1.05, 0.98])
    assert not is_first_slow([1.12, 1.0, 1.05, 0.98])
    assert not is_first_slow([1.4, 1.0, 1.5, 0.98])
    assert not is_first_slow([1.4, 1.0])


def test_drift_agrees_with_scipy() -> None:
    rng = np.random.default_rng(5)
    for n in (*range(6, 25), 60, 120):
        values = [
            float(100 + 0.8 * (i % 25) + noise) for i, noise in enumerate(rng.normal(0, 3, n))
        ]
        found = drift(values)
        assert found is not None
        oracle = kendalltau(range(n), values, method="exact")
        assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
        slope = theilslopes(values).slope
        assert found.change_ratio == pytest.approx(slope * (n - 1) / np.median(values))


def test_drift_is_found_in_order_and_not_in_constancy() -> None:
    rising = drift([1, 2, 3, 4, 5, 6])
    constant = drift([3.0] * 8)
    assert rising is not None
    assert rising.is_real
    assert constant is not None
    assert (constant.change_ratio, constant.is_real) == (0.0, False)
    assert drift([1, 2, 3, 4, 5]) is None


def test_drift_counts_time_where_it_is_told() -> None:
    found = drift([10, 11, 12, 13, 14, 20], at=[0, 1, 2, 3, 4, 10])
    assert found is not None
    assert found.change_ratio == pytest.approx(10 / 12.5)


def test_the_p_value_counts_orders_as_ordered_as_this_one() -> None:
    values = [1, 2, 3, 5, 4, 6]
    scores = [
        sum((b > a) - (b < a) for i, a in enumerate(order) for b in order[i + 1 :])
        for order in permutations(values)
    ]
    found = drift(values)
    assert found is not None
    assert found.p_value == pytest.approx(sum(abs(score) >= 13 for score in scores) / 720)


def test_autocorrelation_knows_alternation_from_persistence() -> None:
    alternating = lag1_autocorrelation([1, -1] * 10)
    persistent = lag1_autocorrelation([1] * 10 + [-1] * 10)
    assert alternating is not None
    assert alternating < -0.9
    assert persistent is not None
    assert persistent > 0.8
    assert lag1_autocorrelation([1, 1, 1, 1, 1]) is None
    assert lag1_autocorrelation([1, 2]) is None


@given(st.lists(numbers, min_size=1, max_size=200), st.floats(0, 100))
def test_percentiles_agree_with_numpy(values: list[float], percent: float) -> None:
    expected = float(np.percentile(values, percent))
    assert percentile(sorted(values), percent) == pytest.approx(expected, rel=1e-9)
