"""
A program of its own: `python bandwidth_child.py N_THREADS BUFFER_BYTES` prints one JSON object.

It reads a buffer with the dot product of single precision with itself: on the processors tried
no other kernel of numpy, nor hand-written vector code, read faster. A read kernel because
decoding only reads: counting a copy's bytes depends on what the cache does with writes.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_FLOAT_BYTES = 4
# At 10 GB/s 13 ms: long beside the start of the threads, short beside a neighbour's visit.
_PIECE_BYTES = 128 << 20
# Fifteen give a 90 % quantile that is not simply the greatest value.
_MIN_SAMPLES = 15
# A noisy neighbour comes and goes within tenths of a second: sample at least this long.
_MIN_SAMPLING_NS = 400_000_000
# Starting threads costs some 50 µs: less than 1 % of a sample this long.
_MIN_SAMPLE_NS = 10_000_000


def measure(n_threads: int, buffer_bytes: int) -> dict[str, int]:
    """Median and 90 % quantile of the samples, as the fields of a `BandwidthSample`."""
    n_floats = buffer_bytes // _FLOAT_BYTES // n_threads
    with ThreadPoolExecutor(n_threads) as pool:
        # Filled by the thread that may read it, so that its pages lie near. Never left as zeros:
        # untouched pages are all the same one, and that one sits in the cache.
        slices = list(pool.map(lambda _: np.ones(n_floats, np.float32), range(n_threads)))
        n_bytes = n_floats * _FLOAT_BYTES * n_threads
        pieces = itertools.cycle(_pieces(slices, n_bytes))
        piece_bytes = sum(part.nbytes for part in next(pieces))
        warm_up_ns = _sample_ns(pool, [next(pieces)])
        n_pieces = max(1, math.ceil(_MIN_SAMPLE_NS / warm_up_ns))
        rates: list[float] = []
        until_ns = time.perf_counter_ns() + _MIN_SAMPLING_NS
        while len(rates) < _MIN_SAMPLES or time.perf_counter_ns() < until_ns:
            sample = list(itertools.islice(pieces, n_pieces))
            rates.append(n_pieces * piece_bytes * 1e9 / _sample_ns(pool, sample))
    return {
        "median_bytes_per_s": round(float(np.median(rates))),
        "q90_bytes_per_s": round(float(np.quantile(rates, 0.9))),
        "n_samples": len(rates),
        "n_threads": n_threads,
        "buffer_bytes": n_bytes,
    }


def _pieces(slices: list[Floats], n_bytes: int) -> list[list[Floats]]:
    """
    The buffer as pieces of one size, one part a thread.

    A sample goes on where the one before it stopped, so the whole buffer lies between two reads
    of the same bytes, and a buffer of gigabytes takes no longer than one of half of it.
    """
    n_pieces = max(1, n_bytes // _PIECE_BYTES)
    n_floats = slices[0].size // n_pieces
    return [
        [part[index * n_floats : (index + 1) * n_floats] for part in slices]
        for index in range(n_pieces)
    ]


def _sample_ns(pool: ThreadPoolExecutor, pieces: list[list[Floats]]) -> int:
    def read(parts: tuple[Floats, ...]) -> None:
        for part in parts:
            np.dot(part, part)

    started_ns = time.perf_counter_ns()
    for _ in pool.map(read, zip(*pieces, strict=True)):
        pass
    return max(1, time.perf_counter_ns() - started_ns)


if __name__ == "__main__":
    found = measure(int(sys.argv[1]), int(sys.argv[2]))
    # Bytes, so that no encoding that is set for the streams of our parent touches them.
    os.write(1, json.dumps({**found, "cpu_ns": time.process_time_ns()}).encode())
