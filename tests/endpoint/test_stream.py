"""Requests over real sockets to a server with faults, up to what a record would keep of them."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
from collections.abc import Iterator
from time import perf_counter_ns

import pytest
from make.fault_server import (
    CHAT,
    DONE,
    FaultServer,
    Script,
    answer,
    event,
    finish,
    sse,
    told,
    usage,
)

from harness.endpoint import stream
from harness.endpoint.address import Address
from harness.endpoint.answer import read
from harness.endpoint.call import chat_call
from harness.endpoint.stream import Raw, ask, prepare
from harness.schema.request import Request

KEY = "sk-abcdefgh-0123456789"
CALL = chat_call("tiny", "Hello", 3, "openai", 1)
LONG_S = 20.0


def asked(
    server: FaultServer,
    *,
    silence_s: float = LONG_S,
    deadline_ns: int | None = None,
    key: str | None = None,
) -> Raw:
    address = Address.parse(server.url)
    return ask(address, CALL, key=key, silence_s=silence_s, deadline_ns=deadline_ns)


def got(server: FaultServer, script: Script, *, silence_s: float = LONG_S) -> Request:
    server.says(CHAT, script)
    return read(asked(server, silence_s=silence_s), "openai")


def why(found: Request) -> str:
    assert found.failure is not None
    return found.failure.reason


def test_delays_of_the_server_are_what_is_measured(server: FaultServer) -> None:
    server.says(CHAT, answer("abcd", first_s=0.1, gap_s=0.03))
    raw = asked(server)
    found = read(raw, "openai")

    assert found.failure is None
    # No line can be stamped before it was sent; how long after, benchmarks/endpoint.py measures.
    arrived = [raw.sent_ns + (found.ttft_ns or 0)]
    for gap in found.gap_ns:
        arrived.append(arrived[-1] + gap)
    assert len(arrived) == 4
    assert all(at >= sent for at, sent in zip(arrived, server.sent_ns[:4], strict=True))
    assert found.ttft_ns is not None
    assert found.ttft_ns >= 100_000_000
    assert min(found.gap_ns) > 0
    assert found.connect_ns is not None


def test_a_request_asks_for_a_length_and_for_no_cache(server: FaultServer) -> None:
    got(server, answer("abc"))

    body = server.requests[0].document
    assert body["messages"] == [{"role": "user", "content": "Hello"}]
    assert (body["max_tokens"], body["min_tokens"], body["ignore_eos"]) == (3, 3, True)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert (body["temperature"], body["seed"], body["cache_prompt"]) == (0, 1, False)
    assert "return_progress" not in body
    assert "authorization" not in server.requests[0].headers


def test_ollama_is_asked_in_its_own_words() -> None:
    body = chat_call("tiny", "Hello", 3, "ollama", 7).body.decode()

    assert '"options": {"num_predict": 3, "seed": 7, "temperature": 0}' in body
    assert "think" not in body


@pytest.mark.parametrize(
    ("script", "reason", "n_events"),
    [
        (Script([(0, event("a"))], ending="cut"), "cut", 1),
        (Script([(0, event("a")), (0, event("b")[:25])], ending="cut"), "cut", 1),
        (Script([(0, event("a"))], ending="reset"), "cut", 1),
        (Script([(0, event("a")), (0, finish())], ending="closed"), "cut", 1),
        (Script([(0, event("a"))]), "cut", 1),
        (Script([(0, event("a"))], length=500, ending="closed"), "cut", 1),
        (Script([(0, event("a")), (0, sse({"error": "boom"}))]), "error-event", 1),
        (Script(), "no-event", 0),
        (Script([(0, b":\n\n")] * 3), "no-event", 0),
        (Script([(0, event("")), (0, finish("stop")), (0, DONE)]), "no-event", 0),
        (Script([(0, b"<html><title>Router</title>")]), "not-a-stream", 0),
        (told({"choices": [{"message": {"content": "all at once"}}]}), "not-a-stream", 0),
        (Script([(0, b"\x00\xff" * 50 + b"\n")]), "not-a-stream", 0),
        (told([1, 2]), "not-a-stream", 0),
        (told({"error": {"message": "boom"}}, 500), "http-error", 0),
        (told({"error": "busy"}, 429, {"Retry-After": "7"}), "rate-limited", 0),
        (told({"error": "who are you"}, 401), "refused", 0),
        (Script(raw=b""), "cut", 0),
        (Script(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), "not-a-stream", 0),
        (Script(raw=b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000), "not-a-stream", 0),
        (Script(raw=b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"), "not-a-stream", 0),
        (Script(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "cut", 0),
    ],
)  # fmt: skip
def test_a_fault_has_a_reason(
    server: FaultServer, script: Script, reason: str, n_events: int
) -> None:
    found = got(server, script)

    assert (why(found), found.n_events) == (reason, n_events)
    assert found.failure is not None
    assert server.url in found.failure.message
    assert found.failure.message.isprintable()


@pytest.mark.parametrize(
    ("script", "n_events"),
    [
        (answer("abc"), 3),
        # Tokens in one event, pieces without text, counts that cannot be, CRLF, an open end.
        (Script([(0, event("abc")), (0, finish()), (0, usage(7, 3)), (0, DONE)]), 1),
        (Script([(0, event("")), (0, event("a")), (0, event("")), (0, DONE)]), 1),
        (Script([(0, event("a")), (0, usage(-5, 10**30)), (0, DONE)]), 1),
        (Script([(0, (event("a") + event("b") + DONE).replace(b"\n", b"\r\n"))]), 2),
        (Script([(0, event("a")), (0, DONE)], ending="stall"), 1),
        (Script([(0, event("a")), (0, DONE)], ending="closed"), 1),
        (Script([(0, bytes([byte])) for byte in event("a") + DONE]), 1),
    ],
)
def test_what_servers_do_differently_is_an_answer_too(
    server: FaultServer, script: Script, n_events: int
) -> None:
    found = got(server, script)

    assert (found.failure, found.n_events) == (None, n_events)


def test_a_silence_ends_it(server: FaultServer) -> None:
    found = got(server, Script([(0, event("a"))], ending="stall"), silence_s=0.1)

    assert (why(found), found.n_events) == ("silent", 1)
    assert found.failure is not None
    assert "100 ms" in found.failure.message


def test_a_trickle_is_no_silence_and_ends_at_the_deadline(server: FaultServer) -> None:
    trickle = [(0.02, bytes([byte])) for byte in b": never a whole line of anything at all" * 9]
    server.says(CHAT, Script(trickle, ending="stall"))

    raw = asked(server, deadline_ns=perf_counter_ns() + 200_000_000)

    assert why(read(raw, "openai")) == "late"


def test_a_trickle_of_headers_ends_at_the_deadline() -> None:
    deadline_ns = perf_counter_ns() + 100_000_000
    with _trickling() as address:
        raw = ask(address, CALL, key=None, silence_s=LONG_S, deadline_ns=deadline_ns)

    assert why(read(raw, "openai")) == "late"


def test_what_only_begins_is_given_up(server: FaultServer) -> None:
    found = got(server, Script(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 400_000))

    assert why(found) == "not-a-stream"


@pytest.mark.parametrize(
    "script",
    [
        Script([(0, b"\n" * 3000)]),
        Script([(0, b"x" * 3000)] * 9),
        Script([(0.001, b"x")] * 400),
    ],
    ids=["lines", "bytes", "pieces"],
)
def test_what_is_longer_than_any_answer_is_none(
    server: FaultServer, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_MOST_BYTES", 20_000)
    monkeypatch.setattr(stream, "_MOST_PIECES", 300)

    found = got(server, script)

    assert why(found) == "not-a-stream"
    assert found.failure is not None
    assert "more than any answer" in found.failure.message


def test_a_redirect_is_not_followed_and_its_target_has_no_key(server: FaultServer) -> None:
    target = f"https://user:{KEY}@elsewhere.example/v1?key={KEY}#{KEY}"
    server.says(CHAT, Script(status=307, headers={"Location": target}))

    found = read(asked(server, key=KEY), "openai")

    assert why(found) == "redirected"
    assert found.failure is not None
    assert "to https://elsewhere.example/v1, which is not followed" in found.failure.message
    assert len(server.requests) == 1


def test_the_key_goes_to_the_server_and_nowhere_else(
    server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    said = io.StringIO()
    server.says(
        CHAT,
        told({"error": f"bad key {KEY}"}, 401),
        told({"error": f"bad key {KEY}"}, 500),
        Script([(0, sse({"error": f"bad key {KEY}"}))]),
    )
    with caplog.at_level(logging.DEBUG), contextlib.redirect_stderr(said):
        raws = [asked(server, key=KEY) for _ in range(3)]

    assert [each.headers["authorization"] for each in server.requests] == [f"Bearer {KEY}"] * 3
    assert KEY not in repr(raws)
    assert KEY not in "".join(read(raw, "openai").model_dump_json() for raw in raws)
    assert KEY not in caplog.text + said.getvalue()
    address = Address.parse(server.url)
    prepared = prepare(address, CALL, key=KEY, silence_s=1)
    assert KEY not in repr(prepared)
    prepared.connection.close()


def test_nobody_listening_is_said_with_what_to_do() -> None:
    with _trickling() as address:
        pass

    found = read(ask(address, CALL, key=None, silence_s=1), "openai")

    assert why(found) == "unreachable"
    assert found.failure is not None
    assert "harness endpoints" in found.failure.message
    assert found.connect_ns is None


def test_a_name_that_does_not_exist_is_said() -> None:
    address = Address.parse("http://no-such-host.invalid:1")

    found = read(ask(address, CALL, key=None, silence_s=5), "openai")

    assert why(found) == "unreachable"
    assert found.failure is not None
    assert "no-such-host.invalid" in found.failure.message


def test_several_streams_do_not_wait_for_each_other(server: FaultServer) -> None:
    server.says(CHAT, answer("abc", first_s=0.2, gap_s=0.01))
    address = Address.parse(server.url)
    prepared = [prepare(address, CALL, key=None, silence_s=LONG_S) for _ in range(16)]
    raws: list[Raw] = []
    threads = [threading.Thread(target=lambda it=it: raws.append(it.send())) for it in prepared]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = [read(raw, "openai") for raw in raws]
    assert [each.failure for each in found] == [None] * 16
    # One after the other they would take 3.2 s of waiting alone.
    first, last = min(raw.sent_ns for raw in raws), max(raw.ended_ns for raw in raws)
    assert last - first < 16 * 200_000_000
    assert [each.n_events for each in found] == [3] * 16


@contextlib.contextmanager
def _trickling() -> Iterator[Address]:
    """The address of somebody who sends half a header, a byte every 20 ms."""
    over = threading.Event()

    def speak(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nA: ")
                while not over.wait(0.02):
                    connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=speak, args=(listener,), daemon=True)
        thread.start()
        yield Address("http", "127.0.0.1", listener.getsockname()[1])
        over.set()
        # Wakes the thread where nobody came.
        with contextlib.suppress(OSError):
            socket.create_connection(listener.getsockname(), 1).close()
        thread.join()
