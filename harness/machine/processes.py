"""Which other processes use the CPU now, by name, never with their arguments."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import psutil

# A tenth of a core over this time is 5 ticks of 10 ms: enough to be told from none.
WATCH_S = 0.5
# 10 % of one core cost decode up to a quarter of its speed on two cores.
BUSY_RATIO = 0.10


@dataclass(frozen=True)
class BusyProcess:
    """A process and the share of ONE core it used: 2.0 is two cores."""

    name: str
    core_ratio: float


def watch_others(watch_s: float = WATCH_S) -> tuple[BusyProcess, ...]:
    """Processes other than this one above BUSY_RATIO during `watch_s`, busiest first."""
    before = _cpu_seconds()
    started_ns = time.monotonic_ns()
    time.sleep(watch_s)
    after = _cpu_seconds()
    return busy_between(before, after, (time.monotonic_ns() - started_ns) / 1e9)


@dataclass(frozen=True)
class UsedTime:
    """CPU seconds a process has used since it began, and what it is called now."""

    name: str
    seconds: float


# A pid alone may have been given to another process; a name alone may change: Linux kernel
# workers are called after what they are doing at the moment.
ProcessKey = tuple[int, float]


def busy_between(
    before: Mapping[ProcessKey, UsedTime], after: Mapping[ProcessKey, UsedTime], elapsed_s: float
) -> tuple[BusyProcess, ...]:
    """
    Busy processes from the CPU times at two moments, keyed by pid and time of birth.

    One that started in between counts with all it used.
    """
    nothing = UsedTime("", 0.0)
    busy = [
        BusyProcess(now.name, (now.seconds - before.get(key, nothing).seconds) / elapsed_s)
        for key, now in after.items()
    ]
    return tuple(
        sorted((p for p in busy if p.core_ratio > BUSY_RATIO), key=lambda p: -p.core_ratio)
    )


def parse_ps(text: str, own_pid: int) -> tuple[BusyProcess, ...]:
    """
    Busy processes of `ps -Ao pid,pcpu,comm`: on macOS other users' times cannot be read directly.

    Paths are cut to the name. A decimal comma is accepted.
    """
    busy = []
    for line in text.splitlines():
        match = re.match(r"\s*(\d+)\s+(\d+(?:[.,]\d+)?)\s+(.+?)\s*$", line)
        if match and int(match[1]) != own_pid:
            ratio = float(match[2].replace(",", ".")) / 100
            if ratio > BUSY_RATIO:
                busy.append(BusyProcess(PurePosixPath(match[3]).name, ratio))
    return tuple(sorted(busy, key=lambda p: -p.core_ratio))


def _started_s(process: psutil.Process) -> float:
    """When it was started, to tell it from another of its number; 0 where nobody says."""
    try:
        return process.create_time()
    except RuntimeError:  # /proc/stat without `btime`, as some sandboxes write it
        return 0.0


def _cpu_seconds() -> dict[ProcessKey, UsedTime]:
    found: dict[ProcessKey, UsedTime] = {}
    for process in psutil.process_iter():
        # Pid 0 is the idle "process" of Windows and the kernel itself on macOS.
        if process.pid in (0, os.getpid()):
            continue
        try:
            times = process.cpu_times()
            key = (process.pid, _started_s(process))
            found[key] = UsedTime(process.name(), times.user + times.system)
        except psutil.Error:
            # It ended, or belongs to somebody else: what cannot be seen cannot be named.
            continue
    return found
