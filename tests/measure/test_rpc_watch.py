"""What counts as the loss of a server's machine, and what does not; a pulled cable: test_rpc.py."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from make.servers import free_port

from harness.measure import rpc_watch
from harness.measure.rpc_watch import RpcWatch

_RESETS = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


@pytest.fixture(autouse=True)
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loopback stands for another machine."""
    monkeypatch.setattr(rpc_watch, "is_loopback", lambda _: False)


def _wait(watch: RpcWatch) -> None:
    """Until it has no server left to watch."""
    assert watch._thread
    watch._thread.join(30)
    assert not watch._thread.is_alive()
    watch.close()


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_server_that_ends_is_left_to_the_engine(is_reset: bool) -> None:
    lost: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        watch = RpcWatch([f"127.0.0.1:{server.getsockname()[1]}"], lost.append)
        watch.start()
        connection, _ = server.accept()
        if is_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)
        connection.close()
        _wait(watch)
    assert not lost


def test_a_server_without_room_for_another_connection_is_not_watched() -> None:
    lost: list[str] = []
    watch = RpcWatch([f"127.0.0.1:{free_port()}"], lost.append)
    watch.start()
    _wait(watch)
    assert not lost


def test_one_that_is_gone_is_told_while_the_others_are_still_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rpc_watch, "_is_gone", lambda _: True)
    lost: list[str] = []
    told = threading.Event()

    def lose(address: str) -> None:
        lost.append(address)
        told.set()

    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, other)]
        watch = RpcWatch(addresses, lose)
        watch.start()
        held, _ = one.accept()
        other.accept()[0].close()
        assert told.wait(30)
        held.close()
        watch.close()
    assert lost == [addresses[1]]


def test_nothing_is_said_on_the_connection_and_it_ends_with_the_watch() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        watch = RpcWatch([f"127.0.0.1:{server.getsockname()[1]}"], lambda _: None)
        watch.start()
        watch.start()
        connection, _ = server.accept()
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(30)
        watch.close()
        watch.close()
        assert connection.recv(1) == b""
        connection.close()
