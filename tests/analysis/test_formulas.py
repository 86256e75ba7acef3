from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import make_machine, run_of
from make.trials import disturbed_counters, make_trial

from harness.analysis.formulas import run_values

MACHINE = make_machine()
SECOND = 1_000_000_000


def test_the_value_of_a_run_is_the_median_of_its_clean_trials() -> None:
    run = run_of(
        make_trial("pp512", 50, 0, is_warm_up=True),
        make_trial("pp512", 300, 0),
        make_trial("pp512", 310, 1),
        make_trial("pp512", 330, 2),
        make_trial("pp512", 100, 3, counters=disturbed_counters()),
    )
    assert run_values(run, "pp512", MACHINE)["tok_per_s"] == pytest.approx(310)
    assert run_values(run, "pp512", MACHINE, "disturbed")["tok_per_s"] == pytest.approx(100)
    assert run_values(run, "tg128", MACHINE) == {}


def test_inter_token_percentiles_pool_the_steps_of_a_run() -> None:
    steps = tuple(range(1_000_000, 1_050_000, 1000))  # 50 steps in each of two trials
    trial = make_trial("tg50", step_ns=steps)
    values = run_values(run_of(trial, trial.model_copy(update={"index": 1})), "tg50", MACHINE)
    assert values["itl_p50"] == pytest.approx(1_024_500)
    assert values["itl_p95"] == pytest.approx(1_047_000, abs=1000)
    assert values["itl_p99"] == pytest.approx(1_049_000)


def test_several_sequences_have_a_rate_together_and_one_each() -> None:
    steps = (10_000_000,) * 32
    trial = make_trial("tg32x4", n_tokens=128, total_ns=sum(steps), step_ns=steps)
    values = run_values(run_of(trial), "tg32x4", MACHINE)
    assert values["tok_per_s"] == pytest.approx(400)
    assert values["tok_per_s_per_user"] == pytest.approx(100)
    assert values["itl_p50"] == 10_000_000
    prompt = make_trial("pp16x2", n_tokens=32, total_ns=SECOND)
    assert run_values(run_of(prompt), "pp16x2", MACHINE) == {
        "tok_per_s": pytest.approx(32), "tok_per_s_per_user": pytest.approx(16),
    }  # fmt: skip


def test_a_percentile_without_enough_steps_is_left_out() -> None:
    values = run_values(run_of(make_trial("tg32")), "tg32", MACHINE)
    assert "itl_p95" in values
    assert "itl_p99" not in values


def test_chat_yields_what_a_person_feels() -> None:
    trial = make_trial("chat", 50, n_prompt=200, ttft_ns=SECOND // 2)
    values = run_values(run_of(trial), "chat", MACHINE)
    assert values["ttft"] == SECOND / 2
    assert values["prefill_tok_per_s"] == pytest.approx(400)
    assert values["decode_tok_per_s"] == pytest.approx(50)
    assert values["itl_p50"] == pytest.approx(SECOND / 50)
    assert values["end_to_end"] == trial.total_ns
    assert "tok_per_s" not in values


def test_the_rate_of_a_task_is_that_of_all_its_answers_together() -> None:
    trial = make_trial("story", 50)
    assert {request.decode_ns for request in trial.requests} != {trial.requests[0].decode_ns}
    values = run_values(run_of(trial), "story", MACHINE)
    assert values == {"decode_tok_per_s": pytest.approx(50)}
    of_server = [request.model_copy(update={"token_ids": ()}) for request in trial.requests]
    served = make_trial("story", 50, requests=tuple(of_server))
    assert run_values(run_of(served), "story", MACHINE)["tokens_per_event"] == 1


def test_sustain_shows_throttling_from_its_first_to_its_last_quarter() -> None:
    trial = make_trial(
        "sustain8",
        n_tokens=600,
        total_ns=8 * SECOND,
        window_tokens=(100, 100, 80, 80, 70, 70, 50, 50),
        window_ns=(SECOND,) * 8,
    )
    values = run_values(run_of(trial), "sustain8", MACHINE)
    assert values["tok_per_s"] == pytest.approx(75)
    assert (values["first_quarter"], values["last_quarter"]) == (100, 50)
    assert values["throttle_ratio"] == pytest.approx(0.5)


def test_too_few_windows_have_no_quarters() -> None:
    values = run_values(run_of(make_trial("sustain3", 90)), "sustain3", MACHINE)
    assert set(values) == {"tok_per_s"}


@given(st.lists(st.floats(1, 1e5), min_size=1, max_size=9), st.sampled_from(["pp512", "tg128"]))
def test_a_runs_rate_lies_between_its_trials(rates: list[float], workload: str) -> None:
    trials = [make_trial(workload, rate, i) for i, rate in enumerate(rates)]
    value = run_values(run_of(*trials), workload, MACHINE)["tok_per_s"]
    assert min(rates) * 0.999 <= value <= max(rates) * 1.001
