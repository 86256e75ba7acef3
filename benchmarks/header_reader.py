"""
One reading of one header in a process of its own; started by benchmarks.header.

    python -m benchmarks.header_reader harness|gguf FILE
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

from harness.machine.memory import read_memory
from harness.models.gguf.header import read_header


def main() -> None:
    reader, path = sys.argv[1], Path(sys.argv[2])
    read = _gguf_reader(path) if reader == "gguf" else _ours(path)
    before = read_memory("start")
    started_ns = perf_counter_ns()
    n_tensors = read()
    wall_ns = perf_counter_ns() - started_ns
    after = read_memory("end")
    print(
        json.dumps(
            {
                "wall_ns": wall_ns,
                "n_tensors": n_tensors,
                "before_bytes": before.resident_bytes,
                "peak_bytes": after.peak_bytes,
            }
        )
    )


def _ours(path: Path) -> Callable[[], int]:
    def read() -> int:
        with path.open("rb") as file:
            return len(read_header(file, path.stat().st_size, path.name).tensors)

    return read


def _gguf_reader(path: Path) -> Callable[[], int]:
    # Imported here and before the clock starts: numpy's memory is not the other side's.
    gguf = importlib.import_module("gguf")
    return lambda: len(gguf.GGUFReader(path).tensors)


if __name__ == "__main__":
    main()
