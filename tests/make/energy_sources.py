"""Energy counters as machines show them: a powercap tree, a battery, and libraries that answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

RANGE_UJ = 262_143_328_850  # of a desktop Core, as its sysfs tells


def write_zone(root: Path, zone: str, name: str, energy_uj: int, range_uj: int = RANGE_UJ) -> Path:
    """A zone of /sys/class/powercap; the path of its counter."""
    folder = root / "sys/class/powercap" / zone
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
    counter = folder / "energy_uj"
    counter.write_text(f"{energy_uj}\n")
    return counter


def write_package(root: Path, energy_uj: int = 5_000_000, range_uj: int = RANGE_UJ) -> Path:
    """One socket with its cores; the path of the package's counter."""
    folder = root / "sys/class/powercap"
    (folder / "intel-rapl").mkdir(parents=True)  # the control type: no zone
    write_zone(root, "intel-rapl:0:0", "core", 3_000_000)
    write_zone(root, "intel-rapl-mmio:0", "package-0", energy_uj)
    return write_zone(root, "intel-rapl:0", "package-0", energy_uj, range_uj)


def write_battery(root: Path, name: str = "BAT0", **files: object) -> Path:
    """A battery of /sys/class/power_supply that discharges, with a gauge that tells µWh."""
    folder = root / "sys/class/power_supply" / name
    folder.mkdir(parents=True)
    usual = {
        "type": "Battery",
        "status": "Discharging",
        "energy_now": 34_560_000,
        "energy_full": 50_070_000,
        "energy_full_design": 57_000_000,
    }
    for file, value in (usual | files).items():
        if value is not None:
            (folder / file).write_text(f"{value}\n")
    return folder


class NvmlError(Exception):
    """What every function of pynvml may raise."""


def fake_nvml(millijoules: Mapping[int, int | None], start: str | None = None) -> Any:
    """
    A pynvml with these GPUs; None has no counter.

    `start` is what nvmlInit complains of. The mapping is asked at each call.
    """

    def energy(index: int) -> int:
        value = millijoules[index]
        if value is None:
            raise NvmlError("Not Supported")
        return value

    def init() -> None:
        if start:
            raise NvmlError(start)

    library: Any = ModuleType("pynvml")
    library.NVMLError = NvmlError
    library.nvmlInit = init
    library.nvmlDeviceGetCount = lambda: len(millijoules)
    library.nvmlDeviceGetHandleByIndex = lambda index: index
    library.nvmlDeviceGetTotalEnergyConsumption = energy
    return library
