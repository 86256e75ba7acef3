"""
What a network between machines costs a model that lies on several of them.

    python -m benchmarks.rpc_links --model smollm2-135m
"""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median, quantiles
from time import perf_counter_ns

import click
import psutil
from tabulate import tabulate

from benchmarks import sweeps
from benchmarks.slow_link import slow_link
from harness import units
from harness.machine.rpc import parted
from harness.measure.jobs.measure import MeasureJob, measure
from harness.measure.rpc import machine_with
from harness.measure.rpc_serving import rpc_served
from harness.models.download import download_all
from harness.schema.machine import Machine
from harness.schema.settings import Settings

_HELP = """
Measure a model over one or more RPC servers of this machine behind links of several delays and
speeds, and without a link.

A link is a TCP proxy of this benchmark's own (slow_link.py), not a network: it holds each direction
back by half of the delay and lets so many bits a second through. What the proxy itself costs is the
row "proxy alone". All servers share this machine's cores, so what is worth reading is how much a
step takes longer, not how fast the model is.

In each round every link is measured once, by a fresh process, in an order of its own.
"""

_N_TRIALS = 3


@dataclass(frozen=True)
class Link:
    """What lies between; `delay_ms` is added to a ping, `mbit_per_s` None is the proxy's own."""

    name: str
    delay_ms: float = 0.0
    mbit_per_s: float | None = None
    is_direct: bool = False


@dataclass(frozen=True)
class Sample:
    """
    One process: the link, how far the servers were just before it, and the model's figures.

    `pings_ns` and `bytes_per_s` are in the order of the servers; `load` is the system's in the last
    minute, in processes.
    """

    link: Link
    round: int
    pings_ns: tuple[int, ...]
    bytes_per_s: tuple[int, ...]
    rates: Mapping[str, float]
    load: float

    @property
    def n_servers(self) -> int:
        """How many machines beside the one that asks."""
        return len(self.pings_ns)


@click.command(help=_HELP)
@click.option("--model", default="smollm2-135m", show_default=True)
@click.option("--workload", "workloads", multiple=True, default=("pp256", "tg32"))
@click.option("--servers", "counts", default="1,2", show_default=True, help="How many, each.")
@click.option("--delays", default="0.1,0.5,1,2,5,10", show_default=True, help="ms of a ping.")
@click.option("--speeds", default="100,1000,10000", show_default=True, help="Mbit/s.")
@click.option("--rounds", default=5, show_default=True, help="Fresh processes for each link.")
@sweeps.common_options
def main(
    model: str,
    workloads: tuple[str, ...],
    counts: str,
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
    order = Random(seed)
    ways = [(int(n), link) for n in counts.split(",") for link in links(delays, speeds)]
    samples = []
    with sweeps.alone(__file__, wait), ExitStack() as stack:
        servers = [
            stack.enter_context(rpc_served("127.0.0.1", free_port(), settings.n_threads))
            for _ in range(max(n for n, _ in ways))
        ]
        ports = [parted(server.offer.address)[1] for server in servers]
        for number in range(rounds):
            sweeps.tell(f"round {number + 1} of {rounds}")
            for n, link in order.sample(ways, len(ways)):
                with ExitStack() as wires:
                    over = _over(wires, ports[:n], link, settings)
                    samples.append(
                        _measured(number, link, over, machine, local.path, workloads, seed)
                    )
    if as_json:
        click.echo(json.dumps([asdict(sample) for sample in samples], indent=1))
    else:
        click.echo(table(samples))


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


def _over(wires: ExitStack, ports: Sequence[int], link: Link, settings: Settings) -> Settings:
    """The settings that compute behind the link, as long as the wires are laid."""
    bits = link.mbit_per_s * 1e6 if link.mbit_per_s else None
    ends = [
        port if link.is_direct else wires.enter_context(slow_link(port, link.delay_ms / 2e3, bits))
        for port in ports
    ]
    return settings.model_copy(update={"rpc": tuple(f"127.0.0.1:{port}" for port in ends)})


def _measured(
    number: int,
    link: Link,
    settings: Settings,
    machine: Machine,
    path: Path,
    workloads: Sequence[str],
    seed: int,
) -> Sample:
    """Once, with no trial repeated: the servers' own work here would count as a disturbance."""
    whole = machine_with(machine, settings.rpc)
    now = perf_counter_ns()
    job = MeasureJob(
        model_path=str(path),
        settings=settings,
        workloads=tuple(workloads),
        n_trials=_N_TRIALS,
        n_trials_max=_N_TRIALS,
        seed=seed + number,
        n_cores_logical=machine.n_cores_logical,
        n_cores_usable=machine.n_cores_usable,
        started_ns=now,
        deadline_ns=now + sweeps.A_DAY_NS,
    )
    with tempfile.TemporaryDirectory() as folder:
        found = measure(job, log=Path(folder) / "worker.log")
    if found.outcome.status == "failed":
        raise click.ClickException(f"{link.name}: {found.outcome.message}")
    rates = {
        name: median(
            it.n_tokens / it.total_ns * 1e9
            for it in found.trials
            if it.workload == name and not it.is_warm_up
        )
        for name in workloads
    }
    return Sample(
        link,
        number,
        tuple(server.ping_ns for server in whole.rpc),
        tuple(server.bytes_per_s or 0 for server in whole.rpc),
        rates,
        psutil.getloadavg()[0],
    )


def table(samples: Sequence[Sample]) -> str:
    """A line for each number of servers and each link: medians, with the quartiles beside them."""
    lines = []
    names = [*samples[0].rates]
    ways = dict.fromkeys((it.n_servers, it.link) for it in samples)
    for n, link in sorted(ways, key=lambda way: way[0]):
        there = [it for it in samples if (it.n_servers, it.link) == (n, link)]
        ping = median(sum(it.pings_ns) for it in there)
        speed = median(min(it.bytes_per_s) for it in there)
        cells = [_spread([1e3 / it.rates[name] for it in there]) for name in names]
        lines.append([n, link.name, ping / 1e6, units.bandwidth(round(speed)), len(there), *cells])
    heads = ["servers", "link", "pings, ms", "to it", "n", *(f"{name}, ms/token" for name in names)]
    return tabulate(lines, heads, floatfmt=".2f")


def _spread(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.1f}"
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
