"""What a batch costs beside one token."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import make_experiment, make_failed_run, make_run

from harness.analysis.measured import Measured, measured_of
from harness.analysis.verification import cost_curves
from harness.report.verification_page import cost_sentences, cost_tables


def measured(rates: dict[str, float], noise: float = 0.01, n_runs: int = 8) -> Measured:
    """Batches at tokens a second, with the machine now faster and now slower."""
    rng = random.Random(1)
    names = tuple(rates)
    runs = []
    for index in range(n_runs):
        drift = rng.uniform(0.7, 1.3)
        of_run = {
            name: it * drift * rng.uniform(1 - noise, 1 + noise) for name, it in rates.items()
        }
        runs.append(make_run(index, names, of_run, round=index))
    return measured_of(make_experiment(workloads=names), runs)[0]


@given(st.floats(0.3, 40.0))
def test_the_cost_is_the_time_of_the_batch_over_that_of_one_token(cost: float) -> None:
    (curve,) = cost_curves(measured({"verify8": 100.0 * 8 / cost, "verify1": 100.0}))
    one, eight = curve.costs
    assert (one.n, one.ratio) == (1, None)
    assert eight.ratio is not None
    # Drift is common to a round and falls out of the ratio.
    assert eight.ratio.low < cost < eight.ratio.high
    assert eight.ratio.high / eight.ratio.low < 1.1
    assert eight.best == pytest.approx(8 / cost, rel=0.05)
    if cost < 7:
        assert eight.can_pay is True
    if cost > 9:
        assert eight.can_pay is False


def test_depths_are_apart_and_without_one_token_there_is_no_cost() -> None:
    group = measured({"verify1@d9": 50.0, "verify2@d9": 80.0, "verify4": 90.0, "tg8": 50.0})
    assert [(curve.depth, [it.n for it in curve.costs]) for curve in cost_curves(group)] == [
        (9, [1, 2])
    ]


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ((100.0, 110.0, 150.0), "Guessing 7 tokens ahead pays from 5.3"),
        ((100.0, 60.0, 150.0), "; guessing 1 never pays."),
        ((100.0, 60.0, 55.0), "Speculation cannot pay here: 2, 8 tokens at once take longer"),
        ((100.0, 100.0, 100.0), "Whether speculation can pay here cannot be told"),
    ],
)
def test_the_sentence_says_from_where_on_it_pays(rates: tuple[float, ...], told: str) -> None:
    group = measured(dict(zip(("verify1", "verify2", "verify8"), rates, strict=True)), noise=0.03)
    (sentence,) = cost_sentences([("m", group)])
    assert told in sentence
    (table,) = cost_tables([("m", group)])
    assert [row[0] for row in table.rows] == ["1", "2", "8"]


def test_a_batch_that_failed_is_a_row_with_that_word() -> None:
    names = ("verify1", "verify4")
    runs = [make_run(0, names[:1]), make_failed_run(1, workloads=names)]
    (group,) = measured_of(make_experiment(workloads=names), runs)
    (table,) = cost_tables([("m", group)])
    assert table.rows[1][1:4] == ("failed", "–", "–")
    assert cost_sentences([("m", group)]) == []
