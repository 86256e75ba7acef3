"""Several requests at once, against a server with known delays."""

from __future__ import annotations

import sys
from functools import partial
from time import perf_counter_ns

import pytest
from make import fault_server
from make.fault_server import CHAT, FaultServer

from harness.endpoint.address import Address
from harness.endpoint.answer import read
from harness.endpoint.call import Call, chat_call
from harness.endpoint.load import Sent, allow_connections, closed_loop, open_loop
from harness.endpoint.stream import ask

TEXTS = tuple("abcd")
ANSWER = fault_server.answer(TEXTS, first_s=0.03, gap_s=0.01)
MS = 1_000_000
MINUTE_NS = 60_000 * MS


def calls(n: int) -> list[Call]:
    return [chat_call("m", f"question {index}", len(TEXTS), "openai", index) for index in range(n)]


def take(server: FaultServer, sent: list[Sent]) -> None:
    assert all(read(each.raw, "openai").n_tokens == len(TEXTS) for each in sent)
    texts = {asked.document["messages"][0]["content"] for asked in server.requests}
    assert len(texts) == len(sent) == len(server.requests)


def test_users_of_a_closed_loop_come_together_and_ask_again_when_answered(
    server: FaultServer,
) -> None:
    server.says(CHAT, ANSWER)
    one = partial(ask, Address.parse(server.url), key=None, silence_s=10)
    each = calls(6)
    sent = closed_loop([each[:2], each[2:4], each[4:]], one, perf_counter_ns() + MINUTE_NS)
    take(server, sent)
    firsts = [sent[index].raw for index in (0, 2, 4)]
    # All are under way before the first of them is answered.
    assert max(raw.sent_ns for raw in firsts) < min(raw.ended_ns for raw in firsts)
    for first, second in zip(sent[::2], sent[1::2], strict=True):
        assert second.raw.sent_ns >= first.raw.ended_ns
        assert first.due_ns is None


def test_a_user_asks_once_however_late_it_is_and_not_again(server: FaultServer) -> None:
    server.says(CHAT, ANSWER)
    one = partial(ask, Address.parse(server.url), key=None, silence_s=10)
    each = calls(4)
    take(server, closed_loop([each[:2], each[2:]], one, perf_counter_ns()))
    assert len(server.requests) == 2


def test_requests_of_an_open_loop_come_when_they_are_due(server: FaultServer) -> None:
    server.says(CHAT, ANSWER)
    after_ns = [0, 5 * MS, 5 * MS, 200 * MS]
    one = partial(ask, Address.parse(server.url), key=None, silence_s=10)
    sent = open_loop(calls(4), after_ns, one)
    take(server, sent)
    dues = [each.due_ns for each in sent if each.due_ns is not None]
    assert [due - dues[0] for due in dues] == after_ns
    assert all(each.raw.sent_ns >= due for each, due in zip(sent, dues, strict=True))
    # None waits for another's answer.
    assert sent[1].raw.sent_ns < sent[0].raw.ended_ns


@pytest.mark.skipif(sys.platform == "win32", reason="it counts no sockets")
def test_as_many_connections_may_be_open_as_the_system_gives() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = before[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        allow_connections(10)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (200, hard)
        allow_connections(500)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 500
        # More than there may be is no error.
        allow_connections(10**9)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
