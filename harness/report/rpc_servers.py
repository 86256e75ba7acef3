"""The servers of llama.cpp's RPC that a machine is made of, as lines of a page."""

from __future__ import annotations

from harness import units
from harness.schema.machine import MachineFacts, RpcServer


def server_lines(machine: MachineFacts) -> tuple[str, ...]:
    """Of each what it offers and how far it is; nothing of a machine that is one."""
    return tuple(map(_line, machine.rpc))


def _line(server: RpcServer) -> str:
    memory = " + ".join(
        f"{units.memory_size(it.free_bytes)} free of {units.memory_size(it.total_bytes)}"
        for it in server.devices
    )
    speed = f", {units.bandwidth(server.bytes_per_s)} to it" if server.bytes_per_s else ""
    ping = units.duration(server.ping_ns)
    return f"RPC server {server.address}: {memory}, ping {ping}{speed}."
