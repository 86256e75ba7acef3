"""What a machine offers to others by llama.cpp's RPC, and where it does."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import PositiveInt

from harness.schema.machine import Device
from harness.schema.record import Record


class RpcOffer(Record):
    """
    Where a server listens, with how many threads its CPU computes, and how much memory it gives.

    `memory_bytes` is the most of each device, None: all of it; `system_bytes` is what programs may
    take of the system's memory, of which ggml knows no container's limit.
    """

    address: str
    n_threads: PositiveInt
    memory_bytes: PositiveInt | None = None
    system_bytes: PositiveInt


def offered(devices: Sequence[Device]) -> tuple[Device, ...]:
    """Those that a server offers, as llama.cpp's own does: the cards, or without one the CPU."""
    cards = tuple(device for device in devices if device.is_gpu)
    return cards or tuple(device for device in devices if device.kind == "cpu")
