"""
What a network between machines costs a model that lies on several of them.

    python -m benchmarks.rpc_links --model smollm2-135m
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import click
from tabulate import tabulate

from benchmarks import sweeps
from benchmarks.slow_link import slow_link
from harness import units
from harness.machine.rpc import parted
from harness.measure.rpc import machine_with
from harness.measure.rpc_serving import rpc_served
from harness.models.download import download_all
from harness.schema.experiment import Run
from harness.schema.machine import Machine
from harness.schema.settings import Settings

_HELP = """
Measure a model over one or more RPC servers of this machine behind links of several delays and
speeds, and without a link.

A link is a TCP proxy of this benchmark's own (slow_link.py), not a network: it holds each direction
back by half of the delay and lets so many bits a second through. What the proxy itself costs is the
row "proxy alone". All servers share this machine's cores, so what is worth reading is how much a
step takes longer, not how fast the model is.
"""


@dataclass(frozen=True)
class Link:
    """What lies between; `delay_ms` is added to a ping, `mbit_per_s` None is the proxy's own."""

    name: str
    delay_ms: float = 0.0
    mbit_per_s: float | None = None
    is_direct: bool = False


@dataclass(frozen=True)
class Row:
    """What came of a link: ping and speed as they were found, and the model's figures."""

    link: str
    ping_ns: int
    bytes_per_s: int | None
    rates: Mapping[str, float]


@click.command(help=_HELP)
@click.option("--model", default="smollm2-135m", show_default=True)
@click.option("--workload", "workloads", multiple=True, default=("pp256", "tg32"))
@click.option("--servers", "n_servers", type=click.IntRange(1, 4), default=2, show_default=True)
@click.option("--delays", default="0.1,0.5,1,2,5,10", show_default=True, help="ms of a ping.")
@click.option("--speeds", default="100,1000,10000", show_default=True, help="Mbit/s.")
@click.option("--rounds", default=3, show_default=True, help="Fresh processes for each link.")
@sweeps.common_options
def main(
    model: str,
    workloads: tuple[str, ...],
    n_servers: int,
    delays: str,
    speeds: str,
    rounds: int,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    machine, settings = sweeps.machine_and_settings(threads)
    (local,) = download_all([model])
    limits = sweeps.Limits(rounds, rounds, 0.0, sweeps.A_DAY_NS)
    rows = []
    with sweeps.alone(__file__, wait), ExitStack() as stack:
        servers = [
            stack.enter_context(rpc_served("127.0.0.1", free_port(), settings.n_threads))
            for _ in range(n_servers)
        ]
        ports = [parted(server.offer.address)[1] for server in servers]
        for link in links(delays, speeds):
            sweeps.tell(link.name)
            with ExitStack() as wires:
                ends = ports if link.is_direct else [_laid(wires, port, link) for port in ports]
                over = settings.model_copy(
                    update={"rpc": tuple(f"127.0.0.1:{port}" for port in ends)}
                )
                whole = machine_with(machine, over.rpc)
                runs = _measured(local.key, local.path, over, whole, workloads, limits, seed)
            rows.append(_row(link, whole, runs, workloads))
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        click.echo(table(rows))


def free_port() -> int:
    """A port of the loopback that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def links(delays: str, speeds: str) -> list[Link]:
    """No link, the proxy alone, each delay at the proxy's own speed, each speed without delay."""
    return [
        Link("none", is_direct=True),
        Link("proxy alone"),
        *(Link(f"{ms} ms", delay_ms=float(ms)) for ms in delays.split(",") if ms),
        *(Link(f"{it} Mbit/s", mbit_per_s=float(it)) for it in speeds.split(",") if it),
    ]


def _laid(wires: ExitStack, port: int, link: Link) -> int:
    bits = link.mbit_per_s * 1e6 if link.mbit_per_s else None
    return wires.enter_context(slow_link(port, link.delay_ms / 2e3, bits))


def _measured(
    key: str,
    path: Path,
    settings: Settings,
    machine: Machine,
    workloads: Sequence[str],
    limits: sweeps.Limits,
    seed: int,
) -> list[Run]:
    paths = {key: path}
    plan = sweeps.plan_of(paths, workloads, settings, limits, n_trials=2, seed=seed)
    return sweeps.swept(plan, paths, machine, sweeps.Watcher())


def _row(link: Link, machine: Machine, runs: Sequence[Run], workloads: Sequence[str]) -> Row:
    farthest = max(machine.rpc, key=lambda server: server.ping_ns)
    rates = {
        name: median(rate for run in runs for rate in sweeps.rates(run, name)) for name in workloads
    }
    return Row(link.name, farthest.ping_ns, farthest.bytes_per_s, rates)


def table(rows: Sequence[Row]) -> str:
    """A line for each link, with what a step takes longer than without one."""
    names = [*rows[0].rates]
    lines = []
    for row in rows:
        speed = units.bandwidth(row.bytes_per_s) if row.bytes_per_s else ""
        line: list[object] = [row.link, units.duration(row.ping_ns), speed]
        for name in names:
            line.append(f"{row.rates[name]:.1f}")
            if name.startswith("tg"):
                more_ns = 1e9 / row.rates[name] - 1e9 / rows[0].rates[name]
                line.append(f"{more_ns / 1e6:+.2f} ms")
        lines.append(line)
    heads = ["link", "ping", "to it"]
    for name in names:
        heads += [f"{name} tok/s", *(["a step"] if name.startswith("tg") else [])]
    return tabulate(lines, heads, disable_numparse=True)


if __name__ == "__main__":
    main()
