"""The servers of llama.cpp's RPC that a machine is made of, as lines of a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness import units
from harness.analysis.device_memory import device_of
from harness.analysis.measured import Measured
from harness.analysis.speed.rpc_way import way_of_token, way_of_weights_ns
from harness.schema.machine import MachineFacts, RpcServer
from harness.schema.model import ModelFile


def server_lines(machine: MachineFacts) -> tuple[str, ...]:
    """Of each what it offers and how far it is; nothing of a machine that is one."""
    return tuple(map(_line, machine.rpc))


def way_lines(machine: MachineFacts, groups: Sequence[Measured]) -> tuple[str, ...]:
    """What the way to them took of each token of what was measured over them."""
    return tuple(dict.fromkeys(_ways(machine, groups)))


def load_lines(machine: MachineFacts, key: str, weights: Mapping[str, int]) -> Iterator[str]:
    """How long the weights of the model `key`, by device, are under way to them at each load."""
    if way_ns := way_of_weights_ns(machine.rpc, weights):
        yield f"{key}: sending its weights to the servers takes about {units.duration(way_ns)}."


def _ways(machine: MachineFacts, groups: Sequence[Measured]) -> Iterator[str]:
    for group in groups:
        run = next((run for run in group.runs if run.weights), None)
        if run is None or not isinstance(group.model, ModelFile):
            continue
        devices = [each.name for each in run.devices_before]
        holding = {device_of(each.device, devices) for each in run.weights}
        if way := way_of_token(machine.rpc, holding, group.model.n_vocab):
            yield (
                f"{group.model.key}: the way to {units.counted(way.n_servers, 'server')} takes "
                f"about {units.duration(way.ns)} of each token that is decoded, so "
                f"{units.quantity(way.most_per_s, 'tok/s')} tok/s would be the most over it."
            )


def _line(server: RpcServer) -> str:
    memory = " + ".join(
        f"{units.memory_size(it.free_bytes)} free of {units.memory_size(it.total_bytes)}"
        for it in server.devices
    )
    speed = f", {units.bandwidth(server.bytes_per_s)} to it" if server.bytes_per_s else ""
    ping = units.duration(server.ping_ns)
    return f"RPC server {server.address}: {memory}, ping {ping}{speed}."
