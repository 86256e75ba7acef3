"""
The harness's worker with one thing changed: to find what a difference from llama-bench comes from.

    python worker_variant.py no-pool < job
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter_ns, process_time_ns
from unittest.mock import patch

from harness.engine.library import Engine
from harness.engine.model import Model
from harness.machine import counters
from harness.machine.counters_snapshot import Snapshot
from harness.measure import worker
from harness.measure.jobs.trial_worker import Bench, Timing
from harness.schema.workload import Decode


def _no_pool() -> None:
    """The library's own threads instead of an attached pool."""
    patch.object(Model, "_attach_threadpool", lambda _self, _context: 0).start()


def _short_warm_up() -> None:
    """One token of warm-up before tg, as llama-bench has it, instead of the whole shape."""
    whole = Bench.plan

    def plan(bench: Bench, *, is_warm_up: bool = False) -> Callable[[], Timing]:
        if is_warm_up and isinstance(bench.workload, Decode):
            bench = replace(bench, workload=replace(bench.workload, n=1))
        return whole(bench, is_warm_up=is_warm_up)

    patch.object(Bench, "plan", plan).start()


def _no_counters() -> None:
    """No snapshots and no reference loop between trials."""

    def clocks_only() -> Snapshot:
        return Snapshot(wall_ns=perf_counter_ns(), process_cpu_ns=process_time_ns())

    patch.object(counters, "snapshot", clocks_only).start()
    patch.object(counters, "reference_loop_ns", lambda: 1).start()


def _awake() -> None:
    """One untimed token right before each clock, so that no thread and no cache is cold."""
    whole = Bench.plan

    def plan(bench: Bench, *, is_warm_up: bool = False) -> Callable[[], Timing]:
        measure = whole(bench, is_warm_up=is_warm_up)
        wake_up = bench.context.prompt([0])

        def measure_awake() -> Timing:
            wake_up()
            bench.prepare()
            return measure()

        return measure_awake

    patch.object(Bench, "plan", plan).start()


def _silent() -> None:
    """Nothing kept or written of what the engine says."""
    patch.object(Engine, "_log", lambda _self, _level, _text, _data: None).start()


VARIANTS: dict[str, Callable[[], None]] = {
    "no-pool": _no_pool,
    "short-warm-up": _short_warm_up,
    "no-counters": _no_counters,
    "awake": _awake,
    "silent": _silent,
}

if __name__ == "__main__":
    VARIANTS[sys.argv[1]]()
    worker.main()
