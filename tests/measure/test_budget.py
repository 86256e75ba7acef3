from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from make.records import SETTINGS, make_experiment, make_model, make_run

from harness.measure.budget import Budget
from harness.schema.configuration import Configuration, configurations_of
from harness.schema.experiment import Plan, Run
from harness.schema.outcome import Outcome

S = 10**9


def plan(**changes: Any) -> Plan:
    return make_experiment(("tg128",), **({"n_runs_max": 12, "budget_ns": 300 * S} | changes)).plan


def run(configuration: Configuration, seconds: float = 10, **changes: Any) -> Run:
    of: dict[str, Any] = {"model": configuration.model.key, "settings": configuration.settings}
    return make_run(0, ("tg128",), n_trials=1, duration_ns=round(seconds * S), **of, **changes)


def test_before_the_first_run_it_takes_the_budgets_at_most() -> None:
    two = plan(models=(make_model(key="a"), make_model(key="b")))
    assert Budget(two).most_ns(configurations_of(two)) == 600 * S


def test_runs_that_are_left_take_as_long_as_those_before() -> None:
    (it,) = configurations_of(plan())
    budget = Budget(plan())
    budget.take(run(it, 10))
    assert budget.most_ns([it]) == 110 * S
    budget.take(run(it, 10))
    assert budget.most_ns([it]) == 100 * S
    assert budget.most_ns([]) == 0


def test_no_more_is_left_than_the_budget_has() -> None:
    (it,) = configurations_of(plan())
    budget = Budget(plan())
    budget.take(run(it, 60))
    assert budget.most_ns([it]) == budget.left_ns(it.model.key) == 240 * S


def test_a_case_whose_next_run_would_not_fit_takes_no_time() -> None:
    (it,) = configurations_of(plan())
    budget = Budget(plan())
    budget.take(run(it, 200))
    assert not budget.has_time(it)
    assert budget.most_ns([it]) == 0


def test_first_runs_are_made_were_the_budget_spent() -> None:
    swept = plan(settings=tuple(SETTINGS.model_copy(update={"n_batch": n}) for n in (1, 2, 3)))
    first, *others = configurations_of(swept)
    budget = Budget(swept)
    budget.take(run(first, 400))
    assert budget.most_ns([first, *others]) == 800 * S


def test_an_interrupted_run_costs_its_time_and_tells_no_duration() -> None:
    (it,) = configurations_of(plan())
    budget = Budget(plan())
    budget.take(run(it, 5, outcome=Outcome(status="failed", reason="interrupted")))
    assert (budget.n_runs(it), budget.left_ns(it.model.key)) == (0, 295 * S)
    assert budget.most_ns([it]) == 295 * S


def test_stored_runs_took_as_long_as_until_the_next_one_began() -> None:
    (it,) = configurations_of(plan())
    at = ("17:00:00", "17:00:15", "17:00:30", "18:30:00")
    runs = [run(it, 10, started_at=f"2026-11-23T{each}+00:00") for each in at]
    budget = Budget(plan())
    budget.take_stored(runs)
    # Of the third, before a break, and the last only their own durations are known.
    assert budget.left_ns(it.model.key) == (300 - 15 - 15 - 10 - 10) * S
    assert budget.n_runs(it) == 4


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=11))
def test_less_is_left_with_every_run_and_never_more_than_the_budget(seconds: list[float]) -> None:
    (it,) = configurations_of(plan())
    budget = Budget(plan())
    for each in seconds:
        budget.take(run(it, each))
        left_ns = budget.left_ns(it.model.key)
        assert 0 <= budget.most_ns([it]) <= left_ns <= 300 * S
        assert budget.has_time(it) or budget.most_ns([it]) == 0
