"""Gaps between tokens, and long generations."""

from __future__ import annotations

import random
from typing import Any

import pytest
from make.gate import make_candidate, make_rounds
from make.records import make_experiment, run_of
from make.scopes import pictures_of, scope_of, table_of
from make.trials import disturbed_counters, make_counters, make_trial

from harness.report.latency_page import itl_page, sustain_page


def test_every_gap_of_a_clean_trial_stands_in_one_bar() -> None:
    rng = random.Random(3)
    trials = [make_trial("tg128", 100.0, i, rng=rng) for i in range(3)]
    trials.append(make_trial("tg128", 9.0, 3, rng=rng, counters=disturbed_counters()))
    runs = [run_of(*trials, index=i, round=i) for i in range(6)]
    page = itl_page(scope_of((make_experiment(("tg128",)), runs)))
    bars = pictures_of(page)["itl"].marks
    assert sum(float(mark.y) for mark in bars) == 6 * 3 * 128
    (row,) = table_of(page).rows
    assert row[-1] == 6 * 3 * 128
    for mark in bars:
        assert mark.low is not None
        assert mark.high is not None
        assert mark.low < float(mark.x) < mark.high < 12  # ms; the disturbed ones took 111


def test_without_steps_there_is_no_part() -> None:
    experiment = make_candidate(workloads=("pp512",))
    scope = scope_of((experiment, make_rounds(experiment)))
    assert itl_page(scope) == sustain_page(scope) == ()


def test_a_sustained_generation_is_a_line_whose_end_is_said_to_be_throttled() -> None:
    falling: dict[str, Any] = {
        "window_tokens": (100,) * 20 + (60,) * 20,
        "window_ns": (1_000_000_000,) * 40,
        "n_tokens": 3200,
        "total_ns": 40_000_000_000,
    }
    hot = make_counters(40_000_000_000, n_thermal_throttles=7)
    trial = make_trial("sustain40", 100.0, counters=hot, **falling)
    runs = [run_of(trial, index=i, round=i) for i in range(6)]
    page = sustain_page(scope_of((make_experiment(("sustain40",)), runs)))
    picture = pictures_of(page)["sustain"]
    assert [mark.y for mark in picture.marks] == pytest.approx([100.0] * 20 + [60.0] * 20)
    assert [mark.x for mark in picture.marks] == pytest.approx(list(range(1, 41)))
    assert ["throttled" in mark.label for mark in picture.marks] == [False] * 20 + [True] * 20
    (rule,) = picture.rules
    assert rule.axis == "y"
    assert rule.value == pytest.approx(90.0)
    (row,) = table_of(page).rows
    assert row[-1] == "thermal throttling"


def test_a_day_of_sustained_generation_is_no_more_points_than_a_page_can_carry() -> None:
    experiment = make_experiment(("sustain5000",))
    runs = [run_of(make_trial("sustain5000", 100.0))]
    picture = pictures_of(sustain_page(scope_of((experiment, runs))))["sustain"]
    assert 100 < len(picture.marks) <= 600
