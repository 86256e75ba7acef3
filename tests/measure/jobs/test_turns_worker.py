"""Conversations in a worker: the real one, with the real engine, on tiny models."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from time import perf_counter_ns
from typing import cast

import pytest
from make.other_kinds import mamba
from make.small_models import write_small_model

from harness.engine.context import Context
from harness.engine.failure import EngineFailed
from harness.engine.model import Message, Model
from harness.measure.jobs.measure import MeasureJob, MeasureReport, TurnEvent, measure
from harness.measure.jobs.turns_worker import TurnsBench
from harness.measure.protocol import Event
from harness.schema.experiment import ChatTemplate, Trial
from harness.schema.settings import Settings
from harness.schema.workload import parse_workload
from harness.schema.workload_turns import Turns
from measure.jobs.test_parallel import measured

NAME = "turns3:200+60+12"


def trial_of(report: MeasureReport, name: str) -> Trial:
    assert report.outcome.status == "ok", report.outcome
    assert not report.case_failures, report.case_failures
    (trial,) = (it for it in report.trials if it.workload == name and not it.is_warm_up)
    return trial


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Trial:
    return trial_of(measured(tiny_model, tmp_path_factory.mktemp("turns"), NAME), NAME)


def test_each_turn_finds_what_the_turns_before_left(trial: Trial) -> None:
    kept = [it for it in trial.requests if it.history == "kept"]
    assert [it.turn for it in kept] == [0, 1, 2]
    assert kept[0].n_cached == 0
    for before, request in pairwise(kept):
        assert before.n_prompt is not None
        assert request.n_cached is not None
        assert request.n_prompt is not None
        # The prompt before, and of its answer what is text; never more than was computed.
        assert before.n_prompt <= request.n_cached < before.n_prompt + 12
        assert request.n_prompt >= before.n_prompt + 60
        assert request.sent_ns >= before.sent_ns + before.answered_ns
    for request in kept:
        assert request.n_tokens == 12
        assert len(request.gap_ns) == 11
    assert trial.n_tokens == 36
    assert trial.total_ns >= sum(it.answered_ns for it in kept) - 1000
    assert (trial.n_prompt, trial.ttft_ns) == (kept[0].n_prompt, kept[0].ttft_ns)
    task = parse_workload(NAME)
    assert isinstance(task, Turns)
    assert abs((kept[0].n_prompt or 0) - task.n_prompt) < 96


def test_the_last_turn_is_asked_again_after_a_change_and_with_nothing_kept(trial: Trial) -> None:
    *_, last, edited, dropped = trial.requests
    assert [it.history for it in (last, edited, dropped)] == ["kept", "edited", "dropped"]
    assert (edited.turn, dropped.turn, dropped.n_cached) == (2, 2, 0)
    assert dropped.n_prompt == last.n_prompt
    # The system prompt stands before what was changed, two thirds of all behind it.
    assert edited.n_cached is not None
    assert 200 <= edited.n_cached < 200 + 60
    assert edited.n_tokens == dropped.n_tokens == 1


def test_a_session_is_saved_and_put_back(trial: Trial) -> None:
    session = trial.session
    assert session is not None
    last = [it for it in trial.requests if it.history == "kept"][-1]
    # Its last token is never read.
    assert session.n_tokens == (last.n_prompt or 0) + 12 - 1
    assert session.n_bytes > session.n_tokens * 64
    assert session.write_ns
    assert session.read_ns


def test_a_model_that_cannot_rewind_keeps_what_goes_on(tmp_path: Path) -> None:
    name = "turns2:100+60+12"
    found = trial_of(measured(mamba().write(tmp_path), tmp_path, name), name)
    kept = [it for it in found.requests if it.history == "kept"]
    assert kept[1].n_cached is not None
    assert kept[1].n_cached >= (kept[0].n_prompt or 0) > 160
    edited = found.requests[-2]
    assert (edited.history, edited.n_cached) == ("edited", 0)


def test_where_the_context_is_full_what_came_before_counts(
    tmp_path: Path, tiny_model: Path
) -> None:
    name = "turns9:200+60+12"
    found = trial_of(measured(tiny_model, tmp_path, name, n_ctx=512), name)
    *kept, full = (it for it in found.requests if it.history == "kept")
    assert full.failure is not None
    assert full.failure.reason == "context-full"
    assert full.turn == len(kept)
    assert f"turn {full.turn + 1} needs" in full.failure.message
    assert "the context has 512" in full.failure.message
    assert 2 <= len(kept) < 9
    assert [it.turn for it in found.requests[-2:]] == [kept[-1].turn] * 2


def test_several_share_one_copy_of_the_system_prompt(tmp_path: Path, tiny_model: Path) -> None:
    name = "turns2x3:300+40+8"
    report = measured(tiny_model, tmp_path, name, "turns2:300+40+8")
    assert not report.case_failures, report.case_failures
    (found,) = (it for it in report.trials if it.workload == name and not it.is_warm_up)
    assert len(found.requests) == 6
    assert found.n_tokens == 2 * 3 * 8
    first, *others = found.requests
    assert first.n_cached == 0
    for request in others:
        assert request.n_cached is not None
        assert request.n_cached >= 300
    contexts = {it.workload: it.n_ctx for it in report.contexts}
    # Room for the system prompt once, not three times.
    assert contexts == {name: 1024, "turns2:300+40+8": 768}


def test_each_turn_is_told_so_that_a_long_conversation_is_not_silent(
    tmp_path: Path, tiny_model: Path
) -> None:
    now_ns = perf_counter_ns()
    job = MeasureJob(
        model_path=str(tiny_model),
        settings=Settings(n_threads=1),
        workloads=("turns2:40+10+2",),
        started_ns=now_ns,
        deadline_ns=now_ns,
    )
    events: list[Event] = []
    measure(job, log=tmp_path / "run.log", on_event=events.append)
    turns = [event for event in events if isinstance(event, TurnEvent)]
    # Two, and the last one once more in two ways; none of the warm-up.
    assert [(it.number, it.n_turns) for it in turns] == [(1, 2), (2, 2), (2, 2), (2, 2)]
    assert turns[0].activity == "during turns2:40+10+2, behind turn 1"


def test_without_a_tokenizer_there_is_no_conversation(tmp_path: Path) -> None:
    path = write_small_model(tmp_path / "bare.gguf")
    report = measured(path, tmp_path, "turns2:20+20+4", "tg4")
    (failure,) = report.case_failures
    assert failure.message == (
        "a conversation is text, and the model has no tokenizer; measure it with pp512+tg128"
    )
    assert {it.workload for it in report.trials} == {"tg4"}


class OneTurnTemplate:
    """A model whose template takes no second turn; nothing else of it is asked before."""

    has_tokenizer = True
    bos = None
    can_rewind = True
    n_ctx_train = 4096

    def conversation_text(self, messages: Sequence[Message]) -> tuple[str, ChatTemplate]:
        text = "".join(words for _, words in messages)
        return text, "applied" if len(messages) < 4 else "unknown"

    def tokenize(self, text: str) -> list[int]:
        return [*text.encode()]

    def piece(self, token: int) -> bytes:
        return bytes([token])

    @contextlib.contextmanager
    def greedy_sampler(self) -> Iterator[object]:
        yield None


class Anything:
    """A context that computes nothing and says the letter a."""

    n_ctx = n_ctx_each = 4096
    n_sequences = 1

    def require_decoding(self) -> None: ...

    def clear(self) -> None: ...

    def rewind(self, n_keep: int, sequence: int) -> bool:
        return n_keep >= sequence

    def prompt(self, tokens: Sequence[int]) -> Callable[[], None]:
        assert tokens
        return lambda: None

    def sample(self, sampler: object, row: int = -1) -> int:
        assert (sampler, row) == (None, -1)
        return ord("a")


def test_a_template_that_fails_at_the_second_turn_is_said_to() -> None:
    told: list[int] = []
    model, context = cast(Model, OneTurnTemplate()), cast(Context, Anything())
    bench = TurnsBench(model, context, Turns(2, 50, 20, 3), told.append)
    bench.prepare()
    with pytest.raises(EngineFailed, match="refuses it with 4 messages") as caught:
        bench.plan()()
    # A verdict must not take that for a model that does not run.
    assert caught.value.reason == "settings-invalid"
    assert told == [1]
    one = TurnsBench(model, context, Turns(1, 50, 20, 3), told.append)
    one.prepare()
    assert one.plan(is_warm_up=True)().n_tokens == 3
    assert told == [1]
