"""How far down the context a rate is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.figures import between
from make.records import make_experiment, make_run

from harness.analysis.depth_curve import decode_curve, depth_curves, reach, reach_text
from harness.analysis.measured import Measured, measured_of
from harness.analysis.verdict import Verdict
from harness.analysis.verdict_measured import judge
from harness.schema.figure import Figure


def exactly(rate: float) -> Figure:
    return Figure(rate, rate, rate, "tok/s", "interval", n=6)


def measured(rates: dict[str, float]) -> Measured:
    names = tuple(rates)
    experiment = make_experiment(workloads=names)
    runs = [make_run(index, names, rates) for index in range(6)]
    return measured_of(experiment, runs)[0]


def test_between_two_depths_the_time_of_a_token_grows_in_proportion() -> None:
    # 25 ms a token at 0 and 125 ms at 10,000: 50 ms, which are 20 tok/s, at a quarter of the way.
    found = reach([(0, exactly(40.0)), (10_000, exactly(8.0))], 20.0)
    assert found.depth == pytest.approx(2500)
    assert not found.is_open


@given(
    st.floats(1e-4, 1.0),
    st.floats(1e-7, 1e-3),
    st.lists(st.integers(1, 200_000), min_size=1, max_size=6, unique=True),
    st.floats(1.0, 1000.0),
)
def test_of_a_model_that_is_linear_the_depth_is_found_exactly(
    base_s: float, per_position_s: float, depths: list[int], least_per_s: float
) -> None:
    rates = [(d, exactly(1 / (base_s + d * per_position_s))) for d in sorted({0, *depths})]
    found = reach(rates, least_per_s)
    true = (1 / least_per_s - base_s) / per_position_s
    deepest = rates[-1][0]
    if true < -1e-6:
        assert found.depth is None
    elif true > deepest * (1 + 1e-9):
        assert (found.depth, found.is_open) == (deepest, True)
    elif found.depth is not None:
        assert found.depth == pytest.approx(min(true, deepest), rel=1e-6, abs=1e-3)


@given(st.lists(st.floats(0.1, 500.0), min_size=2, max_size=6), st.floats(0.5, 400.0))
def test_nowhere_before_it_a_rate_is_too_low(rates: list[float], least_per_s: float) -> None:
    points = [(index * 1000, exactly(rate)) for index, rate in enumerate(rates)]
    found = reach(points, least_per_s)
    kept = [depth for depth, figure in points if figure.value >= least_per_s]
    if found.depth is None:
        assert rates[0] < least_per_s
    else:
        assert all(figure.value >= least_per_s for depth, figure in points if depth <= found.depth)
        assert found.depth <= points[-1][0]
        assert found.is_open == (len(kept) == len(points))


def test_bounds_of_the_rates_are_bounds_of_the_depth() -> None:
    rates = [(0, between(30.0, 40.0, 50.0)), (8000, between(7.0, 8.0, 9.0))]
    found = reach(rates, 20.0)
    assert (found.low or 0) < (found.depth or 0) < (found.high or 0)
    assert "comfortable up to a depth of about 2000 (" in reach_text(rates)


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ([50.0, 40.0], "comfortable up to a depth of 8000, the deepest"),
        ([40.0, 8.0], "comfortable up to a depth of about 2000, usable up to a depth of 8000, the"),
        ([10.0, 3.0], "usable up to a depth of about 2300, slow behind that"),
        ([5.0, 3.0], "slow at every depth up to 8000"),
    ],
)
def test_what_holds_how_far_is_half_a_sentence(rates: list[float], told: str) -> None:
    points = [(depth, exactly(rate)) for depth, rate in zip((0, 8000), rates, strict=True)]
    assert reach_text(points).startswith(told)


def test_work_at_several_depths_is_a_curve_and_at_one_is_none() -> None:
    group = measured({"tg64@d4096": 15.0, "tg64": 60.0, "pp32": 99.0, "tg8@d9": 10.0})
    (curve,) = depth_curves(group)
    assert (curve.what, curve.phase) == ("tg64", "decode")
    assert [(point.depth, point.level) for point in curve.points] == [
        (0, "comfortable"),
        (4096, "usable"),
    ]
    assert decode_curve(group) == curve


def test_the_verdict_says_how_far_it_holds() -> None:
    verdict = judge(measured({"tg64@d4096": 15.0, "tg64": 60.0, "pp512": 2000.0}))
    assert isinstance(verdict, Verdict)
    assert verdict.level == "usable"
    (note,) = (it for it in verdict.notes if "Decoding" in it)
    assert "comfortable up to a depth of about 2700" in note
    assert "usable up to a depth of 4096, the deepest" in note
    flat = judge(measured({"tg64@d4096": 15.0, "pp512": 2000.0}))
    assert isinstance(flat, Verdict)
    assert not any("comfortable up to" in it for it in flat.notes)


def test_a_verdict_looks_at_one_sequence_alone() -> None:
    several = {"tg64x4": 30.0, "tg64x4@d4096": 15.0}
    assert decode_curve(measured(several)) is None
    curve = decode_curve(measured(several | {"tg64": 60.0, "tg64@d4096": 50.0}))
    assert curve is not None
    assert curve.what == "tg64"
