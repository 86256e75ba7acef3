"""
How long reading a header takes and how much memory, beside gguf.GGUFReader.

    python -m benchmarks.header
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

import click
import gguf
import numpy as np
from tabulate import tabulate

from benchmarks import setting_up
from benchmarks.ratios import ratio_of
from harness import units
from harness.models.gguf.header import read_header
from harness.models.hub.remote_header import ReadAhead

# Gemma 3 has 262,144 tokens and no merges; Llama 4 and gpt-oss, of 200,000 tokens, have 440,000.
_N_TOKENS = 262_144
_N_MERGES = 440_000
_N_TENSORS = 600
_READERS = ("harness", "gguf")

_HELP = """
Time readings of one header in fresh processes, the two readers in random order each round.

Both have imported what they need before the clock starts, and the file is in the page cache.
"""


@dataclass(frozen=True)
class Reading:
    """One process: its time, and its peak of memory with and without what it began with."""

    wall_ns: int
    peak_bytes: int
    added_bytes: int


@click.command(help=_HELP)
@click.option("--rounds", default=7, show_default=True, help="Each has both readers once.")
@setting_up.measuring_options
def main(rounds: int, seed: int, threads: int | None, wait: int, as_json: bool) -> None:
    del threads  # reading a header takes one
    rng = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "header.gguf"
        setting_up.tell("writing a header with the reference writer")
        _write(path, rng)
        header_bytes, fetched = _fetched(path)
        with setting_up.alone(__file__, wait):
            readings = _read(path, rounds, rng)
    document = {
        "header_bytes": header_bytes,
        "fetched_pieces_bytes": fetched,
        "readings": {name: [vars(one) for one in both] for name, both in readings.items()},
    }
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return
    click.echo(_table(readings))
    click.echo(
        f"\n{units.file_size(header_bytes)} of header; from afar {len(fetched)} requests for "
        f"{sum(fetched) / header_bytes:.2f} times its bytes; {rounds} rounds"
    )


def _write(path: Path, rng: Random) -> None:
    """A model whose vocabulary is that of the largest, with hardly any weights."""
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(rng.choices(letters, k=rng.randint(1, 13))) for _ in range(_N_TOKENS)]
    merges = [f"{rng.choice(words)} {rng.choice(words)}" for _ in range(_N_MERGES)]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(48)
    writer.add_embedding_length(64)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    writer.add_token_scores([0.0] * _N_TOKENS)
    writer.add_token_types([1] * _N_TOKENS)
    writer.add_token_merges(merges)
    for index in range(_N_TENSORS):
        writer.add_tensor(f"blk.{index}.attn_norm.weight", np.ones(64, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _fetched(path: Path) -> tuple[int, list[int]]:
    """The length of the header, and the pieces in which it would come from afar."""
    data = path.read_bytes()
    pieces: list[int] = []

    def fetch(start: int, end: int) -> bytes:
        pieces.append(end - start)
        return data[start:end]

    header = read_header(ReadAhead(fetch, len(data)), len(data), path.name)
    return header.data_start, pieces


def _read(path: Path, rounds: int, rng: Random) -> dict[str, list[Reading]]:
    readings: dict[str, list[Reading]] = {name: [] for name in _READERS}
    for number in range(rounds):
        for name in rng.sample(_READERS, len(_READERS)):
            command = [sys.executable, "-m", "benchmarks.header_reader", name, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            told = json.loads(done.stdout)
            if told["n_tensors"] != _N_TENSORS:
                raise click.ClickException(f"{name} found {told['n_tensors']} tensors")
            added = told["peak_bytes"] - told["before_bytes"]
            readings[name].append(Reading(told["wall_ns"], told["peak_bytes"], added))
        setting_up.tell(f"round {number + 1} of {rounds}")
    return readings


def _table(readings: dict[str, list[Reading]]) -> str:
    rows = []
    for name, values in readings.items():
        times = [value.wall_ns for value in values]
        rows.append(
            [
                name,
                units.duration(round(median(times))),
                f"{units.duration(min(times))} to {units.duration(max(times))}",
                units.memory_size(max(value.peak_bytes for value in values)),
                units.memory_size(max(value.added_bytes for value in values)),
            ]
        )
    pairs = zip(readings["gguf"], readings["harness"], strict=True)
    ratio = ratio_of([(theirs.wall_ns, ours.wall_ns) for theirs, ours in pairs])
    assert ratio
    headers = ["reader", "median", "range", "peak", "of it for reading"]
    table = tabulate(rows, headers, disable_numparse=True)
    return f"{table}\n\ngguf takes {ratio.text} times as long"


if __name__ == "__main__":
    main()
