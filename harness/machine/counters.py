"""
What the machine did around one trial, by cumulative counters read before and after it.

No thread samples while a measurement runs: it would be the noise it looks for. Facts only; what
they mean for a trial is judged elsewhere, and can be judged again.

Resolutions: Linux counts the machine's busy and stolen time in ticks (10 ms at 100 Hz), the
waiting of our own threads for a CPU in nanoseconds. Threads that end between two snapshots take
their waiting with them.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import time
from collections.abc import Mapping

import psutil

from harness.machine.macos import native as macos_native
from harness.machine.system import Snapshot
from harness.schema.machine import Counters

if sys.platform != "win32":
    import resource
if sys.platform == "linux":
    from harness.machine.linux.counters import LinuxCounters

# 256 times 16 KiB fits the first level cache and takes 2.8 ms where the CPU has SHA instructions
# (1.5 GB/s), three times that elsewhere: long beside the timer, short beside any trial.
_REFERENCE_BLOCK = bytes(range(256)) * 64
_N_REFERENCE_BLOCKS = 256
_NS_PER_S = 1_000_000_000


def snapshot() -> Snapshot:
    """The counters of this machine and this process now."""
    if sys.platform == "linux":
        return _linux_counters(os.getpid()).read()
    elif sys.platform == "darwin":
        return _macos_snapshot()
    else:
        return _windows_snapshot()


def between(before: Snapshot, after: Snapshot, reference_ns: int) -> Counters:
    """
    What happened from `before` to `after`; `reference_ns` is of `reference_loop_ns`, run after.

    Differences are never negative: counters of a guest can step back when its host moves it.
    Clock and temperature are those of `after`, the moment the trial ended.
    """
    return Counters(
        wall_ns=max(1, after.wall_ns - before.wall_ns),
        process_cpu_ns=max(0, after.process_cpu_ns - before.process_cpu_ns),
        system_busy_ns=_difference(before.system_busy_ns, after.system_busy_ns),
        steal_ns=_difference(before.steal_ns, after.steal_ns),
        run_delay_ns=_run_delay_ns(before.run_delay_of_thread_ns, after.run_delay_of_thread_ns),
        n_involuntary_switches=_difference(
            before.n_involuntary_switches, after.n_involuntary_switches
        ),
        n_major_faults=_difference(before.n_major_faults, after.n_major_faults),
        disk_read_bytes=_difference(before.disk_read_bytes, after.disk_read_bytes),
        swap_in_bytes=_difference(before.swap_in_bytes, after.swap_in_bytes),
        swap_out_bytes=_difference(before.swap_out_bytes, after.swap_out_bytes),
        n_thermal_throttles=_n_throttles(before, after),
        quota_throttled_ns=_difference(before.quota_throttled_ns, after.quota_throttled_ns),
        clock_hz=after.clock_hz,
        temperature_celsius=after.temperature_celsius,
        reference_ns=reference_ns,
    )


def reference_loop_ns() -> int:
    """
    How long a fixed piece of work takes now: a probe of the CPU's real speed, on every system.

    C code in the first level cache, so neither memory nor the interpreter matters. It rises when
    the clock falls, or when a hypervisor or another process takes the core; no counter of a
    virtual machine shows the first of these.
    """
    digest = hashlib.sha256()
    started_ns = time.perf_counter_ns()
    for _ in range(_N_REFERENCE_BLOCKS):
        digest.update(_REFERENCE_BLOCK)
    return max(1, time.perf_counter_ns() - started_ns)


def _run_delay_ns(before: Mapping[int, int] | None, after: Mapping[int, int] | None) -> int | None:
    if before is None or after is None:
        return None
    return sum(max(0, delay - before.get(thread, 0)) for thread, delay in after.items())


def _n_throttles(before: Snapshot, after: Snapshot) -> int | None:
    begun = _difference(before.n_throttles_begun, after.n_throttles_begun)
    ended_ms = _difference(before.throttled_ms, after.throttled_ms)
    # An episode that began before the trial and ended in it moves the time only.
    return 1 if begun == 0 and ended_ms else begun


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, after - before)


if sys.platform == "linux":

    @functools.cache
    def _linux_counters(pid: int) -> LinuxCounters:  # noqa: ARG001 - a fork needs its own files
        return LinuxCounters()


def _macos_snapshot() -> Snapshot:
    """
    What macOS tells: no stolen time, no waiting for a CPU, no clock.

    Its ri_runnable_time is of no use for waiting: it is added up when a thread blocks, and our
    threads compute for seconds without blocking.
    """
    usage = macos_native.read_process_usage()
    swap = macos_native.read_swap_bytes()
    switches, faults = _switches_and_faults()
    return Snapshot(
        wall_ns=time.perf_counter_ns(),
        process_cpu_ns=time.process_time_ns(),
        system_busy_ns=_busy_ns(),
        n_involuntary_switches=switches,
        n_major_faults=faults,
        disk_read_bytes=usage.disk_read_bytes if usage else None,
        swap_in_bytes=swap.n_in if swap else None,
        swap_out_bytes=swap.n_out if swap else None,
    )


def _windows_snapshot() -> Snapshot:
    """
    What Windows tells: busy time.

    Its process I/O counts reads served from memory and misses mapped files, its page faults are
    soft and hard ones together, and psutil's swap counters are always 0 there: none is kept.
    """
    return Snapshot(
        wall_ns=time.perf_counter_ns(),
        process_cpu_ns=time.process_time_ns(),
        system_busy_ns=_busy_ns(),
    )


def _busy_ns() -> int:
    times = psutil.cpu_times()
    # On Windows `system` has the time of interrupts in it; macOS counts them nowhere.
    seconds = times.user + times.system + getattr(times, "nice", 0.0)
    return round(seconds * _NS_PER_S)


def _switches_and_faults() -> tuple[int | None, int | None]:
    if sys.platform == "win32":
        return None, None
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nivcsw, usage.ru_majflt
