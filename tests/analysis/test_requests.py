"""What the answers to several users say together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.loads import MS, SECOND, answer
from make.trials import make_trial

from harness.analysis.requests import is_within, load_values, slo_values
from harness.schema.experiment import Trial
from harness.schema.request import Request, RequestFailure, ServerTimes, ServiceLevel

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
