"""What answers at an address instead of a server of llama.cpp's RPC, and how that is said."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from string import ascii_lowercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import make_machine

from harness.machine import rpc
from harness.machine.probe import with_servers
from harness.machine.rpc import PORT, RpcFailed, parted, probe, rpc_address
from harness.schema.machine import RpcDevice, RpcServer

HELLO = struct.pack("<Q", 28)


@contextmanager
def listener(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Its address; each who comes is answered so, and the connection closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with closing(connection):
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def refusal(address: str) -> str:
    with pytest.raises(RpcFailed) as failed:
        probe(address)
    said = str(failed.value)
    assert said.startswith(f"the RPC server {address} ")
    assert "\n" not in said
    return said


def test_where_nobody_listens_it_is_said_how_to_start_a_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    said = refusal(address)
    assert "connection refused" in said
    assert "harness rpc serve" in said


def test_another_protocol_is_no_rpc_server() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(64)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listener(answer) as address:
        assert "answers in another protocol" in refusal(address)


def test_a_server_that_hangs_up_has_not_answered() -> None:
    with listener(lambda connection: connection.shutdown(socket.SHUT_RDWR)) as address:
        assert "ended the connection without an answer" in refusal(address)


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "_SILENCE_S", 0.2)
    # What is in the backlog of a listener is connected, as to a server that is stopped.
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = refusal(f"127.0.0.1:{server.getsockname()[1]}")
    assert "does not answer" in said
    assert "busy with another client" in said


@pytest.mark.parametrize(("major", "minor"), [(6, 0), (8, 0), (7, 1)])
def test_another_version_is_named_with_ours(major: int, minor: int) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(64)
        connection.sendall(HELLO + bytes([major, minor, 0, 0]) + bytes(24))
        connection.recv(64)

    with listener(answer) as address:
        said = refusal(address)
    assert f"speaks version {major}.{minor}.0 of the protocol, and this engine 7.0" in said


_LABELS = st.text(ascii_lowercase + digits + "-", min_size=1, max_size=20).filter(
    lambda label: label[0] != "-"
)


@given(host=st.lists(_LABELS, min_size=1, max_size=4).map(".".join), port=st.integers(1, 65_535))
def test_an_address_is_read_as_it_is_written(host: str, port: int) -> None:
    address = rpc_address(f" {host}:{port} ")
    assert parted(address) == (host, port)
    assert rpc_address(address) == address
    assert rpc_address(host) == f"{host}:{PORT}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "a:",
        "a:b",
        "a:0",
        "a:65536",
        "a:-1",
        "a b:1",
        "::1",
        "http://a:1",
        "a:²",
        "-a:1",
        "ü:1",
        f"{'a' * 64}:1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no RPC server"):
        rpc_address(text)


def server(*n_bytes: int, address: str = "127.0.0.1:50052", ping_ns: int = 1000) -> RpcServer:
    devices = tuple(RpcDevice(total_bytes=n, free_bytes=n // 2) for n in n_bytes)
    return RpcServer(address=address, version="7.0.0", devices=devices, ping_ns=ping_ns)


def test_a_machine_of_several_is_none_of_them() -> None:
    alone = make_machine()
    one, two = (with_servers(alone, [server(8 << 30)] * n) for n in (1, 2))
    assert len({alone.id, one.id, two.id}) == 3
    assert not alone.is_same_as(one)
    assert not one.is_same_as(two)
    assert not one.is_same_as(with_servers(alone, [server(16 << 30)]))


def test_neither_the_port_of_a_tunnel_nor_the_ping_makes_another_machine() -> None:
    alone = make_machine()
    before = with_servers(alone, [server(8 << 30)])
    after = with_servers(alone, [server(8 << 30, address="localhost:7000", ping_ns=2000)])
    assert before.is_same_as(after)
    assert before.id == after.id


def test_untold_facts_do_not_make_a_machine_alone_of_one_with_servers() -> None:
    alone = make_machine()
    several = with_servers(alone, [server(8 << 30)])
    container = alone.model_copy(update={"last_level_cache_bytes": None, "id": "0" * 12})
    assert alone.is_same_as(container)
    assert not several.is_same_as(container)
