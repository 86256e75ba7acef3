"""How long the shortest question takes to a machine of a fleet and back."""

from __future__ import annotations

from time import perf_counter_ns

from harness.fleet.cluster import Cluster

_N_PINGS = 3
_PATIENCE_S = 20


def ping_ns(cluster: Cluster, host: str) -> int | None:
    """The shortest of some, through all that lies between; None where no worker answers."""
    member = cluster.members().get(host)
    if member is None:
        return None

    async def asked() -> int:
        times = []
        # The first one waits for the connection.
        for _ in range(_N_PINGS + 1):
            began_ns = perf_counter_ns()
            await cluster.client.rpc(member.address).identity()
            times.append(perf_counter_ns() - began_ns)
        return min(times[1:])

    try:
        return int(cluster.client.sync(asked, callback_timeout=_PATIENCE_S))
    except (OSError, TimeoutError):
        return None
