from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness.analysis.stats.batch_means import mean_interval, percentile_interval
from harness.analysis.stats.interval import percentile

MEANS = st.lists(st.floats(-100, 100), min_size=2, max_size=40)


@given(MEANS)
def test_the_interval_of_a_mean_is_students(means: list[float]) -> None:
    low, high = mean_interval(means)
    error = scipy_stats.sem(means)
    half = scipy_stats.t.ppf(0.975, len(means) - 1) * error
    assert low == pytest.approx(np.mean(means) - half, rel=1e-6, abs=1e-6)
    assert high == pytest.approx(np.mean(means) + half, rel=1e-6, abs=1e-6)


def test_one_chunk_gives_no_interval() -> None:
    assert mean_interval([3.0]) == (None, None)
    assert percentile_interval([[1.0, 2.0]], 50) == (None, None)


@given(
    st.lists(st.lists(st.floats(0, 10), min_size=9, max_size=9), min_size=2, max_size=20),
    st.sampled_from([10.0, 50.0, 99.0]),
)
def test_the_interval_of_a_percentile_holds_it(chunks: list[list[float]], percent: float) -> None:
    value = percentile(sorted(x for chunk in chunks for x in chunk), percent)
    low, high = percentile_interval(chunks, percent)
    assert low is None or low <= value
    assert high is None or high >= value


def test_beyond_the_largest_value_the_upper_end_is_open() -> None:
    chunks = [[0.0] * 10, [*[0.0] * 9, 7.0]]
    assert percentile_interval(chunks, 99)[1] is None


@pytest.mark.parametrize(("percent", "least"), [(50.0, 0.91), (99.0, 0.85)])
def test_intervals_of_percentiles_cover_the_truth_though_chunks_differ(
    percent: float, least: float
) -> None:
    """Values of a chunk share an offset; intervals that took them for independent would fail."""
    rng = np.random.default_rng(7)
    n_chunks, n, spread = 32, 60, 0.5
    truth = scipy_stats.norm.ppf(percent / 100, scale=np.hypot(1, spread))
    covered = 0
    for _ in range(200):
        chunks = rng.normal(rng.normal(0, spread, (n_chunks, 1)), 1, (n_chunks, n)).tolist()
        low, high = percentile_interval(chunks, percent)
        covered += (low is None or low <= truth) and (high is None or truth <= high)
    assert covered / 200 >= least
