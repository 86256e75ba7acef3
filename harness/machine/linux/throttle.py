"""How often Intel CPUs under Linux have slowed down because of heat, since boot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.machine.reading import parse_cpu_list, read_int, read_text


@dataclass(frozen=True)
class ThrottleFiles:
    """One file for each core and each package; empty on AMD and in virtual machines."""

    counts: tuple[Path, ...]
    times: tuple[Path, ...]


@dataclass(frozen=True)
class Throttles:
    """
    Sums since boot.

    The count grows when an episode begins, the time when one ends: both are watched.
    """

    n_begun: int
    total_ms: int


def find_throttle_files(root: Path) -> ThrottleFiles:
    """
    The counters to read, each once: threads of a core share them, and so do a package's CPUs.
    """
    folder = root / "sys/devices/system/cpu"
    cores: dict[str, Path] = {}
    packages: dict[str, Path] = {}
    for cpu in parse_cpu_list(read_text(folder / "online")):
        path = folder / f"cpu{cpu}"
        if (path / "thermal_throttle").is_dir():
            cores.setdefault(read_text(path / "topology/thread_siblings_list") or str(cpu), path)
            packages.setdefault(read_text(path / "topology/physical_package_id") or "0", path)
    units = [(p, "core") for p in cores.values()] + [(p, "package") for p in packages.values()]
    return ThrottleFiles(
        counts=tuple(p / f"thermal_throttle/{kind}_throttle_count" for p, kind in units),
        times=tuple(p / f"thermal_throttle/{kind}_throttle_total_time_ms" for p, kind in units),
    )


def read_throttles(files: ThrottleFiles) -> Throttles | None:
    """The sums now; None where nothing is counted."""
    counts = [n for path in files.counts if (n := read_int(path)) is not None]
    times = [n for path in files.times if (n := read_int(path)) is not None]
    return Throttles(sum(counts), sum(times)) if counts else None
