"""
How fast this machine's memory can be read now, measured by a short-lived child process.

A child, because its buffer of half a gigabyte and more must show in no memory figure of the
process that asks, and because numpy's threads must be limited before numpy is loaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import NonNegativeInt, ValidationError

from harness.errors import HarnessError
from harness.files import system_reason
from harness.machine.counters import between, reference_loop_ns, snapshot
from harness.schema.machine import BandwidthSample, Counters, Machine

_CHILD = Path(__file__).with_name("bandwidth_child.py")
_MIN_BUFFER_BYTES = 512 << 20
# Reads settle at four times the last level cache. There may be caches that the system does not
# tell (a Mac's system level cache, a host's behind a virtual machine): as much again as is told,
# but no more than the largest that a consumer's machine has.
_CACHE_MULTIPLE = 4
_MOST_UNTOLD_CACHE_BYTES = 128 << 20
_MEMORY_DIVISOR = 8
# About a second on a healthy machine. A buffer of gigabytes that is paged in under pressure
# takes longer, and a bandwidth measured then would say nothing.
_TIMEOUT_S = 30
_THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class _Answer(BandwidthSample):
    """What the child prints: the sample, and the CPU time that all of it took."""

    cpu_ns: NonNegativeInt


@dataclass(frozen=True, slots=True)
class WatchedSample:
    """A sample, and what the machine did meanwhile: the child's CPU time counts as our own."""

    sample: BandwidthSample
    counters: Counters


def watched_bandwidth(machine: Machine, n_threads: int) -> WatchedSample:
    """`sample_bandwidth`, and whether others used the machine meanwhile; the same errors."""
    before = snapshot()
    answer = _asked(machine, n_threads)
    after = snapshot()
    counters = between(before, after, reference_loop_ns())
    ours_ns = counters.process_cpu_ns + answer.cpu_ns
    return WatchedSample(
        BandwidthSample.model_validate(answer.model_dump(exclude={"cpu_ns"})),
        counters.model_copy(update={"process_cpu_ns": ours_ns}),
    )


def sample_bandwidth(machine: Machine, n_threads: int) -> BandwidthSample:
    """
    Bytes per second that `n_threads` read from main memory, all together. Takes about a second.

    Args:
        machine: This one.
        n_threads: As many as the measurement will compute with.

    Raises:
        HarnessError: The child failed or took too long; the message has its last line.
    """
    return watched_bandwidth(machine, n_threads).sample


def _asked(machine: Machine, n_threads: int) -> _Answer:
    buffer_bytes = choose_buffer_bytes(machine.last_level_cache_bytes, machine.usable_bytes)
    command = [sys.executable, "-P", str(_CHILD), str(n_threads), str(buffer_bytes)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, **dict.fromkeys(_THREAD_VARIABLES, "1")},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise HarnessError(
            f"The memory bandwidth was not measured within {_TIMEOUT_S} s; "
            "free some memory or wait until the machine is quieter"
        ) from None
    except OSError as error:
        raise HarnessError(
            f"The memory bandwidth cannot be measured: {sys.executable} does not start "
            f"({system_reason(error)}); set up the environment again"
        ) from error
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"status {done.returncode}"
        raise HarnessError(
            f"The memory bandwidth was not measured: {reason}; free some memory and try again"
        )
    try:
        return _Answer.model_validate_json(done.stdout)
    except ValidationError as error:
        raise HarnessError(
            f"The memory bandwidth came back as {done.stdout[:80]!r}; please report this"
        ) from error


def choose_buffer_bytes(last_level_cache_bytes: int | None, memory_bytes: int) -> int:
    """Bytes to read: too many for any cache, at most an eighth of the memory."""
    told_bytes = last_level_cache_bytes or 0
    cache_bytes = told_bytes + min(told_bytes, _MOST_UNTOLD_CACHE_BYTES)
    wanted = max(_MIN_BUFFER_BYTES, _CACHE_MULTIPLE * cache_bytes)
    return min(wanted, memory_bytes // _MEMORY_DIVISOR)
