"""
How fast a twin is written, beside the same number of plain bytes.

    python -m benchmarks.twin_writing
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter_ns

import click
from tabulate import tabulate

from benchmarks import setting_up
from benchmarks.ratios import ratio_of
from harness.files import untold
from harness.models.digest import cache_dir
from harness.models.find import find
from harness.models.model import Model
from harness.models.twin.twin import twin_of

_PIECE_BYTES = 8 << 20  # as models/twin/twin.py

_HELP = """
Write a twin and a file of the same size, in random order each round, both forced to disk.

The plain file is one piece of random bytes written again and again: what the disk sustains.
"""


@click.command(help=_HELP)
@click.option("--model", default="gemma-3-4b-it:Q4_K_M", show_default=True)
@click.option("--rounds", default=6, show_default=True, help="Each writes both once.")
@click.option("--dir", "directory", type=click.Path(path_type=Path), help="On which disk.")
@setting_up.measuring_options
def main(
    model: str,
    rounds: int,
    directory: Path | None,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    del threads  # writing takes one
    found = find(model, asks_hub=False)
    n_bytes = sum(part.n_bytes for part in found.parts)
    rng = Random(seed)
    pairs: list[tuple[float, float]] = []
    place = directory or cache_dir()
    with setting_up.alone(__file__, wait), tempfile.TemporaryDirectory(dir=place) as folder:
        for _ in range(rounds):
            seconds: dict[str, float] = {}
            for name in rng.sample(("twin", "plain"), 2):
                seconds[name] = (
                    _twin(found, Path(folder))
                    if name == "twin"
                    else _plain(Path(folder) / "plain", n_bytes)
                )
            pairs.append((n_bytes / seconds["twin"], n_bytes / seconds["plain"]))
            setting_up.tell(f"twin {pairs[-1][0] / 1e9:.2f} GB/s, plain {pairs[-1][1] / 1e9:.2f}")
    ratio = ratio_of(pairs)
    assert ratio
    if as_json:
        document = {"n_bytes": n_bytes, "pairs_bytes_per_s": pairs, "ratio": ratio.as_dict()}
        click.echo(json.dumps(document, indent=1))
        return
    rates = [f"{median(side) / 1e9:.2f} GB/s" for side in zip(*pairs, strict=True)]
    headers = ("model", "bytes", "twin", "plain", "twin / plain", "n")
    click.echo(tabulate([[model, n_bytes, *rates, ratio.text, ratio.n]], headers))


def _twin(found: Model, folder: Path) -> float:
    started_ns = perf_counter_ns()
    with twin_of(found, folder, untold):
        return (perf_counter_ns() - started_ns) / 1e9


def _plain(path: Path, n_bytes: int) -> float:
    piece = memoryview(os.urandom(_PIECE_BYTES))
    started_ns = perf_counter_ns()
    with path.open("wb", buffering=0) as file:
        n_left = n_bytes
        while n_left:
            n_left -= file.write(piece[:n_left]) or 0
        os.fsync(file.fileno())
    seconds = (perf_counter_ns() - started_ns) / 1e9
    path.unlink()
    return seconds


if __name__ == "__main__":
    main()
