"""Conversations with servers: a real one, and one that says whatever it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from make import fault_server
from make.fault_server import CHAT, DONE, Asked, FaultServer, Script, event, finish, usage
from make.servers import OtherServer

from harness.analysis.formulas import trial_values
from harness.endpoint.failure import RequestFailed
from harness.measure.jobs.asking_worker import Client
from harness.measure.jobs.measure import MeasureReport
from harness.measure.jobs.turns_asking_worker import conversations
from harness.measure.protocol import GO
from harness.schema.experiment import Trial
from harness.schema.served import Served
from harness.schema.workload_turns import Turns
from harness.serving.server import RunningServer
from measure.jobs.test_request_worker import ask, job_of

NAME = "turns3:200+60+4"
# Each kind of text is counted once by a request: a letter, the system prompt, three of messages.
N_BEFORE = 5


@pytest.fixture
def faulty() -> Iterator[FaultServer]:
    with fault_server.serving() as it:
        models = [{"id": "tiny", "object": "model", "owned_by": "somebody"}]
        it.tells("/v1/models", {"object": "list", "data": models})
        yield it


def asked(url: str, folder: Path, name: str = NAME) -> MeasureReport:
    return ask(url, folder, workloads=(name,), n_trials=1, n_trials_max=1)


def trial_of(report: MeasureReport) -> Trial:
    assert report.outcome.status == "ok", report.outcome
    (trial,) = (it for it in report.trials if not it.is_warm_up)
    return trial


def told(n_prompt: int, n_cached: int | None, n_tokens: int = 4) -> Script:
    """A whole answer with these counts."""
    pieces = [(0.0, event(f"word{index} ")) for index in range(n_tokens)]
    return Script((*pieces, (0, finish()), (0, usage(n_prompt, n_tokens, n_cached)), (0, DONE)))


def counted(n_prompt: int) -> Script:
    """What a request that counts a prompt is answered with."""
    return fault_server.told({"usage": {"prompt_tokens": n_prompt}})


def says(server: FaultServer, *answers: Script) -> None:
    """`answers` to the requests of the trial, and something plausible to those before."""
    before = (counted(10), counted(210), *(counted(70) for _ in range(3)))
    assert len(before) == N_BEFORE
    server.says(CHAT, *before, *answers)


def held(server: FaultServer) -> Trial:
    """One conversation with it, in this process."""
    job = job_of(server.url, workloads=(NAME,))
    send = conversations(Turns(3, 200, 60, 4), Client(job), lambda _: GO)(False)
    return Trial.model_validate({"workload": NAME, "index": 0, **send()()})


def of_trial(server: FaultServer) -> list[Asked]:
    """The requests of the trial."""
    return [it for it in server.requests if it.path == CHAT][N_BEFORE:]


def contents(request: Asked) -> list[str]:
    return [message["content"] for message in request.document["messages"]]


def test_a_real_server_keeps_what_the_turns_before_left(
    llama_server: RunningServer, tmp_path: Path
) -> None:
    trial = trial_of(asked(llama_server.url, tmp_path, "turns3:200+60+12"))
    *kept, edited, dropped = trial.requests
    assert [it.history for it in trial.requests] == ["kept"] * 3 + ["edited", "dropped"]
    for before, request in pairwise(kept):
        assert before.n_prompt is not None
        assert request.n_prompt is not None
        assert request.n_cached is not None
        assert request.n_prompt > before.n_prompt
        assert request.n_cached > 0.9 * before.n_prompt
        assert request.sent_ns > before.sent_ns
    assert all(it.n_tokens == 12 for it in kept)
    # Neither the warm-up's cache nor an earlier conversation's helps.
    assert kept[0].n_cached is not None
    assert kept[0].n_cached < 60
    # A byte is a token of this model, in the digits at the beginning and in the template too.
    assert 260 <= (kept[0].n_prompt or 0) < 260 + 120
    assert 200 < (edited.n_cached or 0) < 320
    assert (dropped.n_cached or 0) < 60
    assert edited.n_tokens == dropped.n_tokens == 1
    assert trial.n_tokens == 36
    assert trial.total_ns == sum(it.answered_ns for it in kept)


def test_users_have_their_own_conversations_at_once(
    llama_server: RunningServer, tmp_path: Path
) -> None:
    trial = trial_of(asked(llama_server.url, tmp_path, "turns2x2:200+60+8"))
    assert sorted((it.user, it.turn) for it in trial.requests) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(it.history == "kept" and it.failure is None for it in trial.requests)
    assert trial.n_tokens == 2 * 2 * 8
    firsts = sorted(it.sent_ns for it in trial.requests if it.turn == 0)
    assert firsts[1] - firsts[0] < min(it.answered_ns for it in trial.requests)


def test_each_request_holds_the_whole_conversation(faulty: FaultServer) -> None:
    says(faulty, told(260, 0), told(330, 260), told(400, 330), told(400, 200, 1), told(400, 0, 1))
    trial = held(faulty)
    first, second, third, edited, dropped = map(contents, of_trial(faulty))
    assert second[:2] == first
    assert second[2] == "word0 word1 word2 word3 "
    assert third[:4] == second
    assert len(third) == 6
    assert edited[0] == third[0]
    assert edited[1] != third[1]
    assert edited[2:] == third[2:]
    assert dropped[0][:19] != third[0][:19]
    assert dropped[0][20:] == third[0][20:]
    assert dropped[1:] == third[1:]
    bodies = [it.document for it in of_trial(faulty)]
    assert all(body["cache_prompt"] is True for body in bodies)
    assert [body["max_tokens"] for body in bodies] == [4, 4, 4, 1, 1]
    assert [it.n_cached for it in trial.requests] == [0, 260, 330, 200, 0]


def test_two_trials_begin_differently(faulty: FaultServer) -> None:
    says(faulty, told(400, 0))
    job = job_of(faulty.url, workloads=(NAME,))
    plan = conversations(Turns(3, 200, 60, 4), Client(job), lambda _: GO)
    for is_warm_up in (True, False, False):
        plan(is_warm_up)()()
    starts = {contents(it)[0][:19] for it in of_trial(faulty)}
    # One for each conversation, and another for its last turn with nothing kept.
    assert len(starts) == 1 + 2 * 2


def refused(message: str, status: int = 400) -> Script:
    return fault_server.told({"error": {"message": message}}, status)


@pytest.mark.parametrize(
    ("third", "words"),
    [
        (refused("the request exceeds the available context size"), "available context size"),
        (refused("maximum context length is 1024 tokens", 422), "maximum context length"),
        (told(300, 0), "the server counts 300: it cut the conversation"),
        (told(400, 330, 2), "ended after 2 of 4 tokens, and not by itself"),
    ],
)
def test_a_context_that_is_full_ends_it_and_earlier_turns_count(
    faulty: FaultServer, third: Script, words: str
) -> None:
    says(faulty, told(260, 0), told(330, 260), third, told(330, 200, 1), told(330, 0, 1))
    trial = held(faulty)
    first, second, full, edited, dropped = trial.requests
    assert full.failure is not None
    assert full.failure.reason == "context-full"
    assert words in full.failure.message
    assert (first.failure, second.failure, full.turn) == (None, None, 2)
    # The last turn that was answered is the one asked again.
    assert (edited.turn, dropped.turn) == (1, 1)
    assert trial.n_tokens == 8


def test_another_failure_ends_it_too_and_is_called_what_it_is(faulty: FaultServer) -> None:
    says(faulty, told(260, 0), Script(status=429), told(260, 200, 1), told(260, 0, 1))
    trial = held(faulty)
    assert trial.requests[1].failure is not None
    assert trial.requests[1].failure.reason == "rate-limited"
    assert trial.n_tokens == 4


def test_a_first_turn_that_fails_is_the_failure_of_the_workload(faulty: FaultServer) -> None:
    says(faulty, refused("the request exceeds the available context size"))
    with pytest.raises(RequestFailed) as caught:
        held(faulty)
    assert caught.value.failure.reason == "context-full"
    assert "available context size" in caught.value.failure.message


def test_a_server_that_does_not_tell_what_it_cached_leaves_it_unknown(faulty: FaultServer) -> None:
    says(faulty, *(told(n, None) for n in (260, 330, 400, 400, 400)))
    trial = held(faulty)
    assert {it.n_cached for it in trial.requests} == {None}


def test_an_answer_without_text_is_no_empty_message(faulty: FaultServer) -> None:
    thought: dict[str, Any] = {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}
    pieces = (fault_server.sse(thought), finish(), usage(260, 4, 0), DONE)
    says(faulty, Script(tuple((0.0, it) for it in pieces)), told(330, 260), told(400, 330))
    held(faulty)
    assert contents(of_trial(faulty)[1])[2] == "..."


def test_a_server_that_counts_what_it_computed_alone_cut_nothing(faulty: FaultServer) -> None:
    says(faulty, *(told(n, None) for n in (260, 70, 71, 70, 260)))
    trial = held(faulty)
    assert [it.failure for it in trial.requests] == [None] * 5


def test_a_server_that_counts_no_tokens_is_measured_by_its_events(
    llama_cpp_python_server: OtherServer,
) -> None:
    url, model = llama_cpp_python_server.url, llama_cpp_python_server.model
    served = Served(url=url, model=model, server="llama-cpp-python", is_local=True)
    client = Client(job_of(url, workloads=(NAME,)).model_copy(update={"served": served}))
    facts = conversations(Turns(2, 200, 60, 8), client, lambda _: GO)(False)()()
    trial = Trial.model_validate({"workload": "turns2:200+60+8", "index": 0, **facts})
    assert [it.failure for it in trial.requests] == [None] * 4
    assert trial.requests[0].n_tokens is None
    values = trial_values(trial)
    assert values["decode_tok_per_s"] > 0
    assert {"ttft_kept", "ttft_dropped"} <= values.keys()
    assert "cached_ratio" not in values
