"""Quantiles of Student's t, against scipy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analysis.stats.student import t_quantile


@given(st.floats(0.0001, 0.9999), st.integers(1, 400))
def test_the_quantile_is_that_of_scipy(p: float, n_free: int) -> None:
    assert t_quantile(p, n_free) == pytest.approx(float(stats.t.ppf(p, n_free)), rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("n_free", [1, 2, 3, 11, 100, 1999, 2000])
@pytest.mark.parametrize("p", [0.5, 0.95, 0.975, 0.995, 0.999999])
def test_those_that_intervals_need_are_as_good(p: float, n_free: int) -> None:
    assert t_quantile(p, n_free) == pytest.approx(float(stats.t.ppf(p, n_free)), rel=1e-8, abs=1e-9)


@given(st.floats(0.0001, 0.9999), st.integers(1, 50))
def test_it_is_as_far_below_as_above(p: float, n_free: int) -> None:
    assert t_quantile(1 - p, n_free) == pytest.approx(-t_quantile(p, n_free), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("n_free", [2001, 5000, 10**6])
def test_beyond_two_thousand_it_is_off_by_less_than_a_thousandth(n_free: int) -> None:
    assert t_quantile(0.995, n_free) == pytest.approx(float(stats.t.ppf(0.995, n_free)), rel=1e-3)


@pytest.mark.parametrize(("p", "n_free"), [(0.0, 5), (1.0, 5), (float("nan"), 5), (0.9, 0)])
def test_what_has_no_quantile_is_refused(p: float, n_free: int) -> None:
    with pytest.raises(ValueError, match="no t quantile"):
        t_quantile(p, n_free)
