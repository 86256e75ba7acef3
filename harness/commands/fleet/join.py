"""The machines of a fleet brought together: by workers started from here, or by those there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from harness import units
from harness.commandline.fleet_options import Way
from harness.commandline.output import Output
from harness.endpoint.load import allow_connections
from harness.errors import HarnessError
from harness.fleet.cluster import Cluster
from harness.fleet.connection import HARNESS, HostUnusable, MakeOrder, Reach
from harness.fleet.links import HostLinks, Joined
from harness.fleet.order import WorkerOrder
from harness.fleet.plan import Links
from harness.fleet.ssh import Failure, Tunnel

CLOCKS_AGREE_NS = 5 * 10**9
"""Clocks that differ by less are in step, as far as one can tell from here."""

# Three pipes to its ssh, and between three and four sockets of the scheduler and the client
# (python -m benchmarks.fleet_scheduler): 1,024 files, what a shell often allows, end at 150 hosts.
_FILES_A_HOST = 8

Told = Callable[[Joined | HostUnusable], None]
"""Hears of each host as soon as its worker has joined, or cannot."""


@dataclass
class Fleet:
    """
    What has come together.

    Attributes:
        cluster: Where the workers have joined.
        links: To those that were started from here; None where others did.
        joined: By host, who is there.
        failures: By host, why none is there.
    """

    cluster: Cluster
    links: Links | None = None
    joined: dict[str, Joined] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def tell_of(output: Output) -> Told:
    """Says who joins, how far its clock is off, and who does not join and why."""

    def told(each: Joined | HostUnusable) -> None:
        if isinstance(each, HostUnusable):
            output.warn(f"{each}.")
            return
        output.tell(f"{each.host}: {each.hello.machine_title}")
        offset_ns = each.clock_offset_ns or 0
        if abs(offset_ns) >= CLOCKS_AGREE_NS:
            how = f"{units.duration(abs(offset_ns))} {'ahead' if offset_ns > 0 else 'behind'}"
            output.warn(f"{each.host}: its clock is {how}; the record keeps that.")

    return told


def tell_reached(output: Output, way: Way, hosts: Sequence[str]) -> None:
    """Says what takes the next seconds: those that are silent are waited for."""
    if hosts and way.scheduler is None:
        output.tell(f"Reaching {units.counted(len(hosts), 'machine')}.")


@contextlib.contextmanager
def joined(
    way: Way, hosts: Sequence[str], commands: Mapping[str, str], told: Told
) -> Iterator[Fleet]:
    """
    The fleet, for as long as the block runs; no worker that was started for it is left then.

    Args:
        way: How hosts are reached.
        hosts: Those that are needed.
        commands: What starts the harness on them.
        told: Hears who comes and who does not.

    Raises:
        HarnessError: No scheduler can be had.
    """
    if way.scheduler is not None:
        with Cluster.connect(way.scheduler, way.certificate) as cluster:
            yield _there(cluster, hosts, told)
        return
    allow_connections(len(hosts) * _FILES_A_HOST)
    with _started(way) as cluster:
        port = None if way.direct else urlsplit(cluster.address).port
        reaches = [
            Reach(host, commands.get(host) or way.command or HARNESS, way.config, port)
            for host in hosts
        ]
        with HostLinks(reaches, partial(_orders, cluster)) as links:
            fleet = Fleet(cluster, links)
            for each in links.started():
                _take(fleet, each, told)
            yield fleet


def named_hosts(way: Way) -> tuple[str, ...]:
    """
    Those that are asked for; of a scheduler that is there all who have joined it, unless some are.

    Raises:
        HarnessError: It does not answer, or nobody has joined it.
    """
    if way.hosts or way.scheduler is None:
        return way.hosts
    with Cluster.connect(way.scheduler, way.certificate) as cluster:
        hosts = tuple(cluster.members())
    if not hosts:
        raise HarnessError(
            f"{way.scheduler}: no machine has joined; start `harness fleet worker` there"
        )
    return hosts


def _started(way: Way) -> Cluster:
    if way.direct is None:
        return Cluster.start()
    address, port = way.direct
    return Cluster.start(address, port)


def _orders(cluster: Cluster, host: str) -> MakeOrder:
    def make(tunnel: Tunnel | None) -> WorkerOrder:
        if tunnel is None:
            return cluster.order_for(host)
        return cluster.order_for(host, tunnel.scheduler_there, tunnel.worker_port, tunnel.contact)

    return make


def _there(cluster: Cluster, hosts: Sequence[str], told: Told) -> Fleet:
    """Those that have joined a scheduler of others'."""
    hellos = cluster.hellos()
    fleet = Fleet(cluster)
    for host in hosts:
        if host in hellos:
            _take(fleet, Joined(host, hellos[host], None), told)
        else:
            names = ", ".join(hellos) or "nobody"
            why = f"no worker of that name has joined {cluster.address}; there are {names}"
            _take(fleet, HostUnusable(host, Failure(why)), told)
    return fleet


def _take(fleet: Fleet, each: Joined | HostUnusable, told: Told) -> None:
    if isinstance(each, Joined):
        fleet.joined[each.host] = each
    else:
        fleet.failures[each.host] = each.failure.reason
    told(each)
