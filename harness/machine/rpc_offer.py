"""What a machine offers to others by llama.cpp's RPC, and where it does."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import PositiveInt

from harness.schema.machine import Device
from harness.schema.record import Record


class RpcOffer(Record):
    """
    Where a server listens, with how many threads its CPU computes, and what each device says at
    most that it has; None: all of it.
    """

    address: str
    n_threads: PositiveInt
    memory_bytes: PositiveInt | None = None


def offered(devices: Sequence[Device]) -> tuple[Device, ...]:
    """Those that a server offers, as llama.cpp's own does: the cards, or without one the CPU."""
    cards = tuple(device for device in devices if device.is_gpu)
    return cards or tuple(device for device in devices if device.kind == "cpu")
