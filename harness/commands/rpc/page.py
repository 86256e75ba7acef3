"""What is offered, as a page and as a document."""

from __future__ import annotations

from dataclasses import dataclass

from harness import units
from harness.machine.rpc import parted
from harness.measure.rpc import is_loopback
from harness.measure.rpc_serving import Serving
from harness.report.page import Facts, Note, Page

# Else ssh holds a tunnel whose other end is gone for as long as TCP does, a quarter of an hour, and
# one that has no port here for ever.
_TUNNEL_OPTIONS = "-o ServerAliveInterval=5 -o ExitOnForwardFailure=yes"


@dataclass(frozen=True)
class OfferedDevice:
    """A device, with the memory that clients are told of."""

    name: str
    description: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class ServingDocument:
    """
    What is offered where, as soon as it is; `tunnel` is the command for the other machine, null
    where the address is open to others.
    """

    address: str
    protocol: str
    n_threads: int
    devices: tuple[OfferedDevice, ...]
    tunnel: str | None


def document(serving: Serving) -> ServingDocument:
    """The answer for programs."""
    offer = serving.offer
    devices = tuple(
        OfferedDevice(device.name, device.description, told.total_bytes, told.free_bytes)
        for device, told in zip(serving.devices, offer.devices, strict=True)
    )
    return ServingDocument(
        offer.address, offer.version, serving.n_threads, devices, _tunnel(offer.address)
    )


def page(serving: Serving) -> Page:
    """The answer for people."""
    told = document(serving)
    return (
        Facts(
            (
                ("Serving", f"{told.address}, protocol {told.protocol}"),
                *(("Device", _device(each)) for each in told.devices),
                ("Threads", str(told.n_threads)),
            )
        ),
    )


def hint(serving: Serving) -> Page:
    """What to do on the other machine."""
    address = serving.offer.address
    port = parted(address)[1]
    if tunnel := _tunnel(address):
        lines = (
            f"On the other machine, HOST being this one: {tunnel}",
            f"and there: harness run MODEL --rpc 127.0.0.1:{port}",
        )
    else:
        lines = (
            f"{address} is open to everybody in its network, who can read and overwrite this "
            "machine's memory.",
            f"On the other machine: harness run MODEL --rpc {address.replace('0.0.0.0', 'HOST')}",
        )
    return (Note((*lines, "Ctrl-C ends it."), is_whole=True),)


def _tunnel(address: str) -> str | None:
    host, port = parted(address)
    return f"ssh -N {_TUNNEL_OPTIONS} -L {port}:{host}:{port} HOST" if is_loopback(host) else None


def _device(device: OfferedDevice) -> str:
    total, free = units.memory_size(device.total_bytes), units.memory_size(device.free_bytes)
    return f"{device.name} ({device.description}), {total}, {free} free"
