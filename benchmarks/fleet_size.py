"""What the experiments of many machines cost on the disk, and whoever reads them."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import click
from tabulate import tabulate

from benchmarks.synthetic_fleet import write_fleet

_HELP = """
Write synthetic experiments of many machines into a temporary folder, and time what reads them.

They are derived from a measured experiment (benchmarks/synthetic_fleet.py): ids, machines, models
and speeds are made up, the size and the shape of the files are real. Each command runs in a process
of its own; processor time and peak memory are those that the system counts for it, so a busy
machine matters little. Growth: to which power of the number of machines the processor time grows
between two sizes.
"""
COMMANDS = {
    "show": ("show", "--results", "{folder}"),
    "show --all": ("show", "--all", "--results", "{folder}"),
    "compare --across machine": ("compare", "--across", "machine", "{folder}"),
    "compare --across machine --json": ("compare", "--across", "machine", "{folder}", "--json"),
    "report": ("report", "{folder}", "--force", "-o", "{output}"),
}


@dataclass(frozen=True)
class Cost:
    """What one process took: seconds of processor time, the most memory, and what it wrote."""

    cpu_s: float
    peak_bytes: int
    n_bytes: int


@click.command(help=_HELP)
@click.option("--machines", default="10,100,1000", show_default=True, help="How many, each time.")
@click.option("--models", default=1, show_default=True, help="Models in each file.")
@click.option("--times", default=3, show_default=True, help="Processes of each command.")
def main(machines: str, models: int, times: int) -> None:
    """Prints a table."""
    sizes = [int(text) for text in machines.split(",")]
    found: dict[str, list[list[Cost]]] = {name: [] for name in COMMANDS}
    files = []
    with tempfile.TemporaryDirectory() as scratch:
        for size in sizes:
            folder = Path(scratch) / f"{size}"
            paths = write_fleet(folder, size, models)
            files.append([path.stat().st_size for path in paths])
            for name, words in COMMANDS.items():
                costs = [_cost(words, folder, Path(scratch)) for _ in range(times)]
                found[name].append(costs)
    click.echo(tabulate(_files(sizes, files), headers="firstrow"))
    click.echo(tabulate(_rows(sizes, found), headers="firstrow"))


def _cost(words: Sequence[str], folder: Path, scratch: Path) -> Cost:
    """Runs `harness` with these words, and asks the system what it took."""
    output = scratch / "page.html"
    output.unlink(missing_ok=True)
    filled = [word.format(folder=folder, output=output) for word in words]
    shown = scratch / "shown"
    with shown.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *filled], stdout=out, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"harness {' '.join(filled)} ended with {process.returncode}")
    written = output if output.exists() else shown
    return Cost(
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        written.stat().st_size,
    )


def _files(sizes: Sequence[int], files: Sequence[Sequence[int]]) -> Iterator[Sequence[object]]:
    yield ("machines", "files (MB)", "each (kB)")
    for size, of_size in zip(sizes, files, strict=True):
        yield size, round(sum(of_size) / 1e6, 1), round(sum(of_size) / len(of_size) / 1e3, 1)


def _rows(sizes: Sequence[int], found: dict[str, list[list[Cost]]]) -> Iterator[Sequence[object]]:
    yield ("command", "machines", "CPU (s)", "from", "to", "peak (MiB)", "writes (kB)", "growth")
    for name, by_size in found.items():
        cpu = [median(it.cpu_s for it in costs) for costs in by_size]
        growth = ["", *(f"{it:.2f}" for it in _powers(sizes, cpu))]
        for size, costs, middle, power in zip(sizes, by_size, cpu, growth, strict=True):
            taken = [it.cpu_s for it in costs]
            peak = max(it.peak_bytes for it in costs) / 2**20
            row = (name, size, *(round(it, 2) for it in (middle, min(taken), max(taken))))
            yield *row, round(peak), round(costs[0].n_bytes / 1e3), power


def _powers(sizes: Sequence[int], cpu: Sequence[float]) -> Iterator[float]:
    pairs = pairwise(zip(sizes, cpu, strict=True))
    return (math.log(b / a) / math.log(more / fewer) for (fewer, a), (more, b) in pairs)


if __name__ == "__main__":
    main()
