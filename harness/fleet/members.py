"""The workers of a fleet, as a scheduler tells of them: by their names and what they have."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from harness.errors import HarnessError
from harness.fleet.order import Hello, read_answer

BENCHMARK = "benchmark"
"""The resource of which each worker has one, so that it does one thing at a time."""

_MACHINE = "machine-"


@dataclass(frozen=True)
class Member:
    """
    A worker that is there, what it is called, and on which machine it is; what it says of itself
    comes some seconds later. `address` is Dask's.
    """

    address: str
    host: str
    machine_id: str
    hello: Hello | None


def host_resource(host: str) -> str:
    """What only the worker of `host` has."""
    return f"host-{host}"


def machine_resource(machine_id: str) -> str:
    """What the worker on a machine has; machines that are alike have the same."""
    return f"{_MACHINE}{machine_id}"


def member_of(address: str, facts: Mapping[str, Any]) -> Member | None:
    """A worker as the scheduler tells of it; None where it is none of a fleet."""
    host, resources = str(facts.get("name")), facts.get("resources", {})
    machines = [it.removeprefix(_MACHINE) for it in resources if it.startswith(_MACHINE)]
    if host_resource(host) not in resources or len(machines) != 1:
        return None
    told = facts.get("metrics", {}).get("harness")
    hello: object = None
    if isinstance(told, str):
        with suppress(HarnessError):
            hello = read_answer(told.encode())
    return Member(address, host, machines[0], hello if isinstance(hello, Hello) else None)
