"""
A worker whose engine may be slower by a known share: the real one, which then waits at each step.

A model file whose name ends in "@1.05.gguf" takes 1.05 times as long at each prompt and each
decoded token: it computes on the clock until that has passed. Others go through the same code and
wait for nothing. Started by comparing.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from time import perf_counter_ns

import llama_cpp.llama_cpp as lib

from harness.engine import model
from harness.measure import worker

_RATIO = re.compile(r"@([0-9.]+)\.gguf$")
_decode, _synchronize = lib.llama_decode, lib.llama_synchronize


def main() -> None:
    """The worker, slowed as the file that it loads says."""
    ratio, started_ns = 1.0, 0
    load = vars(model)["load_model"]

    def load_model(engine: object, path: str, *arguments: object, **others: object) -> object:
        nonlocal ratio
        found = _RATIO.search(Path(path).name)
        ratio = float(found[1]) if found else 1.0
        return load(engine, path, *arguments, **others)

    def decode(handle: object, batch: object) -> int:
        nonlocal started_ns
        started_ns = perf_counter_ns()
        return int(_decode(handle, batch))

    def synchronize(handle: object) -> None:
        _synchronize(handle)
        end_ns = started_ns + (perf_counter_ns() - started_ns) * ratio
        while ratio > 1 and perf_counter_ns() < end_ns:
            pass

    vars(lib).update(llama_decode=decode, llama_synchronize=synchronize)
    vars(worker)["measure_job"].__globals__["load_model"] = load_model
    worker.main()


if __name__ == "__main__":
    main()
