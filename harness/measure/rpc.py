"""
The servers of llama.cpp's RPC that a measurement computes with: asked before it begins, and named
where one of them is why it failed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence

from harness.errors import UsageError
from harness.machine.probe import with_servers
from harness.machine.rpc import RpcFailed, greet, parted, probe
from harness.schema.machine import Machine
from harness.schema.outcome import Outcome
from harness.schema.settings import Settings

# How a worker ends whose server is gone, or stopped: the library knows no other way.
_BROKEN_OFF = ("aborted", "crashed", "hung")
_OF_SERVER = re.compile(r"\bRPC\d+ buffer")  # as ggml-alloc.c says what it did not get
_LOST = "Remote RPC server crashed"  # ggml-rpc.cpp, before it aborts


def servers_of(settings: Sequence[Settings]) -> tuple[str, ...]:
    """
    The servers that all of `settings` compute with.

    Raises:
        UsageError: Some compute with others: what stands behind them makes the machine, and an
            experiment has one.
    """
    found = {each.rpc for each in settings}
    if len(found) > 1:
        raise UsageError("--rpc: one measurement is with the same servers throughout")
    return next(iter(found), ())


def asked_servers(
    lists: Mapping[str, Sequence[object]], is_in_turns: bool, is_also_served: bool
) -> tuple[str, ...]:
    """
    The servers that a measurement is asked to compute with.

    Args:
        lists: Values of the fields of Settings.
        is_in_turns: Whether all of its workers are to be alive together.
        is_also_served: Whether model servers are to be started too.

    Raises:
        UsageError: They cannot be had with that.
    """
    (addresses,) = lists.get("rpc", ((),))
    assert isinstance(addresses, tuple)
    if addresses and is_in_turns:
        raise UsageError(
            "--in-turns always keeps all sides alive, and an RPC server has one client at a time; "
            "leave it away"
        )
    if addresses and is_also_served:
        raise UsageError(
            "--also-served starts a server for this machine's devices alone; leave it, or --rpc, "
            "away"
        )
    return addresses


def machine_with(machine: Machine, addresses: Sequence[str]) -> Machine:
    """
    The machine that `machine` makes together with the servers at `addresses`, asked now.

    Raises:
        RpcFailed: One does not answer, or the engine could do nothing with it.
    """
    return with_servers(machine, [probe(each) for each in addresses]) if addresses else machine


def require_answers(addresses: Sequence[str]) -> None:
    """
    Nothing, if all servers answer: the engine aborts, or waits for ever, where one does not.

    Raises:
        RpcFailed: One does not.
    """
    for address in addresses:
        greet(address)


def open_connections(addresses: Sequence[str]) -> Iterator[str]:
    """What is to be said of servers that are reached over a network as they are."""
    for address in addresses:
        if not is_loopback(parted(address)[0]):
            yield (
                f"The connection to {address} is open: whoever is in that network can read it, "
                "change it and use the server; an ssh tunnel closes it"
            )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its address or usual name, which nobody else can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def lost(address: str, silence_s: int, where: str, tail: tuple[str, ...]) -> Outcome:
    """The outcome of a worker that was ended because a server's machine was gone."""
    message = (
        f"the RPC server {address} was lost {where}: its machine, or the network to it, did not "
        f"answer within {silence_s} s"
    )
    return Outcome(status="failed", reason="hung", message=message, log_tail=tail)


def blamed(outcome: Outcome, addresses: Sequence[str]) -> Outcome:
    """
    The outcome of a worker that computed with servers, which names the one that made it fail.

    To be asked when the worker is gone: a server answers one client at a time.
    """
    if not addresses:
        return outcome
    if outcome.reason == "out-of-memory" and _OF_SERVER.search(outcome.message or ""):
        why = "a server gives away no more than is free there; `harness fit --rpc` tells how much"
        return outcome.model_copy(update={"message": f"{outcome.message}; {why}"})
    if outcome.reason not in _BROKEN_OFF:
        return outcome
    for address in addresses:
        try:
            greet(address)
        except RpcFailed as error:
            why = f"the RPC server {address} stopped answering: it {error.why}"
            return outcome.model_copy(update={"message": f"{why}; {outcome.message}"})
    if any(_LOST in line for line in outcome.log_tail):
        which = ", ".join(addresses)
        why = f"an RPC server ended the connection, and all answer again: {which}"
        return outcome.model_copy(update={"message": f"{why}; {outcome.message}"})
    return outcome
