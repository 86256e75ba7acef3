"""How a server is reached: TLS, IPv6, proxies, and never another one than that which was named."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter_ns

import pytest
from make import fault_server
from make.fault_server import CHAT, FaultServer, answer

from harness.endpoint.address import Address
from harness.endpoint.answer import read
from harness.endpoint.asking import Asker
from harness.endpoint.call import chat_call
from harness.endpoint.connection import require_key
from harness.endpoint.failure import RequestFailed
from harness.endpoint.stream import ask
from harness.errors import UsageError
from harness.schema.request import Request

CERTIFICATE = Path(fault_server.__file__).with_name("localhost.pem")
CALL = chat_call("tiny", "Hello", 3, "openai", 1)
# It resolves nowhere: whoever is asked for it through a proxy is not asked by us.
ELSEWHERE = "models.invalid"


def asked(url: str, *, key: str | None = None) -> Request:
    raw = ask(Address.parse(url), CALL, key=key, silence_s=10)
    return read(raw, "openai")


def why(found: Request) -> tuple[str, str]:
    assert found.failure is not None
    assert "\n" not in found.failure.message
    return found.failure.reason, found.failure.message


def test_a_certificate_of_nobody_known_is_refused() -> None:
    with fault_server.serving(CERTIFICATE) as server:
        reason, message = why(asked(server.url))

    assert reason == "unreachable"
    assert "certificate" in message
    assert "SSL_CERT_FILE" in message
    assert server.requests == []


def test_an_authority_of_ones_own_is_named_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with fault_server.serving(CERTIFICATE) as server:
        server.says(CHAT, answer("abc"))
        found = asked(server.url, key="sk-0123456789")

    assert (found.failure, found.n_events) == (None, 3)
    assert server.requests[0].headers["authorization"] == "Bearer sk-0123456789"


def test_tls_to_a_server_without_is_said(server: FaultServer) -> None:
    reason, message = why(asked(server.url.replace("http:", "https:")))

    assert reason == "unreachable"
    assert "write http://" in message


def test_no_tls_to_a_server_with_it_is_said() -> None:
    with fault_server.serving(CERTIFICATE) as server:
        reason, _ = why(asked(server.url.replace("https:", "http:")))

    assert reason in ("cut", "not-a-stream")


def test_ipv6_is_an_address_like_any() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with fault_server.serving(host="::1") as server:
        server.says(CHAT, answer("abc"))
        found = asked(server.url)

    assert (found.failure, found.n_events) == (None, 3)
    assert server.requests[0].headers["host"] == server.url.removeprefix("http://")


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy", "HTTP_PROXY", "https_proxy"])
def test_loopback_never_goes_through_a_proxy(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server.says(CHAT, answer("abc"))
    with fault_server.serving() as proxy:
        monkeypatch.setenv(name, proxy.url)
        found = [asked(server.url), asked(server.url.replace("127.0.0.1", "localhost"))]

    assert [each.failure for each in found] == [None, None]
    assert proxy.requests == []


def test_another_machine_is_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with fault_server.serving() as proxy:
        proxy.says(f"http://{ELSEWHERE}:8080{CHAT}", answer("abc"))
        user = proxy.url.replace("http://", "http://me:hunter%202@")
        monkeypatch.setenv("http_proxy", user)
        found = asked(f"http://{ELSEWHERE}:8080", key="sk-0123456789")

    assert (found.failure, found.n_events) == (None, 3)
    headers = proxy.requests[0].headers
    assert headers["host"] == f"{ELSEWHERE}:8080"
    assert base64.b64decode(headers["proxy-authorization"].split()[1]) == b"me:hunter 2"


def test_a_host_without_proxy_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with fault_server.serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "invalid")
        reason, _ = why(asked(f"http://{ELSEWHERE}:8080"))

    assert reason == "unreachable"
    assert proxy.requests == []


def test_tls_goes_through_a_tunnel_that_learns_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with fault_server.serving(CERTIFICATE) as server, tunnel(server) as (proxy, seen):
        server.says(CHAT, answer("abc"))
        monkeypatch.setenv("https_proxy", proxy)
        # The certificate is for localhost, which the tunnel stands for.
        monkeypatch.setattr(Address, "is_loopback", False)
        found = asked(server.url.replace("127.0.0.1", "localhost"), key="sk-0123456789")

    assert (found.failure, found.n_events) == (None, 3)
    assert seen[0].startswith(b"CONNECT localhost:")
    assert b"sk-0123456789" not in b"".join(seen)
    assert server.requests[0].headers["authorization"] == "Bearer sk-0123456789"


def test_a_proxy_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with fault_server.serving() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        reasons = [why(asked(f"https://{ELSEWHERE}"))]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_greet, args=(listener,))
        thread.start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
        reasons.append(why(asked(f"https://{ELSEWHERE}")))
        thread.join()

    assert [reason for reason, _ in reasons] == ["unreachable", "unreachable"]
    assert "Tunnel connection failed: 501" in reasons[0][1]
    assert "does not speak HTTP" in reasons[1][1]


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://me:hunter2@127.0.0.1:1", "not reached by http://"),
        ("http://me:hunter2@127.0.0.1:port", "no URL"),
        ("http://me:hunter2@", "not reached by http://"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str, words: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)

    reason, message = why(asked(f"http://{ELSEWHERE}:8080"))

    assert reason == "unreachable"
    assert words in message
    assert f"no_proxy={ELSEWHERE}" in message
    assert "hunter2" not in message


@pytest.mark.parametrize("key", ["", "  ", "two words", "umlaut-ö", "line\nbreak", "nul\0"])
def test_what_is_no_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(UsageError, match="MY_KEY") as refused:
        require_key(key, "MY_KEY")

    assert not key.strip() or key not in str(refused.value)


def test_a_key_loses_the_blanks_around_it() -> None:
    assert require_key("sk-1\n", "MY_KEY") == "sk-1"


# ------------------------------------------------------------------ short questions


def asker(server: FaultServer, *, timeout_s: float = 10) -> Asker:
    deadline_ns = perf_counter_ns() + round(timeout_s * 1e9)
    return Asker(Address.parse(server.url), "sk-0123456789", deadline_ns)


def test_an_answer_is_read_as_far_as_it_may_be_long(server: FaultServer) -> None:
    server.says("/big", fault_server.Script([(0, b'{"a": "' + b"x" * 1_500_000 + b'"}')]))

    reply = asker(server).get("/big")

    assert len(reply.body) == 1_000_000
    assert reply.document == {}


def test_a_question_ends_at_its_deadline(server: FaultServer) -> None:
    server.says("/slow", fault_server.Script([(0, b"{")], ending="stall"))

    with pytest.raises(RequestFailed) as failed:
        asker(server, timeout_s=0.1).get("/slow")

    assert failed.value.failure.reason == "late"
    assert asker(server, timeout_s=0.1).document("/slow") == {}


def test_a_question_follows_no_redirect(server: FaultServer) -> None:
    elsewhere = {"Location": "http://elsewhere.example/"}
    server.says("/moved", fault_server.Script(status=302, headers=elsewhere))

    with pytest.raises(RequestFailed, match=r"redirects to http://elsewhere\.example/"):
        asker(server).get("/moved")

    assert len(server.requests) == 1


@contextmanager
def tunnel(server: FaultServer) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that connects everybody to `server`, and what it was sent before it did."""
    target = int(server.url.rpartition(":")[2])
    seen: list[bytes] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def connect(listener: socket.socket) -> None:
        with suppress(OSError):
            client, _ = listener.accept()
            with client, socket.create_connection(("127.0.0.1", target)) as upstream:
                seen.append(client.recv(65536))
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pump, args=(upstream, client))
                back.start()
                pump(client, upstream)
                back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=connect, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        thread.join()


def _greet(listener: socket.socket) -> None:
    """Somebody who speaks, and not HTTP."""
    client, _ = listener.accept()
    with client:
        client.recv(4096)
        client.sendall(b"220 mail.example.org ESMTP\r\n")
