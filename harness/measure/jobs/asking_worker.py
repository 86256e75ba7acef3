"""
The requests of one trial of each kind of workload: what lies inside the clock, and what outside.

Inside: from the first byte of a request to the last event of its answer. Outside: making the text,
connecting, and reading what the lines say (harness/endpoint/stream.py).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from random import Random
from time import perf_counter_ns
from typing import Any

from harness.endpoint.address import Address
from harness.endpoint.answer import read
from harness.endpoint.call import Call, Message, chat_call, conversation_call
from harness.endpoint.counting import Counter
from harness.endpoint.failure import RequestFailed, fail
from harness.endpoint.identify import identify
from harness.endpoint.length import nonce, prompt_of, with_new_nonce
from harness.endpoint.load import Sent, allow_connections, closed_loop, open_loop
from harness.endpoint.offers import choose
from harness.endpoint.stream import Raw, ask
from harness.errors import HarnessError
from harness.measure.jobs.chat_text import CHAT_MESSAGE
from harness.measure.jobs.request import RequestJob
from harness.measure.jobs.task_texts import TASK_TEXTS
from harness.schema.request import Request
from harness.schema.served import ServerApi
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import REQUESTS_PER_USER, Chat, Exchange, UserLoad
from harness.schema.workload_tasks import TextTask

_NS_PER_S = 1_000_000_000
_IDENTIFY_S = 30.0
_WARM_UP_TOKENS = 8  # of one answer to a task

Facts = Callable[[], dict[str, Any]]
"""What a trial yielded, in the terms of `schema.Trial`; read behind the clock."""
PlanRequests = Callable[[bool], Callable[[], Facts]]
"""Lays out the requests of a trial, which is a warm-up or not; what it returns sends them."""


@dataclass
class Client:
    """Asks one served model; every text that it sends begins like no other one."""

    job: RequestJob
    random: Random = field(init=False)
    _address: Address = field(init=False)
    _key: str | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.random = Random(self.job.seed)
        self._address = Address.parse(self.job.served.url)
        variable = self.job.key_variable
        self._key = os.environ.get(variable, "").strip() if variable else None

    def call(self, text: str, n_tokens: int) -> Call:
        """A request for an answer of so many tokens; no cache holds the beginning of its text."""
        return self.call_as_is(nonce(self.random) + text, n_tokens)

    def call_as_is(self, text: str, n_tokens: int) -> Call:
        """The same of a text that has such a beginning."""
        served = self.job.served
        seed = self.random.randrange(2**31)
        return chat_call(served.model, text, n_tokens, served.api, seed)

    def next_turn(self, messages: Sequence[Message], n_tokens: int, seed: int) -> Call:
        """A request for the next answer of a conversation, for which the server uses its cache."""
        served = self.job.served
        return conversation_call(served.model, messages, n_tokens, served.api, seed)

    def ask(self, call: Call) -> Raw:
        """
        What comes back, stamped and not yet read.

        A request that begins while the job has time is late when it is not done so long after that
        as nothing may come; one that begins later has as long.
        """
        late_ns = max(perf_counter_ns(), self.job.deadline_ns) + self.job.silence_ns
        return ask(
            self._address,
            call,
            key=self._key,
            silence_s=self.job.silence_ns / _NS_PER_S,
            deadline_ns=late_ns,
        )

    def prompt(self, n_tokens: int) -> str:
        """
        A text of so many tokens, as the server counts them.

        Raises:
            RequestFailed: It does not tell, or does not answer.
        """
        with self.counting() as counter:
            return prompt_of(n_tokens, counter, self.random, CHAT_MESSAGE)

    @contextlib.contextmanager
    def counting(self) -> Iterator[Counter]:
        """
        Counts tokens as the server does.

        Raises:
            RequestFailed: It does not tell, or does not answer, or whatever fails in the block.
        """
        try:
            identified = identify(self._address, self._key, _IDENTIFY_S)
            model = choose(identified, self.job.served.model)
            yield Counter(identified, model, self._key, self.job.silence_ns / _NS_PER_S)
        except HarnessError as error:
            fail("refused", str(error))


def planned(workload: Workload, client: Client) -> PlanRequests:
    """
    What a trial of a workload asks.

    Raises:
        RequestFailed: Its prompts cannot be made.
    """
    if isinstance(workload, TextTask):
        return _answers(client, workload)
    what = workload.what if isinstance(workload, UserLoad) else workload
    match what:
        case Chat():
            new_call = _chats(client, what)
        case Exchange():
            new_call = _exchanges(client, what)
        case _:
            raise AssertionError(f"{workload.name} is not asked of servers")
    if isinstance(workload, UserLoad):
        return _load(workload, client, new_call)
    return _single(client, new_call)


def answered(raw: Raw, api: ServerApi) -> Request:
    """
    The answer in what came back.

    Raises:
        RequestFailed: There is none, or half of one.
    """
    request = read(raw, api)
    if request.failure is not None:
        raise RequestFailed(request.failure)
    return request


def _chats(client: Client, chat: Chat) -> Callable[[], Call]:
    return lambda: client.call(CHAT_MESSAGE, chat.n_generated)


def _exchanges(client: Client, exchange: Exchange) -> Callable[[], Call]:
    prompt = client.prompt(exchange.n)
    return lambda: client.call_as_is(with_new_nonce(prompt, client.random), exchange.n_out)


def _single(client: Client, new_call: Callable[[], Call]) -> PlanRequests:
    def plan(_is_warm_up: bool) -> Callable[[], Facts]:
        call = new_call()

        def send() -> Facts:
            raw = client.ask(call)
            return lambda: _facts_of_one(answered(raw, client.job.served.api))

        return send

    return plan


def _facts_of_one(request: Request) -> dict[str, Any]:
    return {
        "n_tokens": request.n_tokens or request.n_events,
        "total_ns": request.answered_ns,
        "step_ns": request.gap_ns,
        "n_prompt": request.n_prompt,
        "ttft_ns": request.ttft_ns,
        "chat_template": "applied",
        "requests": (request,),
    }


def _answers(client: Client, task: TextTask) -> PlanRequests:
    """One request for each of its texts, one after the other."""

    def plan(is_warm_up: bool) -> Callable[[], Facts]:
        texts = TASK_TEXTS[task.what][: 1 if is_warm_up else None]
        n_tokens = _WARM_UP_TOKENS if is_warm_up else task.n_generated
        calls = [client.call(text, n_tokens) for text in texts]

        def send() -> Facts:
            start_ns = perf_counter_ns()
            raws = [client.ask(call) for call in calls]
            return lambda: _facts_of_answers(start_ns, raws, client)

        return send

    return plan


def _facts_of_answers(start_ns: int, raws: Sequence[Raw], client: Client) -> dict[str, Any]:
    """
    What they yielded, of which none may have failed: tasks are compared as wholes.

    Raises:
        RequestFailed: One did.
    """
    requests = [
        answered(raw, client.job.served.api).model_copy(
            update={"sent_ns": max(0, raw.sent_ns - start_ns)}
        )
        for raw in raws
    ]
    return {
        "n_tokens": sum(request.n_tokens or request.n_events for request in requests),
        "total_ns": sum(request.answered_ns for request in requests),
        "chat_template": "applied",
        "requests": tuple(requests),
    }


def _load(task: UserLoad, client: Client, new_call: Callable[[], Call]) -> PlanRequests:
    def plan(is_warm_up: bool) -> Callable[[], Facts]:
        allow_connections(task.n_users or task.n_requests)
        if task.n_users:
            n_each = 1 if is_warm_up else REQUESTS_PER_USER
            calls = [[new_call() for _ in range(n_each)] for _ in range(task.n_users)]
            until_ns = client.job.deadline_ns
            return lambda: _later(
                perf_counter_ns(), closed_loop(calls, client.ask, until_ns), client
            )
        after_ns = _schedule(task, client, 1 if is_warm_up else task.n_requests)
        each = [new_call() for _ in after_ns]
        return lambda: _later(perf_counter_ns(), open_loop(each, after_ns, client.ask), client)

    return plan


def _schedule(task: UserLoad, client: Client, n: int) -> list[int]:
    """When `n` requests are due behind the first, those left out that the job has no time for."""
    gaps_ns = [round(client.random.expovariate(task.per_s) * _NS_PER_S) for _ in range(n - 1)]
    left_ns = client.job.deadline_ns - perf_counter_ns()
    return [0, *takewhile(lambda after_ns: after_ns <= left_ns, accumulate(gaps_ns))]


def _later(start_ns: int, sent: Sequence[Sent], client: Client) -> Facts:
    return lambda: _facts_of_all(start_ns, sent, client)


def _facts_of_all(start_ns: int, sent: Sequence[Sent], client: Client) -> dict[str, Any]:
    """
    What all of them yielded together, of which some may have failed.

    Raises:
        RequestFailed: None was answered.
    """
    requests = [
        read(each.raw, client.job.served.api).model_copy(
            update={
                "sent_ns": max(0, each.raw.sent_ns - start_ns),
                "due_ns": None if each.due_ns is None else max(0, each.due_ns - start_ns),
            }
        )
        for each in sent
    ]
    good = [request for request in requests if request.failure is None]
    if not good:
        failure = requests[0].failure
        assert failure is not None
        raise RequestFailed(failure)
    first_ns = min(request.sent_ns for request in requests)
    last_ns = max(request.sent_ns + request.answered_ns for request in good)
    return {
        "n_tokens": sum(request.n_tokens or request.n_events for request in good),
        "total_ns": last_ns - first_ns,
        "requests": tuple(requests),
    }
