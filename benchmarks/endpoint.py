"""
How late the harness stamps what a model server sends, beside httpx.

    python -m benchmarks.endpoint
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from statistics import median
from typing import Any

import click
import numpy as np
from tabulate import tabulate

from benchmarks import sweeps
from harness import units

_CLIENTS = ("harness", "httpx")
_STREAMS = (1, 8, 64)
# One after the other in a process, so that each has at least four first events.
_TIMES = {1: 4}
_ASKED_MEDIAN_NS = 500_000

_HELP = """
Read streams of a server whose every event says when it was sent, each client in a fresh process,
both in random order each round.

The server is a process of its own: 200 ms to the first event, then one each gap, in every stream at
the same moments. Errors are those of the harness's own figures, the time to the first event and
the gaps, against what the server says; of httpx those of its blocks, stamped as they come. Each
process counts with its median and its 99th percentile; shown are the median over processes, and in
brackets the smallest and the largest.
"""

_Result = Mapping[str, Any]
_Results = Mapping[tuple[int, str], Sequence[_Result]]


@click.command(help=_HELP)
@click.option("--rounds", default=7, show_default=True, help="Each has every case once.")
@click.option("--events", default=100, show_default=True, help="Of each stream.")
@click.option("--gap-ms", default=20.0, show_default=True, help="Between two events.")
@sweeps.common_options
def main(
    rounds: int,
    events: int,
    gap_ms: float,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    del threads  # one a stream
    rng = Random(seed)
    results: dict[tuple[int, str], list[_Result]] = {
        (n, name): [] for n in _STREAMS for name in _CLIENTS
    }
    with _serving(events, gap_ms / 1e3) as port, sweeps.alone(__file__, wait):
        for number in range(rounds):
            for n_streams, name in rng.sample([*results], len(results)):
                results[n_streams, name].append(_measured(name, port, n_streams))
            sweeps.tell(f"round {number + 1} of {rounds}")
    if as_json:
        told = {f"{name}, {n}": each for (n, name), each in results.items()}
        click.echo(json.dumps(told, indent=1))
        return
    click.echo(_table(results))
    click.echo(_verdict(results))


@contextmanager
def _serving(n_events: int, gap_s: float) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.endpoint_server", str(n_events), str(gap_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _measured(name: str, port: int, n_streams: int) -> _Result:
    numbers = map(str, (port, n_streams, _TIMES.get(n_streams, 1)))
    command = [sys.executable, "-m", "benchmarks.endpoint_client", name, *numbers]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise click.ClickException(f"{name} failed: {done.stderr.strip()[-500:]}")
    result: _Result = json.loads(done.stdout)
    return result


def percentiles(results: Sequence[_Result], key: str, percent: float) -> list[float]:
    """One for each process, in nanoseconds."""
    return [float(np.percentile(each[key], percent)) for each in results]


def _table(results: _Results) -> str:
    rows = []
    for (n_streams, name), each in results.items():
        cells = [
            _spread(percentiles(each, key, percent))
            for key in ("first_ns", "gap_ns")
            for percent in (50, 99)
        ]
        cpu = units.duration(median(one["cpu_ns"] for one in each))
        rows.append((n_streams, name, *cells, cpu))
    headers = ("streams", "client", "TTFT p50", "TTFT p99", "ITL p50", "ITL p99", "CPU")
    return tabulate(rows, headers, disable_numparse=True)


def _spread(values_ns: Sequence[float]) -> str:
    """In milliseconds: "0.081 (0.075-0.094)"."""
    middle, low, high = (
        value / 1e6 for value in (median(values_ns), min(values_ns), max(values_ns))
    )
    return f"{middle:.3f} ({low:.3f}-{high:.3f}) ms"


def _verdict(results: _Results) -> str:
    """What was asked for, and whether it holds in each case."""
    missed = []
    for n_streams in _STREAMS:
        ours, others = results[n_streams, "harness"], results[n_streams, "httpx"]
        for key, name in (("first_ns", "TTFT"), ("gap_ns", "ITL")):
            if median(percentiles(ours, key, 50)) > _ASKED_MEDIAN_NS:
                missed.append(f"{name} of {n_streams} streams: more than 0.5 ms at the median")
            p99, theirs = (median(percentiles(each, key, 99)) for each in (ours, others))
            if p99 > theirs:
                missed.append(f"{name} of {n_streams} streams: p99 worse than httpx's")
    asked = "at most 0.5 ms at the median, p99 no worse than httpx's"
    return f"asked: {asked}: " + ("; ".join(missed) if missed else "holds in every case")


if __name__ == "__main__":
    main()
