"""The loads of a configuration, and which of them is the last that keeps up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from make.loads import LEVEL, MS, answer, load_trial, loaded
from make.records import make_experiment, make_run
from make.trials import disturbed_counters

from harness.analysis.measured import measured_of
from harness.analysis.user_loads import LEAST_IN_TIME, is_less_than_alone, load_series
from harness.report.series_page import cases_apart
from harness.schema.experiment import Trial

IN_TIME, LATE = answer(100, 10), answer(5000, 10)


def trials(**shares: tuple[int, int]) -> dict[str, Trial]:
    """Of each workload so many answers in time and so many late."""
    return {
        name.replace("_", "@"): load_trial(
            name.replace("_", "@"), [IN_TIME] * good + [LATE] * late, 1000
        )
        for name, (good, late) in shares.items()
    }


def test_loads_of_the_same_work_are_put_together_in_their_order() -> None:
    group = loaded(trials(chatx4=(9, 1), chat=(1, 0), chatx2=(2, 0), chat_r1=(8, 0)), slo=LEVEL)
    (series,) = load_series(group)
    assert (series.what, series.is_open) == ("chat", False)
    assert [load.size for load in series.loads] == [1, 2, 4]
    assert [case.workload for case in cases_apart(group)] == ["chat@r1"]
    one, two, _ = series.loads
    # Of one user by the formulas of several, so that they can be held against each other.
    assert one.figures["tok_per_s"].value == 5.0
    assert two.figures["tok_per_s"].value == 10.0
    assert one.in_time == 1.0


def test_of_files_sequences_together_are_loads_of_the_same_work() -> None:
    names = ("pp512", "tg128x4", "tg128", "tg128x4@d64", "tg128x2")
    rates = {"tg128": 100.0, "tg128x2": 150.0, "tg128x4": 90.0}
    runs = [make_run(index, names, rates) for index in range(6)]
    (group,) = measured_of(make_experiment(names), runs)
    (series,) = load_series(group)
    assert [load.case.workload for load in series.loads] == ["tg128", "tg128x2", "tg128x4"]
    before, behind = series.growth
    assert before is series.loads[1]
    assert behind is series.loads[2]
    assert list(is_less_than_alone(series)) == [series.loads[2]]
    assert series.kept == (None, None)


@given(st.lists(st.integers(0, 20), min_size=2, max_size=4))
def test_the_load_that_is_kept_lies_before_the_first_that_is_not(n_good: list[int]) -> None:
    names = [f"chatx{2 ** (at + 1)}" for at in range(len(n_good))]
    each = {
        name: load_trial(name, [IN_TIME] * n + [LATE] * (20 - n), 1000)
        for name, n in zip(names, n_good, strict=True)
    }
    (series,) = load_series(loaded(each, n=1, slo=LEVEL))
    kept, lost = series.kept
    for load in series.loads:
        is_good = load.in_time is not None and load.in_time >= LEAST_IN_TIME
        if kept and load.size <= kept.size:
            assert is_good
    assert lost is None or lost.in_time is None or lost.in_time < LEAST_IN_TIME
    assert kept or lost
    assert not lost or not kept or series.loads.index(lost) == series.loads.index(kept) + 1


def test_of_disturbed_trials_it_is_told_too_how_many_answers_came_in_time() -> None:
    counters = disturbed_counters(1000 * MS)
    spoilt = load_trial("chatx2", [IN_TIME] * 3 + [LATE], 1000, counters=counters)
    group = loaded({"chatx2": spoilt}, slo=LEVEL)
    (case,) = group.cases
    assert case.metrics == {}
    assert case.disturbed["within_slo"].value == 0.75
    assert case.disturbed["goodput"].value == 3.0
