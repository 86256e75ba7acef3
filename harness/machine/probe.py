"""What this machine is: the `Machine` that every record names."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence

from harness.errors import HarnessError
from harness.machine.linux import describe as linux
from harness.machine.macos import describe as macos
from harness.machine.windows import describe as windows
from harness.schema.machine import Machine, RpcServer, installed_bytes, offered_bytes


def probe_machine() -> Machine:
    """
    The machine this process runs on. Takes tens of milliseconds, on a Mac about half a second.

    Raises:
        HarnessError: The system does not tell its memory or cores, or is none of the three known.
    """
    if sys.platform == "linux":
        machine = linux.probe_linux()
    elif sys.platform == "darwin":
        machine = macos.probe_macos()
    elif sys.platform == "win32":
        machine = windows.probe_windows()
    else:
        raise HarnessError(f"{sys.platform} is not supported; run on Linux, macOS or Windows")
    return machine.model_copy(update={"id": machine_id(machine)})


def machine_id(machine: Machine) -> str:
    """
    Twelve hexadecimal digits that stay the same while the hardware does.

    Only hardware goes in: no name of host or user, no serial number, nothing that an update of
    the system or a container's limits change.
    """
    facts = [
        machine.arch,
        machine.model,
        machine.cpu,
        machine.n_cores_physical,
        machine.n_cores_logical,
        [[level.name, level.n_cores] for level in machine.core_levels],
        installed_bytes(machine.memory_bytes),
        sorted(
            [card.name, card.n_cores or 0, _gpu_bytes(machine, card.memory_bytes)]
            for card in machine.accelerators
        ),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def with_servers(machine: Machine, servers: Sequence[RpcServer]) -> Machine:
    """
    The machine that `machine` and what stands behind RPC servers are together: another one.

    Its id is made of its own and of the memory behind each server, in their order, which is all
    that a server tells of its hardware.
    """
    facts = [machine.id, offered_bytes(servers)]
    own_id = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
    return machine.model_copy(update={"id": own_id, "rpc": tuple(servers)})


def default_threads(machine: Machine) -> int:
    """
    Threads to compute with: one for each fast core that may be used, never one for an SMT twin.

    Threads work in lockstep, so a slow core would hold up all others.
    """
    if machine.core_levels:
        fast = machine.core_levels[0].n_cores
    else:
        fast = machine.n_cores_physical or machine.n_cores_usable
    return max(1, min(fast, machine.n_cores_usable))


def _gpu_bytes(machine: Machine, memory_bytes: int | None) -> int:
    # On a Mac it is a limit of the system's, changed by its updates and by the user.
    if memory_bytes is None or machine.gpu_limit_bytes is not None:
        return 0
    return installed_bytes(memory_bytes) if memory_bytes else 0
