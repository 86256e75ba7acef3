from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.also_served import (
    CHAT,
    RAW,
    SERVED_KEY,
    local_run,
    made_rounds,
    make_also_served,
    served_run,
)
from make.records import KEY, make_failed_run

from harness.analysis.measured import measured_of
from harness.analysis.serving_cost import ServingCost, serving_costs
from harness.schema.experiment import Experiment, Run

ROUNDS = [(60.0, 58.0, 50.0, 48.0)] * 6


def cost_of(runs: list[Run], experiment: Experiment | None = None) -> ServingCost:
    (cost,) = serving_costs(measured_of(experiment or make_also_served(), runs))
    return cost


def test_a_decode_is_told_four_times_each_with_more_around_it() -> None:
    cost = cost_of(made_rounds(ROUNDS))
    assert (cost.local.model.key, cost.served.model.key, cost.workload) == (KEY, SERVED_KEY, CHAT)
    assert [(it.name, it.workload) for it in cost.stages] == [
        ("engine", RAW),
        ("chat", CHAT),
        ("server", CHAT),
        ("received", CHAT),
    ]
    rates = [it.tok_per_s.value for it in cost.stages]
    assert rates == pytest.approx([60, 58, 50, 48], rel=0.02)
    steps = [it.step.ratio for it in cost.stages if it.step]
    assert steps == pytest.approx([58 / 60, 50 / 58, 48 / 50], rel=0.02)
    assert cost.decode is not None
    assert cost.decode.ratio == pytest.approx(48 / 58, rel=0.02)
    assert cost.decode.verdict == "worse"
    assert cost.n_prompts == (250, 280)


@given(factor=st.floats(0.3, 3), drift=st.lists(st.floats(0.2, 5), min_size=6, max_size=6))
def test_what_slows_a_whole_round_is_in_no_ratio(factor: float, drift: list[float]) -> None:
    rounds = [(60.0 * it, 50.0 * it, 50.0 * it, 50.0 * factor * it) for it in drift]
    cost = cost_of(made_rounds(rounds))
    assert cost.decode is not None
    assert cost.decode.ratio == pytest.approx(factor, rel=0.03)
    assert cost.decode.high / cost.decode.low < 1.2


def test_a_round_that_one_side_lacks_says_nothing_of_the_ratio() -> None:
    runs = [*made_rounds(ROUNDS), local_run(6, 600.0, 580.0)]
    cost = cost_of(runs)
    assert cost.decode is not None
    assert cost.decode.n == 6
    assert cost.decode.ratio == pytest.approx(48 / 58, rel=0.02)


def test_a_server_that_does_not_tell_its_times_has_three_stages() -> None:
    runs = made_rounds(ROUNDS)
    silent = [
        run.model_copy(
            update={
                "trials": tuple(
                    trial.model_copy(
                        update={
                            "requests": tuple(
                                it.model_copy(update={"server": None}) for it in trial.requests
                            )
                        }
                    )
                    for trial in run.trials
                )
            }
        )
        for run in runs
    ]
    assert [it.name for it in cost_of(silent).stages] == ["engine", "chat", "received"]


def test_a_server_that_failed_leaves_the_engine_alone() -> None:
    failed = make_failed_run(
        1, round=0, model=SERVED_KEY, settings=served_run(0, 1, 1).settings, workloads=(CHAT,)
    )
    cost = cost_of([local_run(0, 60, 58), failed])
    assert [it.name for it in cost.stages] == ["engine", "chat"]
    assert cost.decode is None
    assert "failed" in cost.served.lack(CHAT).why


@pytest.mark.parametrize(
    ("version", "is_same"),
    [
        ("xllamacpp 2026.10.11549", False),
        ("0.5.0-dev (build 1, commit 0123abc)", True),
        ("4321 (0123abcd)", True),
        (None, False),
    ],
)
def test_the_same_build_is_told_by_its_commit(version: str | None, is_same: bool) -> None:
    experiment = make_also_served(version=version)
    assert cost_of(made_rounds(ROUNDS), experiment).is_same_build is is_same


def test_sources_that_were_patched_are_the_same_build() -> None:
    made = make_also_served(version="0.5.0-dev (build 1, commit 0123abc)")
    engine = made.provenance.engine.model_copy(update={"library_commit": "0123abc-dirty"})
    provenance = made.provenance.model_copy(update={"engine": engine})
    experiment = made.model_copy(update={"provenance": provenance})
    assert cost_of(made_rounds(ROUNDS), experiment).is_same_build


def test_a_server_that_nobody_started_for_a_file_has_no_cost() -> None:
    experiment = make_also_served(started_for=None)
    assert serving_costs(measured_of(experiment, made_rounds(ROUNDS))) == ()
