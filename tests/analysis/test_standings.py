"""How machines stand in what they all measured."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.machines import RATES, entries, experiment_on, models_called, numbered
from make.records import make_experiment, make_failed_run, make_machine, make_run, make_served

from harness.analysis.courses import courses_of, differences_of, files_of
from harness.analysis.measured import measured_of
from harness.analysis.standings import Entry, Rules, Standings, entries_of, standings_of
from harness.analysis.stats.ratio import CONFIDENCE, compare_apart
from harness.schema.settings import Settings


def fleet(**given: object) -> list[Entry]:
    return numbered(
        [
            entries(experiment_on(name, 2 + at), at, slowdown=slowdown, seed=at, **given)
            for at, (name, slowdown) in enumerate(RATES.items())
        ]
    )


def standings(found: list[Entry], **rules: object) -> dict[tuple[str, str], Standings]:
    """By workload and metric."""
    each = (
        it
        for course in courses_of(found).common
        for it in standings_of(course.name, course.entries, Rules(**rules))  # type: ignore[arg-type]
    )
    return {(it.workload, it.metric): it for it in each}


def test_the_best_stands_first_and_all_are_set_against_the_first_machine() -> None:
    rows = standings(fleet())["tg128", "tok_per_s"].rows
    assert [row.entry.machine for row in rows] == [2, 1, 0]
    fast, middle, slow = rows
    assert slow.is_baseline
    assert slow.comparison is None
    for row, factor in ((fast, 1 / 0.25), (middle, 1 / 0.6)):
        assert row.comparison
        assert row.comparison.pairing == "unpaired"
        assert row.comparison.confidence == CONFIDENCE
        assert row.comparison.low < factor < row.comparison.high
        assert row.comparison.verdict == "better"


def test_a_baseline_can_be_asked_for_and_is_never_replaced() -> None:
    rows = standings(fleet(), baseline=2)["tg128", "tok_per_s"].rows
    assert [row.is_baseline for row in rows] == [True, False, False]
    assert {row.comparison.verdict for row in rows if row.comparison} == {"worse"}
    rows = standings(fleet(), baseline=7)["tg128", "tok_per_s"].rows
    assert all(row.comparison is None for row in rows)
    assert {row.note for row in rows} == {"the baseline has no such figure"}


def test_what_the_engine_counts_is_alike_on_all() -> None:
    found = standings(fleet())
    assert found["", "need"].is_exactly_alike
    assert not found["tg128", "tok_per_s"].is_exactly_alike


def test_memory_of_other_contexts_is_not_compared() -> None:
    longer = experiment_on("fast", 4, workloads=("tg128@d4096", "tg128"))
    found = numbered([entries(experiment_on("slow"), 0), entries(longer, 1)])
    row = next(it for it in standings(found)["", "need"].rows if not it.is_baseline)
    assert row.figure
    assert row.comparison is None
    assert "other contexts" in row.note


def test_a_machine_where_it_failed_stands_last_with_its_reason() -> None:
    failing = make_experiment(machine=make_machine(id="fails", cpu="Fails"))
    (measured,) = measured_of(failing, [make_failed_run()])
    found = [*fleet(), *entries_of(3, measured, is_asked_often=False)]
    last = standings(found)["tg128", "tok_per_s"].rows[-1]
    assert last.figure is None
    assert "not enough memory" in last.note


def test_the_lead_is_the_best_by_the_next() -> None:
    lead = standings(fleet())["tg128", "tok_per_s"].lead
    assert lead
    assert lead.low < 0.6 / 0.25 < lead.high
    assert lead.verdict == "better"


def test_what_one_machine_alone_measured_is_not_compared() -> None:
    alone = experiment_on("alone", 8, models=models_called("other:Q8_0"))
    found = courses_of([*fleet(), *entries(alone, 3)])
    assert {course.name for course in found.lone} == {"other:Q8_0"}
    assert all(len(course.entries) == 3 for course in found.common)


def test_threads_are_a_machines_own_and_other_settings_keep_machines_apart() -> None:
    plain = entries(experiment_on("slow"), 0)
    typed = experiment_on("fast", 4, settings=(Settings(n_threads=4, flash_attn="on"),))
    found = [*plain, *entries(typed, 1)]
    assert courses_of(found).common == ()
    (name,) = {course.name for course in courses_of(found, ("settings",)).common}
    assert name == "smollm2-135m:Q4_1"
    common = courses_of(found, ("settings",)).common
    told = {it.fact: it.machines for it in differences_of(common)}
    assert told == {"threads": {"2": (0,), "4": (1,)}, "flash-attn": {"auto": (0,), "on": (1,)}}


def test_a_sweep_is_not_chosen_from() -> None:
    swept = experiment_on("fast", 4, settings=(Settings(n_threads=2), Settings(n_threads=4)))
    found = courses_of([*fleet(), *entries(swept, 3)])
    (which,) = found.ambiguous
    assert (which.machine, which.settings) == (3, ("threads 2", "threads 4"))
    assert all(3 not in {it.machine for it in course.entries} for course in found.common)


def test_two_files_of_one_name_are_two_models() -> None:
    (one,), (other,) = models_called("m:Q4_0"), models_called("m:Q8_0")[:1]
    other = other.model_copy(update={"key": "m:Q4_0", "sha256": "f" * 64})
    found = [
        *entries(experiment_on("slow", models=(one,)), 0),
        *entries(experiment_on("fast", models=(one,)), 1),
        *entries(experiment_on("middle", models=(other,)), 2),
    ]
    courses = courses_of(found)
    assert {course.name for course in courses.common} == {"m:Q4_0 · sha256 00000000"}
    assert {course.name for course in courses.lone} == {"m:Q4_0 · sha256 ffffffff"}
    (told,) = files_of((*courses.common, *courses.lone))
    assert told.machines == {"sha256 00000000": (0, 1), "sha256 ffffffff": (2,)}


def test_a_file_of_unknown_digest_is_the_one_of_its_name() -> None:
    (known,) = models_called("m:Q4_0")
    unknown = known.model_copy(update={"sha256": None})
    found = [
        *entries(experiment_on("slow", models=(known,)), 0),
        *entries(experiment_on("fast", models=(unknown,)), 1),
    ]
    assert {course.name for course in courses_of(found).common} == {"m:Q4_0"}


def test_a_served_model_is_one_whatever_port_its_server_has() -> None:
    found = []
    for at, port in enumerate((8080, 9090)):
        plain = make_served(key=f"smollm2@127.0.0.1:{port}")
        served = plain.served.model_copy(update={"url": f"http://127.0.0.1:{port}"})
        model = plain.model_copy(update={"served": served})
        made = experiment_on(
            ("slow", "fast")[at], models=(model,), settings=(served.settings,), workloads=("chat",)
        )
        found += entries(made, at)
    assert {course.workload for course in courses_of(found).common} >= {"chat"}


values = st.lists(st.floats(10, 1000), min_size=2, max_size=6)


@settings(deadline=None, max_examples=10)
@given(values, values, st.floats(0.1, 10))
def test_a_ratio_turns_around_with_the_baseline_and_does_not_know_the_unit(
    a: list[float], b: list[float], unit: float
) -> None:
    def of(baseline: int, scale: float) -> tuple[float, float, float]:
        found = []
        for at, rates in enumerate((a, b)):
            made = experiment_on(("slow", "fast")[at], workloads=("tg128",))
            settings = made.plan.settings[0]
            runs = [
                make_run(i, ("tg128",), {"tg128": rate * scale}, n_trials=1, settings=settings)
                for i, rate in enumerate(rates)
            ]
            (measured,) = measured_of(made, runs)
            found += entries_of(at, measured, is_asked_often=False)
        rows = standings(found, baseline=baseline)["tg128", "tok_per_s"].rows
        comparison = next(row.comparison for row in rows if row.comparison)
        return comparison.ratio, comparison.low, comparison.high

    ratio, low, high = of(0, 1.0)
    other = of(1, unit)
    # Rates are kept as whole nanoseconds of a trial.
    assert ratio == pytest.approx(1 / other[0], rel=1e-3)
    if low > 0:
        assert (low, high) == pytest.approx((1 / other[2], 1 / other[1]), rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("n_runs", [(3, 3), (5, 12), (12, 12)], ids=str)
@pytest.mark.parametrize("spreads", [(0.02, 0.02), (0.01, 0.08)], ids=str)
def test_equal_machines_are_equal_at_the_stated_rate(
    n_runs: tuple[int, int], spreads: tuple[float, float]
) -> None:
    """A/A: of 4,000 pairs of equals hardly one in a hundred has an interval without 1."""
    rng = random.Random(5)
    n, n_missed = 4000, 0
    for _ in range(n):
        a, b = (
            [rng.lognormvariate(0, spread) for _ in range(count)]
            for count, spread in zip(n_runs, spreads, strict=True)
        )
        found = compare_apart(a, b, is_more_better=True)
        assert found
        n_missed += not found.low <= 1 <= found.high
    # Welch's interval is not exact, and of 4,000 pairs 1 % is 40 ± 6.
    assert n_missed / n < 0.016
