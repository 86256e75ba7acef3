"""
Whether a twin with random weights runs like the model it is a twin of: pairs of fresh processes.

    python -m benchmarks.twins
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

import click
from tabulate import tabulate

from benchmarks import setting_up
from benchmarks.contenders import Sample, Worker
from benchmarks.pairing import Cell, measure
from harness.files import untold
from harness.measure.jobs.measure import LoadedEvent, MemoryEvent
from harness.measure.protocol import Event
from harness.models.find import find
from harness.models.twin.twin import twin_of
from harness.schema.workload import Workload

_SAME_RANGE = (0.97, 1.03)
_PIECE_BYTES = 8 << 20  # as models/twin/twin.py


Maker = Callable[[Path, Path], AbstractContextManager[Path]]
"""Writes what stands for the model at the first path into the folder at the second."""


@dataclass
class Side:
    """
    One side of the pairs: copies of the real files, or their twins.

    Each process gets a file written for it: how the pages of a file happen to lie in memory decides
    a good part of how fast one is read, and of one file it would be the same in every pair.
    """

    name: str
    worker: Worker
    make: Maker
    folder: Path
    peaks: dict[Path, list[int]] = field(default_factory=dict)
    weights: dict[Path, int] = field(default_factory=dict)

    def measure(self, model: Path, workload: Workload, seed: int) -> Sample:
        """One process's figures; its memory is kept."""

        def look(event: Event) -> None:
            if isinstance(event, MemoryEvent) and event.memory.at == "end":
                peak = event.memory.peak_bytes or event.memory.resident_bytes
                self.peaks.setdefault(model, []).append(peak)
            if isinstance(event, LoadedEvent):
                self.weights[model] = sum(buffer.n_bytes for buffer in event.weights)

        with self.make(model, self.folder) as path:
            return self.worker.measure(path, workload, seed, look)


@click.command()
@setting_up.pair_options
@click.option("--dir", "directory", type=click.Path(path_type=Path), help="Where twins are made.")
@setting_up.measuring_options
def main(
    models: tuple[str, ...],
    workloads: tuple[str, ...],
    reps: int,
    min_pairs: int,
    max_pairs: int,
    precision: float,
    budget: int,
    directory: Path | None,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    """Compare twins with their models, in interleaved pairs of fresh processes."""
    machine, settings = setting_up.machine_and_settings(threads)
    todo = [Cell(local, task) for local, task in setting_up.cells(models, workloads)]
    with setting_up.alone(__file__, wait), tempfile.TemporaryDirectory(dir=directory) as folder:
        sides = [
            Side(
                name,
                Worker(machine, settings, Path(folder) / f"{name}.log", reps, reps),
                make,
                Path(folder),
            )
            for name, make in (("twin", _twin), ("model", _copy))
        ]
        limits = (min_pairs, max_pairs, precision)
        measure(todo, sides[0], sides[1], Random(seed), limits, budget)
    documents = [_document(cell, *sides) for cell in todo if cell.pairs]
    click.echo(json.dumps(documents, indent=1) if as_json else _table(documents))


def _twin(model: Path, folder: Path) -> AbstractContextManager[Path]:
    return twin_of(find(str(model)), folder, untold)


@contextmanager
def _copy(model: Path, folder: Path) -> Iterator[Path]:
    """The real file, written as twins are."""
    copy = folder / f"copy-{model.name}"
    with model.open("rb") as source, copy.open("wb", buffering=0) as target:
        shutil.copyfileobj(source, target, _PIECE_BYTES)
        os.fsync(target.fileno())
    try:
        yield copy
    finally:
        copy.unlink()


def _document(cell: Cell, twin: Side, model: Side) -> dict[str, object]:
    ratio = cell.ratio()
    assert ratio
    path = cell.local.path
    peak = median(twin.peaks[path]) / median(model.peaks[path])
    return {
        "model": cell.local.key,
        "workload": cell.workload.name,
        "twin_tok_per_s": median(pair.harness.mean for pair in cell.pairs),
        "model_tok_per_s": median(pair.other.mean for pair in cell.pairs),
        "ratio": ratio.as_dict(),
        "peak_memory_ratio": peak,
        "weights_ratio": twin.weights[path] / model.weights[path],
        "is_same": _SAME_RANGE[0] <= ratio.value <= _SAME_RANGE[1],
        "text": ratio.text,
    }


def _table(documents: list[dict[str, object]]) -> str:
    columns = (
        "model", "workload", "twin_tok_per_s", "model_tok_per_s", "text", "peak_memory_ratio",
        "weights_ratio", "is_same",
    )  # fmt: skip
    headers = (
        "model", "workload", "twin", "model", "twin / model", "peak memory", "weights",
        "within 0.97-1.03",
    )  # fmt: skip
    return tabulate(
        [[document[column] for column in columns] for document in documents],
        headers,
        floatfmt=("", "", ".1f", ".1f", "", ".4f", ".4f", ""),
    )


if __name__ == "__main__":
    main()
