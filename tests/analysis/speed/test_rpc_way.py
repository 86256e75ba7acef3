"""What the way to RPC servers takes of a token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.speed.rpc_way import way_of_token, way_of_weights_ns
from harness.schema.machine import RpcDevice, RpcServer

MS = 1_000_000
N_VOCAB = 49_152


def server(ping_ns: int, bytes_per_s: int | None = None, n_devices: int = 1) -> RpcServer:
    device = RpcDevice(total_bytes=8 << 30, free_bytes=8 << 30)
    return RpcServer(
        address="127.0.0.1:50052",
        version="7.0.0",
        devices=(device,) * n_devices,
        ping_ns=ping_ns,
        bytes_per_s=bytes_per_s,
    )


def test_a_token_takes_a_ping_of_each_server_and_the_logits_once() -> None:
    servers = [server(10 * MS, 10**6), server(2 * MS, 12_500_000)]
    way = way_of_token(servers, {"CPU", "RPC0", "RPC1"}, N_VOCAB)
    assert way is not None
    assert way.pings_ns == 12 * MS
    assert way.logits_ns == pytest.approx(4 * N_VOCAB / 12.5e6 * 1e9)
    assert way.most_per_s == pytest.approx(1e9 / (12 * MS + way.logits_ns))


def test_a_server_without_a_part_of_the_model_is_not_asked() -> None:
    # The first server has two devices, so the second one's is RPC2.
    servers = [server(10 * MS, n_devices=2), server(2 * MS)]
    for holding, n, pings_ns in (
        ({"RPC1"}, 1, 10 * MS),
        ({"RPC2", "CPU"}, 1, 2 * MS),
        ({"RPC0", "RPC1", "RPC2"}, 2, 12 * MS),
    ):
        way = way_of_token(servers, holding, None)
        assert way is not None
        assert (way.n_servers, way.pings_ns, way.logits_ns) == (n, pings_ns, 0)
    assert way_of_token(servers, {"CPU"}, N_VOCAB) is None
    assert way_of_token([], {"RPC0"}, N_VOCAB) is None


def test_with_a_card_here_the_logits_may_be_made_on_it() -> None:
    way = way_of_token([server(MS, 10**6)], {"RPC0", "CUDA0"}, N_VOCAB)
    assert way is not None
    assert way.logits_ns == 0


def test_weights_are_sent_to_one_server_after_the_other() -> None:
    servers = [server(MS, 10**8, n_devices=2), server(MS), server(MS, 10**9)]
    weights = {"CPU": 10**9, "RPC0": 10**8, "RPC1": 10**8, "RPC2": 10**8, "RPC3": 10**9}
    assert way_of_weights_ns(servers, weights) == pytest.approx(3e9)
    assert way_of_weights_ns([], weights) == 0


@given(
    pings=st.lists(st.integers(1, 10**9), min_size=1, max_size=5),
    speed=st.none() | st.integers(1, 10**11),
    n_vocab=st.none() | st.integers(1, 10**6),
)
def test_another_server_makes_the_way_longer(
    pings: list[int], speed: int | None, n_vocab: int | None
) -> None:
    servers = [server(ping, speed) for ping in pings]
    ways = [
        way_of_token(servers, {f"RPC{i}" for i in range(n)}, n_vocab)
        for n in range(1, len(servers) + 1)
    ]
    taken = [way.ns for way in ways if way]
    assert len(taken) == len(servers)
    assert taken == sorted(taken)
    assert all(more_than >= ping for more_than, ping in zip(taken, pings, strict=True))
