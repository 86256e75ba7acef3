from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import rpc_build, rpc_links
from benchmarks.rpc_links import Link, Sample
from benchmarks.slow_link import slow_link


@pytest.fixture
def echo() -> Iterator[int]:
    """A port that sends back all that it is sent, of one connection after the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    while data := connection.recv(65_536):
                        connection.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def back(port: int, data: bytes) -> tuple[bytes, float]:
    """What comes back, and after how many seconds."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        started = time.perf_counter()
        threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
        found = b""
        while len(found) < len(data):
            found += connection.recv(65_536)
        return found, time.perf_counter() - started


def test_a_link_passes_everything_and_no_sooner_than_its_delay(echo: int) -> None:
    data = bytes(range(256)) * 4096
    with slow_link(echo, delay_s=0.02) as port:
        assert back(port, data)[0] == data
        found, taken_s = back(port, b"again, on a new connection")
    assert found == b"again, on a new connection"
    assert taken_s >= 0.04


def test_a_link_is_no_faster_than_its_speed(echo: int) -> None:
    data = bytes(500_000)
    with slow_link(echo, bits_per_s=40e6) as port:
        found, taken_s = back(port, data)
    assert found == data
    assert taken_s >= 0.1


def test_a_table_has_the_median_of_each_link_with_its_quartiles() -> None:
    def samples(link: Link, n: int, rates: list[float]) -> list[Sample]:
        return [
            Sample(link, i, (30_000,) * n, (10**9,) * n, {"tg32": rate}, 0.1)
            for i, rate in enumerate(rates)
        ]

    late = samples(Link("10 ms", 10.0), 2, [50.0, 40.0, 25.0])
    told = rpc_links.table([*late, *samples(Link("none"), 1, [100.0])]).splitlines()
    assert told[-2].split()[:2] == ["1", "none"]
    assert told[-2].endswith("10.0")
    assert "25.0 (22.5 to 32.5)" in told[-1]
    assert " 0.06 " in told[-1]


def test_links_are_those_that_are_asked_for() -> None:
    found = rpc_links.links("1", "100")
    assert [link.name for link in found] == ["none", "proxy alone", "1 ms", "100 Mbit/s"]
    assert [link.is_direct for link in found] == [True, False, False, False]


def test_the_engine_here_has_rpc() -> None:
    assert rpc_build.has_rpc(Path(sys.executable))
