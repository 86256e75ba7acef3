"""
The harness's worker with an engine that takes longer by a known share of its own time.

    python worker_delayed.py 0.05 < job

0 waits for nothing, so that both sides of a comparison run the same code.
"""

from __future__ import annotations

import sys
from time import perf_counter_ns
from unittest.mock import patch

import llama_cpp.llama_cpp as _LIB

from harness.measure import worker


def delay(share: float) -> None:
    """From now on every prompt and every step takes `share` more than it took by itself."""
    decode, synchronize = _LIB.llama_decode, _LIB.llama_synchronize
    started_ns = 0

    def decode_noting_when(handle: object, batch: object) -> int:
        nonlocal started_ns
        # A long prompt is several batches with one synchronize behind them.
        started_ns = started_ns or perf_counter_ns()
        return int(decode(handle, batch))

    def synchronize_late(handle: object) -> None:
        nonlocal started_ns
        synchronize(handle)
        now_ns = perf_counter_ns()
        until_ns = now_ns + round((now_ns - started_ns) * share) if started_ns else now_ns
        started_ns = 0
        # Sleeping is too coarse: a step of the smallest model takes 90 µs, a twentieth of it 4.5.
        while perf_counter_ns() < until_ns:
            pass

    patch.object(_LIB, "llama_decode", decode_noting_when).start()
    patch.object(_LIB, "llama_synchronize", synchronize_late).start()


if __name__ == "__main__":
    delay(float(sys.argv[1]))
    worker.main()
