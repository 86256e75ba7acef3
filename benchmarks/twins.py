"""
Whether a twin with random weights runs like the model it is a twin of: pairs of fresh processes.

    python -m benchmarks.twins
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter_ns

import click
from tabulate import tabulate

from benchmarks import setting_up
from benchmarks.contenders import Sample, Worker
from benchmarks.pairing import Cell, measure
from harness import units
from harness.measure.protocol import Event, LoadedEvent, MemoryEvent
from harness.models.headers import find_headers
from harness.models.transfer import untold
from harness.models.twin import twin_of
from harness.workload import Workload

_SAME_RANGE = (0.97, 1.03)
_PIECE_BYTES = 8 << 20  # as models/twin.py


@dataclass
class Side:
    """
    One side of the pairs: copies of the real files, or their twins.

    `paths` are what is measured, by the paths of the real files.
    """

    name: str
    worker: Worker
    paths: dict[Path, Path] = field(default_factory=dict)
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

        return self.worker.measure(self.paths[model], workload, seed, look)


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
    with (
        tempfile.TemporaryDirectory() as folder,
        setting_up.alone(__file__, wait),
        ExitStack() as twins,
    ):
        sides = [
            Side(name, Worker(machine, settings, Path(folder) / f"{name}.log", reps, reps))
            for name in ("twin", "model")
        ]
        for cell in todo:
            path, where = cell.local.path, directory or Path(folder)
            if path not in sides[0].paths:
                sides[0].paths[path] = _twin(path, where, twins)
                sides[1].paths[path] = _copy(path, Path(folder))
        limits = (min_pairs, max_pairs, precision)
        measure(todo, sides[0], sides[1], Random(seed), limits, budget)
    documents = [_document(cell, *sides) for cell in todo if cell.pairs]
    click.echo(json.dumps(documents, indent=1) if as_json else _table(documents))


def _twin(path: Path, folder: Path, stack: ExitStack) -> Path:
    found = find_headers(str(path))
    started_ns = perf_counter_ns()
    made = stack.enter_context(twin_of(found, folder, untold))
    seconds = (perf_counter_ns() - started_ns) / 1e9
    n_bytes = made.stat().st_size
    setting_up.tell(
        f"{path.name}: twin of {units.file_size(n_bytes)} written in {seconds:.2f} s, "
        f"{n_bytes / seconds / 1e9:.2f} GB/s"
    )
    return made


def _copy(path: Path, folder: Path) -> Path:
    """
    The real file, written as twins are.

    How a file was written decides how its pages lie in memory: the same bytes, written anew,
    decoded 9 % faster than the file that had been fetched.
    """
    copy = folder / f"copy-{path.name}"
    with path.open("rb") as source, copy.open("wb", buffering=0) as target:
        shutil.copyfileobj(source, target, _PIECE_BYTES)
        os.fsync(target.fileno())
    return copy


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
