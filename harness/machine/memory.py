"""
How much memory this process holds, in the figures its operating system keeps exactly.

Never ru_maxrss on Linux: it survives exec, so a child starts at its parent's peak.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Literal

import psutil

from harness.machine.linux import cgroup
from harness.machine.linux.describe import read_meminfo_bytes
from harness.machine.macos import native as macos_native
from harness.machine.reading import read_int, read_text
from harness.schema.machine import MemoryMark

Moment = Literal["start", "loaded", "end"]


def read_memory(at: Moment) -> MemoryMark:
    """The memory of this process now; `at` says which moment of a Run that is."""
    if sys.platform == "linux":
        return parse_status(read_text(Path("/proc/self/status")) or "", at)
    elif sys.platform == "darwin":
        usage = macos_native.read_process_usage()
        return _psutil_mark(at) if usage is None else mark_of_usage(usage, at)
    else:
        return _psutil_mark(at)


def parse_status(text: str, at: Moment) -> MemoryMark:
    """
    The mark of /proc/PID/status.

    VmHWM is the peak of everything resident, mapped files too. Shared memory counts as
    anonymous: the system cannot drop it, only swap it.
    """
    kib = {key: int(n) for key, n in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}

    def n_bytes(key: str) -> int | None:
        return kib[key] * 1024 if key in kib else None

    anonymous = n_bytes("RssAnon")
    return MemoryMark(
        at=at,
        source="/proc/self/status: VmRSS, VmHWM, RssAnon+RssShmem, RssFile, VmSwap",
        resident_bytes=n_bytes("VmRSS") or 0,
        peak_bytes=n_bytes("VmHWM"),
        anonymous_bytes=None if anonymous is None else anonymous + (n_bytes("RssShmem") or 0),
        file_backed_bytes=n_bytes("RssFile"),
        swapped_bytes=n_bytes("VmSwap"),
    )


def mark_of_usage(usage: macos_native.ProcessUsage, at: Moment) -> MemoryMark:
    """
    The mark of macOS's rusage_info_v4.

    The footprint has compressed and swapped pages and Metal's buffers, but no clean pages of a
    mapped file; the resident size is the other way round. Both are kept.
    """
    return MemoryMark(
        at=at,
        source="proc_pid_rusage V4: ri_resident_size, ri_phys_footprint, "
        "ri_lifetime_max_phys_footprint",
        resident_bytes=usage.resident_bytes,
        footprint_bytes=usage.footprint_bytes,
        peak_footprint_bytes=usage.peak_footprint_bytes,
    )


def available_memory_bytes() -> int:
    """
    What a new process could get without swapping.

    In a container that is what its limit leaves, where that is less than the host has.
    """
    root = Path("/")
    available = read_meminfo_bytes(root, "MemAvailable") if sys.platform == "linux" else None
    if available is None:
        available = int(psutil.virtual_memory().available)
    left = left_below_limit(root) if sys.platform == "linux" else None
    return available if left is None else min(available, left)


def left_below_limit(root: Path) -> int | None:
    """
    Bytes the tightest control group still gives; None without a limit.

    Pages of files count as used in a group, but they are given back first: they are free here.
    """
    groups = cgroup.find_groups(root)
    total = read_meminfo_bytes(root, "MemTotal") or 0
    usage_name = "memory.current" if groups.is_v2 else "memory.usage_in_bytes"
    left: list[int] = []
    for folder in groups.memory:
        one = cgroup.Groups(groups.is_v2, (), (folder,))
        limit, used = cgroup.memory_limit(one, total), read_int(folder / usage_name)
        if limit is not None and used is not None:
            stat = read_text(folder / "memory.stat") or ""
            key = "inactive_file" if groups.is_v2 else "total_inactive_file"
            match = re.search(rf"^{key} (\d+)", stat, re.M)
            left.append(max(0, limit - used + (int(match[1]) if match else 0)))
    return min(left, default=None)


def _psutil_mark(at: Moment) -> MemoryMark:
    """
    The mark of Windows: the working set has mapped files in it, private bytes do not.

    Private bytes are what the process has committed, resident or not.
    """
    info = psutil.Process().memory_info()
    return MemoryMark(
        at=at,
        source="GetProcessMemoryInfo: WorkingSetSize, PeakWorkingSetSize, PrivateUsage",
        resident_bytes=info.rss,
        peak_bytes=getattr(info, "peak_wset", None),
        anonymous_bytes=getattr(info, "private", None),
    )
