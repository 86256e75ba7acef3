"""
How fast `harness pull` is and how much memory it takes, beside huggingface_hub and curl.

    python -m benchmarks.pull
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter_ns

import click
from tabulate import tabulate

from benchmarks import sweeps
from benchmarks.pull_puller import FILE, REPOSITORY
from harness import units

_CONTENDERS = ("harness", "hf_hub_download", "curl", "curl, synced")
_ASKED_RATIO = 0.9
_ASKED_PEAK_BYTES = 150_000_000

_HELP = """
Download one file from a server on loopback, each contender in a fresh process and folder, all of
them in random order each round.

The server is a process of its own and sends from the page cache. Timed is the download itself: of
the Python programs without starting the interpreter, of curl its whole process. The harness
hashes and forces the file to disk; hf_hub_download and curl do neither, "curl, synced" the latter.
"""


@dataclass(frozen=True)
class Download:
    """One of them; curl's memory is not looked at."""

    wall_ns: int
    peak_bytes: int | None


@click.command(help=_HELP)
@click.option("--rounds", default=7, show_default=True, help="Each has every contender once.")
@click.option("--megabytes", default=1000, show_default=True, help="Size of the file.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where to write, for another disk than that of temporary files.",
)
@sweeps.common_options
def main(
    rounds: int,
    megabytes: int,
    folder: Path | None,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    del threads  # nothing to choose: one that writes and one that hashes
    rng = Random(seed)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        source = Path(name, "source")
        sweeps.tell(f"writing {megabytes} MB")
        sha256 = _write(source, megabytes, rng)
        with _serving(source, sha256) as endpoint, sweeps.alone(__file__, wait):
            downloads = _measure(Path(name), endpoint, sha256, rounds, rng)
    if as_json:
        values = {name: [vars(one) for one in each] for name, each in downloads.items()}
        click.echo(json.dumps({"n_bytes": megabytes * 10**6, "downloads": values}, indent=1))
        return
    click.echo(_table(downloads, megabytes * 10**6))


def _write(path: Path, megabytes: int, rng: Random) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for index in range(megabytes):
            piece = (b"GGUF" if index == 0 else b"") + rng.randbytes(10**6 - (index == 0) * 4)
            digest.update(piece)
            file.write(piece)
        os.fsync(file.fileno())
    return digest.hexdigest()


@contextmanager
def _serving(path: Path, sha256: str) -> Iterator[str]:
    server = Path(__file__).parents[1] / "tests" / "make" / "hub_server.py"
    command = [sys.executable, str(server), "--file", str(path), "--sha256", sha256]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.kill()


def _measure(
    folder: Path, endpoint: str, sha256: str, rounds: int, rng: Random
) -> dict[str, list[Download]]:
    downloads: dict[str, list[Download]] = {name: [] for name in _CONTENDERS}
    for number in range(rounds):
        for name in rng.sample(_CONTENDERS, len(_CONTENDERS)):
            target = folder / "target"
            target.mkdir()
            # What the one before wrote must not be written back on this one's time.
            os.sync()
            if name.startswith("curl"):
                one = _curl(target, endpoint, is_synced=name != "curl")
            else:
                one = _python(name, target, endpoint)
            _check(target, sha256)
            downloads[name].append(one)
            shutil.rmtree(target)
        sweeps.tell(f"round {number + 1} of {rounds}")
    return downloads


def _curl(target: Path, endpoint: str, *, is_synced: bool) -> Download:
    url = f"{endpoint}/{REPOSITORY}/resolve/main/{FILE}"
    started_ns = perf_counter_ns()
    subprocess.run(["curl", "-sfL", "-o", str(target / FILE), url], check=True)
    if is_synced:
        with (target / FILE).open("rb+") as file:
            os.fsync(file.fileno())
    return Download(perf_counter_ns() - started_ns, None)


def _python(name: str, target: Path, endpoint: str) -> Download:
    environment = os.environ | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(target / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HARNESS_CACHE": str(target / "own"),
    }
    command = [sys.executable, "-m", "benchmarks.pull_puller", name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return Download(**json.loads(done.stdout))


def _check(target: Path, sha256: str) -> None:
    """ClickException if what came is not what was sent."""
    largest = max(
        (path for path in target.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )
    with largest.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise click.ClickException(f"{largest} came out wrong")


def _table(downloads: dict[str, list[Download]], n_bytes: int) -> str:
    rows, curl = [], downloads["curl"]
    for name, each in downloads.items():
        rates = [n_bytes / (one.wall_ns / 1e9) for one in each]
        # Rates: curl's time over ours.
        ratio = sweeps.ratio_of(_times(curl), _times(each), 1 - _ASKED_RATIO)
        peaks = [one.peak_bytes for one in each if one.peak_bytes]
        rows.append(
            [
                name,
                units.bandwidth(median(rates)),
                f"{units.bandwidth(min(rates))} to {units.bandwidth(max(rates))}",
                sweeps.ratio_text(ratio) if name != "curl" else "",
                units.file_size(max(peaks)) if peaks else "",
            ]
        )
    headers = ["", "median", "range", "of curl's rate", "peak memory"]
    asked = (
        f"asked of harness: {_ASKED_RATIO} of curl's, below {units.file_size(_ASKED_PEAK_BYTES)}"
    )
    return f"{tabulate(rows, headers, disable_numparse=True)}\n\n{asked}; n = {len(curl)}"


def _times(downloads: list[Download]) -> dict[int, float]:
    return {index: one.wall_ns for index, one in enumerate(downloads)}


if __name__ == "__main__":
    main()
