"""
What the way to RPC servers takes of each token of decoding, however fast they compute.

A token passes through the servers one after the other. Each is sent what it needs without waiting,
and what it found is waited for: one ping a server. The last one sends back the logits, a number of
four bytes for each token of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.device_memory import SYSTEM
from harness.schema.machine import RpcServer

_LOGIT_BYTES = 4


@dataclass(frozen=True)
class Way:
    """Of one token: `pings_ns` of `n_servers` together, and the logits, which may stay here."""

    n_servers: int
    pings_ns: int
    logits_ns: float

    @property
    def ns(self) -> float:
        """All of it."""
        return self.pings_ns + self.logits_ns

    @property
    def most_per_s(self) -> float:
        """Tokens per second, if computing took no time."""
        return 1e9 / self.ns


def way_of_token(
    servers: Sequence[RpcServer], holding: Collection[str], n_vocab: int | None
) -> Way | None:
    """
    The way of a token through those servers that hold a part of the model; None where none does.

    Args:
        servers: In their order, with their pings and speeds.
        holding: Names of the devices that hold weights, as the engine has them: "RPC0", "CPU".
        n_vocab: Tokens of the vocabulary.
    """
    passed = [server for server, names in _named(servers) if names & {*holding}]
    if not passed:
        return None
    # With a card here too, the last layers may be on it.
    ends_there = all(name == SYSTEM or name.startswith("RPC") for name in holding)
    speed = passed[-1].bytes_per_s
    is_sent = ends_there and speed is not None and n_vocab is not None
    logits_ns = _LOGIT_BYTES * (n_vocab or 0) * 1e9 / (speed or 1) if is_sent else 0.0
    return Way(len(passed), sum(server.ping_ns for server in passed), logits_ns)


def way_of_weights_ns(servers: Sequence[RpcServer], weights: Mapping[str, int]) -> float:
    """
    What sending the weights takes at least, one server after the other; 0 where none are sent.

    Args:
        servers: As above; one whose speed is not known takes no time.
        weights: Bytes by the engine's name of the device.
    """
    return sum(
        weights.get(name, 0) * 1e9 / server.bytes_per_s
        for server, names in _named(servers)
        for name in names
        if server.bytes_per_s
    )


def _named(servers: Sequence[RpcServer]) -> Iterator[tuple[RpcServer, set[str]]]:
    """Each with the engine's names of its devices."""
    first = 0
    for server in servers:
        after = first + len(server.devices)
        yield server, {f"RPC{i}" for i in range(first, after)}
        first = after
