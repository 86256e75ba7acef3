"""Two sides whose trials took turns, told apart by neighbours."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import make_experiment, make_model, make_run
from make.trials import disturbed_counters, make_trial

from harness.analysis.comparison import compare
from harness.analysis.measured import Measured, Round
from harness.analysis.neighbours import ratios, with_ratios
from harness.analysis.stats.ratio import Comparison
from harness.schema.configuration import Configuration
from harness.schema.experiment import Run, Trial
from harness.schema.outcome import Outcome

A, B = make_model(key="m:Q8_0"), make_model(key="m:Q4_0", sha256="f" * 64)
RATES = st.floats(1, 1e5)
Rate = Callable[[int, int], tuple[float, float]]
"""Round and index to what both sides' trials take; both are measured at once."""


def trials(rates: list[float], **changes: Any) -> tuple[Trial, ...]:
    made = [make_trial("tg128", rate, i, rng=random.Random(i)) for i, rate in enumerate(rates)]
    return tuple(each.model_copy(update=changes) for each in made)


def sides(rate: Rate, n_rounds: int = 6, n_trials: int = 3, **changes: Any) -> list[Measured]:
    made = make_experiment(("tg128",), models=(A, B))
    runs: list[Run] = []
    for number in range(n_rounds):
        pairs = [rate(number, index) for index in range(n_trials)]
        for model, of_side in zip((A, B), zip(*pairs, strict=True), strict=True):
            facts: dict[str, Any] = {"is_in_turns": True, "trials": trials([*of_side])} | changes
            run = make_run(len(runs), ("tg128",), model=model.key, round=number, **facts)
            runs.append(run)
    settings = made.plan.settings[0]
    return [Measured(Configuration(model, settings), made, runs) for model in (A, B)]


def rate_of(found: list[Measured]) -> Comparison:
    (figure,) = compare(*found, wanted=("tok_per_s",))
    assert figure.comparison
    return figure.comparison


def wild(factor: float) -> Rate:
    """A machine whose speed changes threefold from one pair of trials to the next."""

    def rate(number: int, index: int) -> tuple[float, float]:
        speed = 100 * random.Random(10 * number + index).uniform(0.5, 1.5)
        return speed, speed * factor

    return rate


def test_neighbours_show_what_a_machine_hides_that_changes_within_a_round() -> None:
    in_turns = rate_of(sides(wild(1.05)))
    assert (in_turns.pairing, in_turns.verdict, in_turns.n) == ("turns", "better", 6)
    assert in_turns.ratio == pytest.approx(1.05, rel=0.01)


def test_the_ratio_is_of_the_means_that_are_shown() -> None:
    found = rate_of(sides(lambda number, index: (100 + number, 120 + index)))
    assert found.means[1] / found.means[0] == pytest.approx(found.ratio)


def test_a_disturbed_trial_takes_its_neighbour_out_with_it() -> None:
    a, b = sides(lambda _number, index: (100.0, 50.0 if index == 1 else 110.0))
    spoilt = [
        run.model_copy(update={"trials": (run.trials[0], _disturbed(run.trials[1]), run.trials[2])})
        if run.model == A.key
        else run
        for run in a.experiment_runs
    ]
    a, b = (Measured(side.configuration, side.experiment, spoilt) for side in (a, b))
    logs = ratios(a, b, "tg128")["tok_per_s"]
    assert all(value == pytest.approx(1.1, rel=0.01) for value in logs.values())
    # The single side's own figure keeps its trial, which was not disturbed.
    (of_b,) = {len(b.case("tg128").runs[0].trials)}  # type: ignore[union-attr]
    assert of_b == 3


def _disturbed(trial: Trial) -> Trial:
    return trial.model_copy(update={"counters": disturbed_counters()})


def test_a_round_in_which_a_side_failed_is_lost() -> None:
    a, b = sides(wild(1.0))
    killed = Outcome(status="failed", reason="killed", message="killed")
    runs = [
        run.model_copy(update={"outcome": killed}) if run.index == 0 else run
        for run in a.experiment_runs
    ]
    a, b = (Measured(side.configuration, side.experiment, runs) for side in (a, b))
    assert rate_of([a, b]).n == 5


def test_without_turns_there_are_no_neighbours() -> None:
    a, b = sides(wild(1.05), is_in_turns=False)
    assert ratios(a, b, "tg128") == {}
    assert rate_of([a, b]).pairing == "rounds"


def test_what_no_single_trial_tells_is_compared_by_rounds() -> None:
    a, b = sides(wild(1.05))
    assert "tok_per_s" in ratios(a, b, "tg128")
    assert ratios(a, b, "") == {}
    by_metric = {each.metric: each.comparison for each in compare(a, b) if each.comparison}
    assert by_metric["load_warm"].pairing == "rounds"
    assert by_metric["tok_per_s"].pairing == "turns"


@given(st.lists(st.tuples(RATES, RATES), min_size=1, max_size=5))
def test_a_round_has_the_median_ratio_of_its_pairs(pairs: list[tuple[float, float]]) -> None:
    found = sides(lambda _number, index: pairs[index], n_rounds=1, n_trials=len(pairs))
    (ratio,) = ratios(found[0], found[1], "tg128")["tok_per_s"].values()
    per_trial = [[it.n_tokens / it.total_ns for it in side.runs[0].trials] for side in found]
    expected = median(math.log(b / a) for a, b in zip(*per_trial, strict=True))
    assert math.log(ratio) == pytest.approx(expected, abs=1e-9)


@given(st.dictionaries(st.integers(0, 9), st.tuples(RATES, RATES, st.floats(0.1, 10))))
def test_moved_values_have_just_the_ratio_and_keep_their_middle(
    rounds: dict[Round, tuple[float, float, float]],
) -> None:
    a, b, found = ({at: each[of] for at, each in rounds.items()} for of in range(3))
    moved_a, moved_b = with_ratios(a, b, found)
    assert moved_a.keys() == moved_b.keys() == rounds.keys()
    for at, (one, other, ratio) in rounds.items():
        assert moved_b[at] / moved_a[at] == pytest.approx(ratio)
        assert moved_a[at] * moved_b[at] == pytest.approx(one * other)
