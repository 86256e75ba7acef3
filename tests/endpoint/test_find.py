from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from make import fault_server
from make.fault_server import FaultServer

from endpoint import imitations
from harness.endpoint import find
from harness.endpoint.find import answering, usual_addresses


@pytest.fixture(autouse=True)
def _no_ollama_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLLAMA_HOST", raising=False)


def port_of(server: FaultServer) -> int:
    return int(server.url.rpartition(":")[2])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Somebody who accepts and never says a word."""
    over = threading.Event()
    accepted: list[socket.socket] = []

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while not over.is_set():
                accepted.append(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        yield port
        over.set()
        socket.create_connection(("127.0.0.1", port), 5).close()
        thread.join()
    for each in accepted:
        each.close()


def test_who_answers_is_found_among_those_who_do_not(
    server: FaultServer, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    imitations.ollama(server)
    with fault_server.serving() as other, fault_server.serving() as page:
        imitations.vllm(other)
        ports = (silent_port, closed, port_of(page), port_of(other), port_of(server))
        monkeypatch.setattr(find, "PORTS", ports)
        began = time.monotonic()
        found = answering(1)

    assert [each.server for each in found] == ["vllm", "ollama"]
    # One after the other, the silent ones would cost their second each.
    assert time.monotonic() - began < 20


def test_silent_ports_cost_their_limit_together(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "PORTS", tuple(range(silent_port, silent_port + 1)))

    began = time.monotonic()
    assert answering(0.2) == ()
    assert 0.2 <= time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:11500", "http://127.0.0.1:11500"),
        ("0.0.0.0:11500", "http://127.0.0.1:11500"),
        ("0.0.0.0", None),
        (":11500", "http://127.0.0.1:11500"),
        ("localhost:11500", "http://127.0.0.1:11500"),
        ("http://localhost:11500/", "http://127.0.0.1:11500"),
        ('"127.0.0.1:11500"', "http://127.0.0.1:11500"),
        ("[::1]:11500", "http://[::1]:11500"),
        ("[::1]", "http://[::1]:11434"),
        ("192.168.0.5:11434", None),
        ("ollama.example.org", None),
        ("::::", None),
        ("me:secret@localhost", None),
        ("", None),
    ],
)
def test_ollama_is_looked_for_where_it_was_told_to_listen(
    text: str, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = usual_addresses()
    monkeypatch.setenv("OLLAMA_HOST", text)

    more = [each.url for each in usual_addresses() if each not in usual]

    assert more == ([url] if url else [])


def test_only_this_machine_is_asked() -> None:
    addresses = usual_addresses()

    assert all(each.is_loopback for each in addresses)
    assert {8080, 8000, 11434, 1234, 13305, 5001} <= {each.port for each in addresses}
