"""Which machines a fleet would have: as a page and as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness import units
from harness.commands.fleet.page import IDLE, idle_cost, idle_legend
from harness.fleet.links import Joined
from harness.fleet.order import Hello
from harness.report.page import Cell, Column, Page, Table

_COLUMNS = (
    Column("host", "host"),
    Column("machine", "machine"),
    Column("harness", "harness"),
    Column("Python", "python"),
    Column("clock", "clock_offset_ns", "right"),
    Column("ping", "ping_ns", "right", unit="ns"),
    IDLE,
    Column(None, "reason"),
)


@dataclass(frozen=True, slots=True)
class FleetHost:
    """
    A host.

    Attributes:
        host: As it was named.
        reason: Why it cannot be used; null where it can.
        worker: What its worker said of itself; null without one.
        clock_offset_ns: How far its clock is before the one here, to some tenths of a second.
        ping_ns: What the shortest question takes to its worker and back; null where none answered.
    """

    host: str
    reason: str | None
    worker: Hello | None
    clock_offset_ns: int | None
    ping_ns: int | None


@dataclass(frozen=True, slots=True)
class FleetHostsDocument:
    """
    The machines of a fleet.

    Attributes:
        hosts: In the order in which they were named.
    """

    hosts: tuple[FleetHost, ...]


def document(
    hosts: Sequence[str],
    joined: Mapping[str, Joined],
    failures: Mapping[str, str],
    pings: Mapping[str, int | None],
) -> FleetHostsDocument:
    """The answer for programs."""
    rows = []
    for host in hosts:
        there = joined.get(host)
        rows.append(
            FleetHost(
                host=host,
                reason=failures.get(host),
                worker=there.hello if there else None,
                clock_offset_ns=there.clock_offset_ns if there else None,
                ping_ns=pings.get(host),
            )
        )
    return FleetHostsDocument(tuple(rows))


def page(found: FleetHostsDocument, joined: Mapping[str, Joined]) -> Page:
    """The answer for people."""
    legend = tuple(f"{each.host}: {each.reason}." for each in found.hosts if each.reason)
    rows = tuple(map(_row, found.hosts))
    return (Table(_COLUMNS, rows, legend=(*legend, *idle_legend(joined))),)


def _row(each: FleetHost) -> tuple[Cell, ...]:
    hello = each.worker
    if hello is None:
        return (each.host, "cannot be used", None, None, None, None, None, each.reason)
    return (
        each.host,
        hello.machine_title,
        hello.harness_version,
        hello.python_version,
        _clock(each.clock_offset_ns),
        each.ping_ns,
        idle_cost(hello),
        None,
    )


def _clock(offset_ns: int | None) -> str | None:
    """Nothing smaller than a second can be told."""
    if offset_ns is None:
        return None
    if abs(offset_ns) < 1e9:
        return "in step"
    return f"{'+' if offset_ns > 0 else '-'}{units.duration(abs(offset_ns))}"
