"""What is to be known of a server's answers before their figures are believed."""

from __future__ import annotations

from typing import Any

import pytest
from make.records import make_experiment, make_served, run_of
from make.trials import make_trial

from harness.analysis.findings import findings
from harness.analysis.measured import measured_of
from harness.schema.request import Request, RequestFailure, ServerTimes

MS = 1_000_000


def request(**changes: Any) -> Request:
    """64 tokens at 100 a second, as the server says too."""
    facts: dict[str, Any] = {
        "ttft_ns": 200 * MS,
        "gap_ns": (10 * MS,) * 63,
        "total_ns": 831 * MS,
        "n_prompt": 280,
        "n_cached": 0,
        "n_tokens": 64,
        "finish": "length",
        "server": ServerTimes(prompt_ns=190 * MS, decode_ns=630 * MS, n_tokens=64),
    }
    return Request.model_validate(facts | changes)


def told(*requests: Request, **served: Any) -> str:
    model = make_served()
    model = model.model_copy(update={"served": model.served.model_copy(update=served)})
    settings = model.served.settings
    experiment = make_experiment(("chat",), models=(model,), settings=(settings,))
    trials = [make_trial("chat", 100, index, requests=(it,)) for index, it in enumerate(requests)]
    run = run_of(*trials, model=model.key, settings=settings)
    return "\n".join(it.text for it in findings(measured_of(experiment, [run])))


def test_answers_as_they_should_be_are_not_spoken_of() -> None:
    text = told(request(), request())
    for word in ("cache", "ended", "events", "own times", "loaded", "failed", "one piece"):
        assert word not in text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_cached": None}, "cache use unknown"),
        ({"n_cached": 140}, "up to 50.0 % of a prompt came from the server's cache"),
        ({"n_tokens": 20}, "ended before 64 tokens, the shortest after 20"),
        ({"n_tokens": None}, "the server counts no tokens"),
        ({"gap_ns": (20 * MS,) * 31}, "2.00 tokens an event"),
        ({"gap_ns": (5 * MS,) * 127}, "counts 0.5 tokens an event, which cannot be"),
        (
            {"server": ServerTimes(decode_ns=315 * MS, n_tokens=64)},
            "say 100.0 % more decode tok/s than its answers show",
        ),
        (
            {"server": ServerTimes(n_draft=40, n_draft_accepted=30, decode_ns=630 * MS)},
            "guesses ahead: 75.0 % of 40 tokens were right",
        ),
        ({"gap_ns": (MS // 500,) * 63}, "answers came in one piece"),
        ({"server": ServerTimes(load_ns=3000 * MS)}, "loaded the model again in 1 of 1 requests"),
    ],
)
def test_what_makes_figures_mean_less_is_said(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in told(request(**changes))


def test_requests_that_failed_are_counted_and_the_first_is_told() -> None:
    failure = RequestFailure(reason="rate-limited", message="busy, says the server", status=429)
    text = told(request(), request(), Request(failure=failure))
    assert "1 of 3 requests (33.3 %) failed: busy, says the server" in text


def test_of_a_server_elsewhere_nothing_else_is_known() -> None:
    assert "ran elsewhere" in told(request(), is_local=False)
    assert "ran elsewhere" not in told(request())


def test_a_model_that_was_swapped_is_told_from_one_that_is_called_otherwise() -> None:
    assert "calls the model that answered org/tiny" in told(*[request(model="org/tiny")] * 2)
    swapped = told(request(), request(model="big"), request(model="big"))
    assert "another model answered 2 of 3 requests, by the server's word: big" in swapped
