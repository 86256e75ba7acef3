"""
What the process's control groups allow: share of the CPUs, memory, and time spent throttled.

A limit binds all groups below it, so the tightest along the path to the root counts. In a
container the path of /proc/self/cgroup may not exist below the mount; then its ancestors that do
exist are looked at, the mount's root being the container's own group.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.machine.reading import read_int, read_text, to_int


@dataclass(frozen=True)
class Groups:
    """Directories of our group and its ancestors, own group first, for each kind of limit."""

    is_v2: bool
    cpu: tuple[Path, ...]
    memory: tuple[Path, ...]


def find_groups(root: Path) -> Groups:
    """The control groups of this process; empty where the kernel or the container has none."""
    mount = root / "sys/fs/cgroup"
    lines = (read_text(root / "proc/self/cgroup") or "").splitlines()
    path_of: dict[str, str] = {}
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for name in controllers.split(","):
            path_of[name] = path
    # A line "0::/" is also there on hybrid systems: only this file tells that v2 is in charge.
    if (mount / "cgroup.controllers").exists():
        chain = _ancestors(mount, path_of.get("", "/"))
        return Groups(True, chain, chain)
    return Groups(
        False,
        _v1_ancestors(mount, "cpu", path_of),
        _v1_ancestors(mount, "memory", path_of),
    )


def cpu_quota(groups: Groups) -> float | None:
    """CPUs worth of time the groups allow, e.g. 1.5; None without a quota."""
    shares: list[float] = []
    for folder in groups.cpu:
        if groups.is_v2:
            quota_text, _, period_text = (read_text(folder / "cpu.max") or "").partition(" ")
            quota, period = to_int(quota_text), to_int(period_text)
        else:
            quota = read_int(folder / "cpu.cfs_quota_us")
            period = read_int(folder / "cpu.cfs_period_us")
        if quota is not None and period is not None and quota > 0 and period > 0:
            shares.append(quota / period)
    return min(shares, default=None)


def memory_limit(groups: Groups, memory_bytes: int) -> int | None:
    """
    The tightest memory limit in bytes; None when it does not bind below `memory_bytes`.

    memory.high counts too: beyond it the group is slowed down until it gives memory back.
    """
    # v1 writes "no limit" as a number near 2^63, so it cannot be told apart by its form.
    names = ("memory.max", "memory.high") if groups.is_v2 else ("memory.limit_in_bytes",)
    limits = [read_int(folder / name) for folder in groups.memory for name in names]
    binding = [limit for limit in limits if limit is not None and 0 < limit < memory_bytes]
    return min(binding, default=None)


def throttle_files(groups: Groups) -> tuple[Path, ...]:
    """The cpu.stat files that tell how long a quota has stopped us."""
    return tuple(f for folder in groups.cpu if (f := folder / "cpu.stat").exists())


def parse_throttled_ns(text: str) -> int | None:
    """Nanoseconds a group has been throttled, summed over CPUs, from its cpu.stat."""
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        number = to_int(value)
        if key == "throttled_usec" and number is not None:
            return number * 1000
        if key == "throttled_time" and number is not None:
            return number
    return None


def _v1_ancestors(mount: Path, controller: str, path_of: dict[str, str]) -> tuple[Path, ...]:
    # cpu and cpuacct share a mount on many systems, and the short name is then a link or absent.
    for name in (controller, "cpu,cpuacct", "cpuacct,cpu"):
        if controller in name.split(",") and (mount / name).is_dir():
            return _ancestors(mount / name, path_of.get(controller, "/"))
    return ()


def _ancestors(mount: Path, path: str) -> tuple[Path, ...]:
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    chain = [mount.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]
    return tuple(folder for folder in chain if folder.is_dir())
