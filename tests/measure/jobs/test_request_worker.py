"""The worker that asks a server, as a process of its own, against a real one and a faulty one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter_ns

import pytest
from make import fault_server
from make.fault_server import CHAT, FaultServer, Script

from harness.measure.jobs.measure import MeasureReport, measure
from harness.measure.jobs.request import RequestJob
from harness.schema.served import Served
from harness.schema.workload_tasks import TASK_TOKENS
from harness.serving.server import RunningServer

MINUTE_NS = 60 * 10**9


@pytest.fixture
def faulty() -> Iterator[FaultServer]:
    with fault_server.serving() as it:
        yield it


def job_of(url: str, **changes: object) -> RequestJob:
    now_ns = perf_counter_ns()
    served = Served(url=url, model="tiny", server="llama-server", is_local=True)
    return RequestJob.model_validate(
        {
            "served": served,
            "workloads": ("chat",),
            "n_trials": 2,
            "n_trials_max": 2,
            "silence_ns": MINUTE_NS,
            "started_ns": now_ns,
            "deadline_ns": now_ns + MINUTE_NS,
            **changes,
        }
    )


def ask(url: str, folder: Path, **changes: object) -> MeasureReport:
    return measure(job_of(url, **changes), log=folder / "worker.log")


def test_a_server_is_measured_as_the_engine_is(llama_server: RunningServer, tmp_path: Path) -> None:
    report = ask(llama_server.url, tmp_path)
    assert report.outcome.status == "ok", report.outcome
    assert report.engine is None
    assert report.load is not None
    assert [mark.at for mark in report.memory] == ["start", "loaded", "end"]
    trials = [trial for trial in report.trials if not trial.is_warm_up]
    assert [trial.index for trial in trials] == [0, 1]
    for trial in trials:
        (request,) = trial.requests
        assert (trial.n_tokens, request.n_tokens, request.finish) == (64, 64, "length")
        assert trial.ttft_ns is not None
        assert trial.ttft_ns + sum(trial.step_ns) == trial.total_ns == request.answered_ns
        assert request.n_cached == 0
        assert trial.counters is not None
        # The server's time is ours: it computed most of the trial.
        assert trial.counters.process_cpu_ns > trial.total_ns // 20


def test_two_requests_have_no_text_in_common_at_their_start(
    faulty: FaultServer, tmp_path: Path
) -> None:
    faulty.says(CHAT, fault_server.answer(("one", "two")))
    ask(faulty.url, tmp_path)
    texts = [asked.document["messages"][0]["content"] for asked in faulty.requests]
    starts = {text[:16] for text in texts}
    assert len(texts) == len(starts) >= 4


def test_a_server_that_answers_nothing_is_a_failure_with_a_reason(
    faulty: FaultServer, tmp_path: Path
) -> None:
    faulty.says(CHAT, Script(status=500))
    report = ask(faulty.url, tmp_path)
    assert (report.outcome.status, report.outcome.reason) == ("failed", "http-error")
    assert report.outcome.message
    assert "500" in report.outcome.message
    assert report.trials == ()


def test_the_key_is_in_no_event_and_no_log(
    faulty: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-very-secret-0123456789")
    faulty.says(CHAT, Script(status=401))
    report = ask(faulty.url, tmp_path, key_variable="SOME_KEY")
    assert report.outcome.reason == "refused"
    assert faulty.requests[0].headers["authorization"] == "Bearer sk-very-secret-0123456789"
    assert "very-secret" not in repr(report)
    assert "very-secret" not in (tmp_path / "worker.log").read_text()


def test_a_prompt_of_a_chosen_length_is_asked_for(
    llama_server: RunningServer, tmp_path: Path
) -> None:
    report = ask(llama_server.url, tmp_path, workloads=("pp300+tg8",), n_trials=1)
    assert report.outcome.status == "ok", report.outcome
    trial = report.trials[-1]
    assert trial.n_prompt is not None
    assert abs(trial.n_prompt - 300) <= 6
    assert trial.n_tokens == 8


def test_users_are_served_at_once(llama_server: RunningServer, tmp_path: Path) -> None:
    loads = ("pp120+tg16x4", "pp120+tg8@r50")
    report = ask(llama_server.url, tmp_path, workloads=loads, n_trials=3, n_trials_max=9)
    assert report.outcome.status == "ok", report.outcome
    closed, opened = (trial for trial in report.trials if not trial.is_warm_up)
    assert len(closed.requests) == 12
    assert closed.n_tokens == 12 * 16
    # Two slots: of four users two wait, and never does one wait for all the others.
    first, second = sorted(request.sent_ns for request in closed.requests)[:2]
    assert second - first < min(request.answered_ns for request in closed.requests)
    assert len(opened.requests) == 100
    dues = [request.due_ns for request in opened.requests if request.due_ns is not None]
    assert len(dues) == 100
    assert 1 < (max(dues) - min(dues)) / 1e9 < 4


def test_users_who_are_refused_are_a_figure_and_no_failure(
    faulty: FaultServer, tmp_path: Path
) -> None:
    good = fault_server.answer(("one", "two"))
    busy = Script(status=429, headers={"Retry-After": "1"})
    faulty.says(CHAT, good, good, good, busy, good)
    report = ask(faulty.url, tmp_path, workloads=("chatx2",), n_trials=1)
    assert report.outcome.status == "ok", report.outcome
    (trial,) = (trial for trial in report.trials if not trial.is_warm_up)
    reasons = [request.failure.reason for request in trial.requests if request.failure]
    assert reasons == ["rate-limited"]
    assert trial.n_tokens == 2 * 5


BUSY = Script(status=429, headers={"Retry-After": "1"})
WORDS = fault_server.answer(("one", "two", "three"))


def test_what_is_not_answered_under_load_is_a_figure_and_no_failure(
    faulty: FaultServer, tmp_path: Path
) -> None:
    # The first answer, a warm-up of two users of whom nobody is answered, and then every other.
    faulty.says(CHAT, WORDS, BUSY, BUSY, *(BUSY, WORDS) * 2, BUSY, WORDS)
    report = ask(faulty.url, tmp_path, workloads=("chatx2",), n_trials=1, n_trials_max=1)
    assert report.outcome.status == "ok", report.outcome
    (trial,) = report.trials
    reasons = [request.failure and request.failure.reason for request in trial.requests]
    assert sorted(reasons, key=str) == [None, None, None, *["rate-limited"] * 3]
    assert trial.n_tokens == 9


def test_a_load_of_which_nothing_is_answered_fails_and_the_next_one_is_measured(
    faulty: FaultServer, tmp_path: Path
) -> None:
    faulty.says(CHAT, WORDS, *(BUSY,) * 8, WORDS)
    loads = ("chatx2", "chat")
    report = ask(faulty.url, tmp_path, workloads=loads, n_trials=1, n_trials_max=1)
    (failure,) = report.case_failures
    assert (failure.workload, failure.reason) == ("chatx2", "rate-limited")
    assert [trial.workload for trial in report.trials] == ["chat", "chat"]


@pytest.mark.slow
def test_an_open_loop_ends_with_its_time_and_what_is_not_done_then_is_late(
    faulty: FaultServer, tmp_path: Path
) -> None:
    # A trickle that would go on for ever: something comes again and again, and never the end.
    trickle = Script(tuple((0.05, fault_server.event(f"w{n}")) for n in range(4000)))
    faulty.says(CHAT, WORDS, WORDS, WORDS, trickle)
    now_ns = perf_counter_ns()
    report = ask(
        faulty.url,
        tmp_path,
        workloads=("chat@r2",),
        n_trials=1,
        n_trials_max=1,
        silence_ns=5 * 10**8,
        started_ns=now_ns,
        deadline_ns=now_ns + 3 * 10**9,
    )
    assert report.outcome.status == "ok", report.outcome
    trial = report.trials[-1]
    # Forty of them at two a second would be twenty seconds.
    assert 1 < len(trial.requests) < 40
    first, *others = trial.requests
    assert first.failure is None
    assert {request.failure and request.failure.reason for request in others} == {"late"}


def test_every_text_of_a_task_is_asked_of_a_server(
    llama_server: RunningServer, tmp_path: Path
) -> None:
    report = ask(llama_server.url, tmp_path, workloads=("story",), n_trials=1, n_trials_max=1)
    assert report.outcome.status == "ok", report.outcome
    (trial,) = (trial for trial in report.trials if not trial.is_warm_up)
    assert [request.n_tokens for request in trial.requests] == [TASK_TOKENS] * 4
    assert trial.n_tokens == 4 * TASK_TOKENS
    assert trial.total_ns == sum(request.answered_ns for request in trial.requests)
    sent = [request.sent_ns for request in trial.requests]
    assert sent == sorted(sent)


def test_a_task_of_which_one_answer_fails_has_failed(faulty: FaultServer, tmp_path: Path) -> None:
    good = fault_server.answer(("one", "two"))
    faulty.says(CHAT, good, good, good, Script(status=500), good)
    report = ask(faulty.url, tmp_path, workloads=("story",), n_trials=1, n_trials_max=1)
    (failure,) = report.case_failures
    assert (failure.workload, failure.reason) == ("story", "http-error")
