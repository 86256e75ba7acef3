"""
Conversations with a served model: its own cache decides what is kept.

The clock of a turn is that of any request, from its first byte to the last event. Between two turns
the answer is read, as the next turn holds it. All requests of a trial begin with the same digits,
which no earlier trial's cache knows.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from time import perf_counter_ns
from typing import Any

from harness.endpoint.answer import read, words
from harness.endpoint.call import Message
from harness.endpoint.counting import Counter
from harness.endpoint.failure import RequestFailed
from harness.endpoint.length import nonce
from harness.endpoint.load import allow_connections, at_once
from harness.measure.jobs.asking_worker import Client, Facts, PlanRequests
from harness.measure.jobs.measure import TurnEvent
from harness.measure.jobs.turns_text import Texts, Write, short_of, texts_of
from harness.measure.protocol import Send
from harness.schema.request import History, Request, RequestFailure
from harness.schema.workload_turns import Turns

_CHARACTERS_PER_TOKEN = 4
# What servers say of a prompt that is too long: "exceeds the available context size",
# "maximum context length is", "exceed_context_size_error", "context window".
_ABOUT_CONTEXT = re.compile(r"context|too long|too many tokens|maximum.{0,20}length", re.IGNORECASE)
_TOO_LONG = (400, 413, 422, 500)
# A server that counts fewer tokens than were sent cut the conversation; texts are cut to their
# lengths within a few percent.
_LEAST_RATIO = 0.8
_FEW_TURNS = 2
_BARE = "x"


def conversations(task: Turns, client: Client, send: Send) -> PlanRequests:
    """
    The conversations of a trial; each turn of them is told, from whatever thread.

    Raises:
        RequestFailed: Their texts cannot be made.
    """
    with client.counting() as counter:
        texts = texts_of(task, _Lengths(counter).cut)

    telling = threading.Lock()

    def tell(turn: int) -> None:
        with telling:
            send(TurnEvent(workload=task.name, number=turn, n_turns=task.n_turns))

    def plan(is_warm_up: bool) -> Callable[[], Facts]:
        now = short_of(task, texts) if is_warm_up else (task, texts)
        talk = partial(_Talk, client, *now, Random(client.random.randrange(2**31)), tell)
        allow_connections(task.n_sequences)
        return lambda: _said(talk, task.n_sequences, is_whole=not is_warm_up)

    return plan


@dataclass
class _Lengths:
    """Texts of a length as the server counts them; each kind of text is counted once."""

    counter: Counter
    _per_token: dict[int, float] = field(default_factory=dict)
    _n_bare: int | None = None

    def cut(self, write: Write, n_tokens: int, kind: int) -> str:
        """So many tokens of a text."""
        if kind not in self._per_token:
            text = write(n_tokens * _CHARACTERS_PER_TOKEN)[: n_tokens * _CHARACTERS_PER_TOKEN]
            if self._n_bare is None:  # the template's own, and a letter
                self._n_bare = self.counter(_BARE)
            self._per_token[kind] = len(text) / max(1, self.counter(text) - self._n_bare)
        n_characters = max(1, round(n_tokens * self._per_token[kind]))
        return write(n_characters)[:n_characters].strip()


def _said(talk: Callable[[], _Talk], n_users: int, *, is_whole: bool) -> Facts:
    """All conversations, each on a thread of its own where there are several."""
    first = talk()
    talks = [first, *(talk() for _ in range(n_users - 1))]
    for user, each in enumerate(talks):
        each.user, each.opening, each.start_ns = user, first.opening, first.start_ns
    if n_users == 1:
        first.hold()
        if is_whole:
            first.ask_again()
    else:
        at_once([each.hold for each in talks])
    return partial(_facts, talks)


@dataclass
class _Talk:
    """One user's conversation with the server, and what came of it."""

    client: Client
    task: Turns
    texts: Texts
    random: Random
    tell: Callable[[int], None]
    user: int = 0
    start_ns: int = field(default_factory=perf_counter_ns)
    requests: list[Request] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.opening = nonce(self.random)
        self.seed = self.random.randrange(2**31)

    def hold(self) -> None:
        """Turn after turn, until the context is full or something else fails."""
        self.messages = [("system", self.opening + self.texts.system)]
        for turn in range(self.task.n_turns):
            self.messages.append(("user", self.texts.inputs[self.user][turn]))
            request, answer = self._ask(self.messages, self.task.n_output, turn, "kept")
            before = self.requests[-1] if self.requests else None
            failure = self._failure(request, before, turn)
            self.requests.append(request.model_copy(update={"failure": failure}))
            if failure is not None:
                return
            # A server refuses an answer without text, as of a model that only thought.
            self.messages.append(("assistant", answer or "..."))

    def ask_again(self) -> None:
        """The last turn that was answered once more, in two ways; for its first token alone."""
        good = [it for it in self.requests if it.failure is None]
        if not good or good[-1].turn is None:
            return
        turn = good[-1].turn
        messages = self.messages[: 2 * turn + 2]
        edited: list[Message] = [*messages]
        edited[1] = ("user", self.texts.edited)
        fresh: list[Message] = [("system", nonce(self.random) + self.texts.system), *messages[1:]]
        asked: tuple[tuple[History, list[Message]], ...] = (("edited", edited), ("dropped", fresh))
        for history, changed in asked:
            request, _ = self._ask(changed, 1, turn, history)
            self.requests.append(request)

    def _ask(
        self, messages: list[Message], n_tokens: int, turn: int, history: History
    ) -> tuple[Request, str]:
        api = self.client.job.served.api
        raw = self.client.ask(self.client.next_turn(messages, n_tokens, self.seed))
        request = read(raw, api, since_ns=self.start_ns)
        self.tell(turn + 1)
        about = {"turn": turn, "user": self.user, "history": history}
        return request.model_copy(update=about), words(raw, api)

    def _failure(
        self, request: Request, before: Request | None, turn: int
    ) -> RequestFailure | None:
        """What failed, by the server's word or by what it counts."""
        failure = request.failure
        if failure is not None:
            is_full = failure.status in _TOO_LONG and _ABOUT_CONTEXT.search(failure.message)
            return _full(failure.message, failure.status) if is_full else failure
        n_sent = self.task.n_system + (turn + 1) * self.task.n_input
        n_before = before.n_prompt or 0 if before else 0
        if self._is_cut(request, max(round(_LEAST_RATIO * n_sent), n_before)):
            return _full(
                f"turn {turn + 1} was sent with {max(n_sent, n_before)} tokens or more and the "
                f"server counts {request.n_prompt}: it cut the conversation"
            )
        n_tokens = request.n_tokens or self.task.n_output
        was_whole = before is not None and (before.n_tokens or 0) >= self.task.n_output
        if request.finish == "length" and was_whole and n_tokens < self.task.n_output:
            return _full(
                f"the answer of turn {turn + 1} ended after {n_tokens} of {self.task.n_output} "
                "tokens, and not by itself"
            )
        return None

    def _is_cut(self, request: Request, n_least: int) -> bool:
        """Whether the server took fewer tokens than were sent."""
        if request.n_prompt is None or request.n_prompt >= n_least:
            return False
        # Some count only what they computed, and do not say what they had cached.
        n_new = self.task.n_input + self.task.n_output
        return request.n_cached is not None or request.n_prompt > _FEW_TURNS * n_new


def _full(message: str, status: int | None = None) -> RequestFailure:
    return RequestFailure(reason="context-full", message=message, status=status)


def _facts(talks: list[_Talk]) -> dict[str, Any]:
    """
    What all conversations yielded.

    Raises:
        RequestFailed: Not even a first turn was answered.
    """
    requests = [request for talk in talks for request in talk.requests]
    good = [it for it in requests if it.failure is None and it.history == "kept"]
    if not good:
        failure = next(it.failure for it in requests if it.failure)
        raise RequestFailed(failure)
    total_ns = sum(it.answered_ns for it in good)
    if len(talks) > 1:
        last_ns = max(it.sent_ns + it.answered_ns for it in good)
        total_ns = last_ns - min(it.sent_ns for it in good)
    return {
        "n_tokens": sum(it.n_tokens or it.n_events for it in good),
        "total_ns": total_ns,
        "n_prompt": good[0].n_prompt,
        "ttft_ns": good[0].ttft_ns,
        "chat_template": "applied",
        "requests": tuple(requests),
    }
