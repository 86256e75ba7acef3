"""
Energy counters of Intel's and AMD's processors (RAPL), as Linux shows them in /sys/class/powercap.

Zones: a package for each socket, beside it or below it the memory (dram), the cores and the
uncore; psys is the whole platform, where the board's maker wired it. The memory's zone lies below
its package and is still not counted in it (Intel SDM volume 3B, RAPL Interfaces). Zones of
intel-rapl-mmio show the same package a second time and are left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.files import system_reason
from harness.machine.energy.meter import Counter, CounterMeter, SourceMissing, without_mirrors
from harness.machine.reading import read_int, read_text
from harness.schema.machine import EnergyKind

_FOLDER = "sys/class/powercap"
_ZONE = re.compile(r"intel-rapl(?::\d+){1,2}")
_JOULES_PER_UNIT = 1e-6
# Intel SDM volume 3B, RAPL Interfaces: about every millisecond. AMD's Zen 2 does the same (Schöne
# and others, Energy Efficiency Aspects of the AMD Zen 2 Architecture, 2021).
_REFRESH_NS = 1_000_000
# The usual energy units are 2^-16 J and 2^-14 J; the coarser one is taken for both.
_STEP_JOULES = 2.0**-14
_READ_BYTES = 32
_KINDS: dict[str, EnergyKind] = {"dram": "memory", "psys": "platform"}


@dataclass(frozen=True)
class _Zone:
    counter: Counter
    path: Path


def open_powercap(root: Path = Path("/")) -> CounterMeter:
    """
    The meter of the zones below `root`.

    Raises:
        SourceMissing: There are none, or a package or its memory may not be read: a sum that
            leaves one out would be no sum.
    """
    zones = _find_zones(root)
    if not zones:
        raise SourceMissing(
            "Linux shows no intel-rapl zones in /sys/class/powercap (usual in a virtual machine)"
        )
    opened = [(zone, file) for zone in zones if (file := _open(zone)) is not None]
    files = [file for _, file in opened]
    counters = [zone.counter for zone, _ in opened]
    kept = without_mirrors(counters, _read(files))
    kept_files = [files[index] for index in kept]
    return CounterMeter("powercap", [counters[index] for index in kept], lambda: _read(kept_files))


def _find_zones(root: Path) -> list[_Zone]:
    try:
        folders = sorted((root / _FOLDER).iterdir())
    except OSError:
        return []
    names = {folder.name: read_text(folder / "name") for folder in folders}
    zones = []
    for folder in folders:
        name = names[folder.name]
        if not _ZONE.fullmatch(folder.name) or not name:
            continue
        parent = names.get(folder.name.rpartition(":")[0])
        zones.append(
            _Zone(
                Counter(
                    domain=f"{parent}/{name}" if parent else name,
                    kind="package" if name.startswith("package") else _KINDS.get(name, "part"),
                    joules_per_unit=_JOULES_PER_UNIT,
                    step_joules=_STEP_JOULES,
                    refresh_ns=_REFRESH_NS,
                    n_round=read_int(folder / "max_energy_range_uj"),
                ),
                folder / "energy_uj",
            )
        )
    return zones


def _open(zone: _Zone) -> int | None:
    """The open file of a zone; None for one that nobody needs and that cannot be read."""
    try:
        file = os.open(zone.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        if zone.counter.kind not in ("package", "memory"):
            return None
        if isinstance(error, PermissionError):
            raise SourceMissing(
                f"only root may read {zone.path} (since Linux 5.10, for CVE-2020-8694): "
                "`sudo chmod a+r /sys/class/powercap/intel-rapl*/energy_uj` allows it until the "
                "next start"
            ) from error
        raise SourceMissing(f"{zone.path} cannot be read: {system_reason(error)}") from error
    return file


def _read(files: Sequence[int]) -> list[int | None]:
    return [_read_one(file) for file in files]


def _read_one(file: int) -> int | None:
    try:
        text = os.pread(file, _READ_BYTES, 0).strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
