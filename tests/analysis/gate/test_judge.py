"""Figures held to limits, and the verdict on all of them."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import astuple, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.gate import make_candidate, make_rounds, make_sides
from make.records import make_model

from harness.analysis.gate.judge import (
    FAMILY_CONFIDENCE,
    PASS_CONFIDENCE,
    Cause,
    Change,
    Check,
    Judgement,
    Limits,
    change_of,
    decide,
    judge_figures,
    sure_confidence,
    unjudged,
)
from harness.analysis.measured import Measured, measured_of
from harness.analysis.stats.ratio import Comparison, compare_apart, compare_exact

ORDER = ("pass", "inconclusive", "regression")
LIMITS = Limits()
_SHARES = st.floats(-0.9, 9.0)
_WIDTHS = st.floats(0.0, 2.0)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    value, half, more = draw(_SHARES), draw(_WIDTHS), draw(_WIDTHS)
    return Change(value, value - half, value + half, value - half - more)


def verdicts(
    baseline: list[Measured], candidate: list[Measured], limits: Limits = LIMITS
) -> dict[str, str]:
    checks = judge_figures(list(zip(baseline, candidate, strict=True)), limits)
    return {f"{check.workload} {check.metric}".strip(): check.verdict for check in checks}


def judged(*checks: Check) -> Judgement:
    return Judgement(checks, LIMITS)


@given(changes(), st.floats(0, 3), st.floats(0, 3))
def test_a_larger_limit_never_makes_a_verdict_worse(
    change: Change, limit: float, more: float
) -> None:
    assert ORDER.index(decide(change, limit + more)) <= ORDER.index(decide(change, limit))


@given(changes(), st.floats(0, 3), _WIDTHS)
def test_wider_intervals_only_ever_take_a_verdict_away(
    change: Change, limit: float, wider: float
) -> None:
    assert change.low is not None
    assert change.high is not None
    assert change.sure_low is not None
    wide = replace(
        change,
        low=change.low - wider,
        high=change.high + wider,
        sure_low=change.sure_low - wider,
    )
    assert decide(wide, limit) in (decide(change, limit), "inconclusive")


@given(changes(), st.floats(0, 3), st.floats(0, 1))
def test_a_worse_figure_never_gets_a_better_verdict(
    change: Change, limit: float, by: float
) -> None:
    assert change.low is not None
    assert change.high is not None
    assert change.sure_low is not None
    worse = replace(
        change,
        value=change.value + by,
        low=change.low + by,
        high=change.high + by,
        sure_low=change.sure_low + by,
    )
    assert ORDER.index(decide(worse, limit)) >= ORDER.index(decide(change, limit))


def test_an_end_at_the_limit_is_within_it() -> None:
    assert decide(Change(0.02, 0.0, 0.05, 0.0), 0.05) == "pass"
    assert decide(Change(0.06, 0.05, 0.07, 0.05), 0.05) == "inconclusive"


def test_an_unknown_interval_decides_nothing() -> None:
    assert decide(Change(9.0, None, None, None), 0.05) == "inconclusive"
    assert decide(Change(-0.9, None, None, None), 0.05) == "inconclusive"


@given(st.floats(0.1, 10), st.floats(0, 2), st.floats(0, 2))
def test_a_rate_is_as_much_worse_as_the_time_of_a_token(
    ratio: float, half: float, more: float
) -> None:
    rate, time = (
        change_of(*(ratio_of(value, width, is_more_better) for width in (half, half + more)))
        for value, is_more_better in ((ratio, True), (1 / ratio, False))
    )
    assert astuple(rate) == pytest.approx(astuple(time))
    assert rate.sure_low is not None
    assert rate.low is not None
    assert rate.sure_low <= rate.low <= rate.value


def ratio_of(ratio: float, half: float, is_more_better: bool) -> Comparison:
    low, high = ratio / math.exp(half), ratio * math.exp(half)
    return Comparison(ratio, low, high, 8, "unpaired", is_more_better, 0.02, 0.99, (1.0, ratio))


def test_one_value_on_a_side_has_no_interval() -> None:
    found = compare_apart([100.0], [50.0, 51.0, 52.0], is_more_better=True)
    assert found
    change = change_of(found, found)
    assert (change.low, change.high, change.sure_low) == (None, None, None)
    assert change.value == pytest.approx(0.96, abs=0.01)


def test_an_exact_figure_needs_no_interval() -> None:
    grown = compare_exact(100.0, 104.0, 1, is_more_better=False)
    change = change_of(grown, grown)
    assert change.is_exact
    assert decide(change, 0.03) == "regression"
    assert decide(change, 0.05) == "pass"


def test_what_is_as_fast_passes_and_what_is_slower_regresses() -> None:
    base = make_candidate("base01", day=1)
    same = verdicts(make_sides(base), make_sides(seed=2))
    slow = verdicts(make_sides(base), make_sides(seed=2, slowdown=0.2))

    assert same == {
        "pp512 tok_per_s": "pass",
        "tg128 tok_per_s": "pass",
        "need": "pass",
        "peak": "pass",
    }
    assert slow == same | {"pp512 tok_per_s": "regression", "tg128 tok_per_s": "regression"}
    assert verdicts(make_sides(slowdown=0.2), make_sides(base, seed=2)) == same


def test_a_slowdown_at_the_limit_is_inconclusive() -> None:
    found = verdicts(make_sides(make_candidate("base01")), make_sides(seed=2, slowdown=0.05))
    assert found["tg128 tok_per_s"] == "inconclusive"


def test_each_metric_has_its_own_limit() -> None:
    candidate = make_candidate()
    runs = [
        run.model_copy(
            update={
                "weights": tuple(
                    each.model_copy(update={"n_bytes": round(each.n_bytes * 1.1)})
                    for each in run.weights
                )
            }
        )
        for run in make_rounds(candidate, seed=2)
    ]
    base, grown = make_sides(make_candidate("base01")), measured_of(candidate, runs)
    assert verdicts(base, grown)["need"] == "regression"
    assert verdicts(base, grown, Limits(max_memory=0.2))["need"] == "pass"
    assert verdicts(base, grown, Limits(max_slowdown=0.2))["need"] == "regression"


@pytest.mark.parametrize("n_runs", [1, 2])
def test_fewer_than_three_runs_are_inconclusive_except_for_what_is_exact(n_runs: int) -> None:
    pairs = zip(make_sides(make_candidate("b")), make_sides(n_runs=n_runs, slowdown=3), strict=True)
    checks = judge_figures(list(pairs), LIMITS)
    assert {check.cause for check in checks if check.metric != "need"} == {"few-runs"}
    assert [check.verdict for check in checks if check.metric == "need"] == ["pass"]
    assert Judgement(tuple(checks), LIMITS).verdict == "inconclusive"


@settings(max_examples=10)
@given(st.permutations(range(3)))
def test_the_order_of_the_cases_does_not_matter(order: list[int]) -> None:
    pairs = PAIRS
    found = judge_figures([pairs[index] for index in order], LIMITS)
    assert sorted(found, key=repr) == sorted(judge_figures(pairs, LIMITS), key=repr)


def _three_cases() -> list[tuple[Measured, Measured]]:
    models = tuple(make_model(key=f"m:{name}") for name in "abc")
    base = make_candidate("base01", models=models, workloads=("tg128",))
    candidate = make_candidate(models=models, workloads=("tg128",))
    later = make_sides(candidate, n_runs=4, seed=2, slowdown=0.04)
    return list(zip(make_sides(base, n_runs=4), later, strict=True))


PAIRS = _three_cases()


def test_more_figures_ask_for_more_before_one_of_them_regresses() -> None:
    alone = judge_figures(PAIRS[:1], LIMITS)[0].change
    among = judge_figures(PAIRS, LIMITS)[0].change
    assert alone
    assert among
    assert (alone.value, alone.low, alone.high) == (among.value, among.low, among.high)
    assert alone.sure_low is not None
    assert among.sure_low is not None
    assert among.sure_low < alone.sure_low


def test_all_figures_together_err_as_one_interval_would() -> None:
    assert sure_confidence(0) == sure_confidence(1) == FAMILY_CONFIDENCE
    assert 20 * (1 - sure_confidence(20)) == pytest.approx(1 - FAMILY_CONFIDENCE)


def simulated(rng: random.Random, slowdown: float, n_runs: int) -> str:
    """The verdict on four figures that all became slower by `slowdown`, Runs 2 % apart."""
    checks = []
    for _ in range(4):
        a, b = (
            [math.exp(true + rng.gauss(0, 0.02)) for _ in range(n_runs)]
            for true in (0.0, math.log1p(slowdown))
        )
        plain, sure = (
            compare_apart(a, b, is_more_better=False, confidence=confidence)
            for confidence in (PASS_CONFIDENCE, sure_confidence(4))
        )
        assert plain
        assert sure
        change = change_of(plain, sure)
        checks.append(Check(decide(change, 0.05), limit=0.05, change=change))
    return Judgement(tuple(checks), LIMITS).verdict


def shares(n_gates: int, slowdown: float, n_runs: int) -> dict[str, float]:
    rng = random.Random(5)
    counts = Counter(simulated(rng, slowdown, n_runs) for _ in range(n_gates))
    return {verdict: counts[verdict] / n_gates for verdict in ORDER}


def test_of_figures_exactly_at_the_limit_a_false_alarm_is_rare() -> None:
    # The promise is 1 in 200: 2 of 400. Chance gives more than 5 once in 60 seeds.
    found = shares(400, slowdown=0.05, n_runs=5)
    assert found["regression"] <= 0.0125
    assert found["pass"] <= 0.025


def test_a_true_slowdown_of_twice_the_limit_is_found() -> None:
    found = shares(100, slowdown=0.10, n_runs=12)
    assert found["regression"] >= 0.95


def test_nothing_to_judge_is_no_pass() -> None:
    assert judged().verdict == "inconclusive"
    assert not judged().is_waivable


def test_a_regression_decides_whatever_else_is_unknown() -> None:
    bad, good = Check("regression"), Check("pass")
    unknown = unjudged("failed", "it crashed")
    assert judged(good, unknown, bad).verdict == "regression"
    assert judged(good, unknown).verdict == "inconclusive"
    assert judged(good).verdict == "pass"


def test_what_is_required_of_the_candidate_cannot_be_waived() -> None:
    unknown = unjudged("no-baseline", "there is none")
    assert judged(unknown, Check("pass")).is_waivable
    required: tuple[Cause, ...] = ("failed", "missing", "no-quality")
    for cause in required:
        assert not judged(unknown, unjudged(cause, "")).is_waivable
    assert not judged(Check("pass")).is_waivable
    assert not judged(Check("regression"), unknown).is_waivable


def test_a_case_that_failed_or_was_not_measured_is_required_and_a_disturbed_one_is_not() -> None:
    base, candidate = make_sides(make_candidate("base01")), make_candidate()
    runs = make_rounds(candidate)
    lost = [
        run.model_copy(update={"trials": tuple(t for t in run.trials if t.workload != "tg128")})
        for run in runs
    ]
    (check,) = [
        check
        for check in judge_figures(
            list(zip(base, measured_of(candidate, lost), strict=True)), LIMITS
        )
        if check.workload == "tg128"
    ]
    assert (check.verdict, check.cause) == ("inconclusive", "missing")
    assert "the candidate" in check.text


def test_no_end_of_an_interval_is_a_number_that_json_does_not_know() -> None:
    pairs = list(zip(make_sides(make_candidate("b")), make_sides(n_runs=1), strict=True))
    for check in judge_figures(pairs, LIMITS):
        assert check.change
        ends = (check.change.value, check.change.low, check.change.high, check.change.sure_low)
        assert all(end is None or math.isfinite(end) for end in ends)
