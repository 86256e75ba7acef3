"""What the answers to several users say together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.loads import MS, SECOND, answer
from make.trials import make_trial

from harness.analysis.requests import guess_values, is_within, load_values, slo_values
from harness.schema.experiment import Trial
from harness.schema.request import (
    Request,
    RequestFailure,
    ServerTimes,
    ServiceLevel,
    Speculation,
)

FAILED = Request(failure=RequestFailure(reason="rate-limited", message="429", status=429))


def trial(*requests: Request, total_ns: int = SECOND) -> Trial:
    n_tokens = sum(request.n_tokens or 0 for request in requests)
    return make_trial("chatx2", requests=requests, n_tokens=max(1, n_tokens), total_ns=total_ns)


def test_figures_are_of_all_answers_and_failures_of_all_requests() -> None:
    values = load_values([trial(answer(100, 10), answer(300, 30), FAILED, total_ns=2 * SECOND)])
    assert values["tok_per_s"] == pytest.approx(5)
    assert values["requests_per_s"] == pytest.approx(1)
    assert values["failed_ratio"] == pytest.approx(1 / 3)
    assert values["ttft"] == 200 * MS
    assert values["tok_per_s_per_user"] == pytest.approx((100 + 1000 / 30) / 2)
    assert "ttft_p95" not in values
    assert "queued" not in values


def test_what_a_request_waited_to_be_sent_counts() -> None:
    late = answer(100, 10, due_ns=0, sent_ns=50 * MS, server=ServerTimes(prompt_ns=30 * MS))
    values = load_values([trial(late)])
    assert values["ttft"] == 150 * MS
    assert values["queued"] == 120 * MS


def test_goodput_counts_the_answers_that_came_in_time() -> None:
    level = ServiceLevel(ttft_ns=200 * MS, itl_ns=20 * MS)
    requests = (answer(100, 10), answer(300, 10), answer(100, 30), FAILED)
    values = slo_values([trial(*requests, total_ns=2 * SECOND)], level)
    assert values == {"goodput": pytest.approx(0.5), "within_slo": pytest.approx(0.25)}
    assert slo_values([trial(*requests)], None) == {}


@given(
    ttft_ms=st.integers(1, 1000),
    gap_ms=st.integers(0, 100),
    n_tokens=st.integers(1, 30),
    limits_ms=st.tuples(st.integers(1, 1000), st.integers(1, 100)),
)
def test_a_wider_level_takes_no_answer_out(
    ttft_ms: int, gap_ms: int, n_tokens: int, limits_ms: tuple[int, int]
) -> None:
    request = answer(ttft_ms, gap_ms, n_tokens)
    ttft_ns, itl_ns = (limit * MS for limit in limits_ms)
    narrow = is_within(request, ServiceLevel(ttft_ns=ttft_ns, itl_ns=itl_ns))
    assert narrow == (ttft_ms * MS <= ttft_ns and (n_tokens == 1 or gap_ms * MS <= itl_ns))
    assert is_within(request, ServiceLevel(ttft_ns=ttft_ns + MS)) or not narrow
    assert is_within(request, ServiceLevel())


def test_guesses_are_counted_by_the_engine_here_step_by_step() -> None:
    guessed = Speculation(drafted=(4, 0, 4, 2), accepted=(4, 0, 1, 0), draft_ns=7)
    request = answer(100, 10, n_tokens=10, speculation=guessed)
    assert guess_values([request]) == {
        "accepted_ratio": pytest.approx(5 / 10),
        # A first token, then 9 in 4 steps.
        "tokens_per_step": pytest.approx(9 / 4),
    }
    assert guess_values([answer(100, 10)]) == {}


def test_a_server_that_says_nothing_of_one_answer_guessed_nothing_in_it() -> None:
    told = answer(100, 10, n_tokens=21, server=ServerTimes(n_draft=30, n_draft_accepted=15))
    silent = answer(100, 10, n_tokens=21, server=ServerTimes(prompt_ns=5))
    assert guess_values([told, silent]) == {
        "accepted_ratio": pytest.approx(0.5),
        "tokens_per_step": pytest.approx(40 / 25),
    }
    assert guess_values([silent]) == {}
    nothing_right = answer(100, 10, n_tokens=9, server=ServerTimes(n_draft=4))
    assert guess_values([nothing_right]) == {"accepted_ratio": 0, "tokens_per_step": 1}
