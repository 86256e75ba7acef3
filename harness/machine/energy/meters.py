"""
How much energy this machine takes, by whatever counters it has. No thread samples: counters are
read where a window begins and where it ends.

    Linux     powercap (CPU packages and their memory), nvml, the battery
    macOS     apple (the chip's parts)
    Windows   emi (CPU packages and their memory), nvml

Nothing is estimated: what has no counter has no figure, and the reason is told.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.machine.energy.apple import open_apple
from harness.machine.energy.battery import open_battery
from harness.machine.energy.emi import open_emi
from harness.machine.energy.meter import Meter, SourceMissing
from harness.machine.energy.nvml import open_nvml
from harness.machine.energy.powercap import open_powercap
from harness.schema.machine import Energy, EnergySource

# Twenty refreshes of the slowest counter that a rest is of use for (NVML, 100 ms), so that what
# lies between the last refresh and the edge is at most 5 % of it.
REST_S = 2.0
_NO_BATTERY = "read on Linux only: elsewhere its charge is told in percent"


@dataclass(frozen=True)
class Meters:
    """
    All meters of a machine and, in the same order, whose they are.

    `reasons_missing` say why a source tells nothing, or not all.
    """

    meters: tuple[Meter, ...] = ()
    sources: tuple[EnergySource, ...] = ()
    reasons_missing: dict[str, str] = field(default_factory=dict)

    def begin(self) -> None:
        """A window begins on every meter."""
        for meter in self.meters:
            meter.begin()

    def end(self) -> tuple[Energy, ...]:
        """What every domain took since `begin`."""
        return tuple(energy for meter in self.meters for energy in meter.end())

    def rest(self, seconds: float = REST_S) -> tuple[Energy, ...]:
        """
        What the machine takes while this process sleeps.

        Nothing, and at once, where there is no meter or only a battery, whose steps need minutes.
        """
        if not set(self.sources) - {"battery"}:
            return ()
        self.begin()
        time.sleep(seconds)
        return self.end()


NO_METERS = Meters()


@dataclass(frozen=True)
class Idle:
    """Which sources of energy figures a machine has, what they tell of a rest, and the others."""

    sources: tuple[EnergySource, ...]
    idle: tuple[Energy, ...]
    reasons_missing: dict[str, str]


def read_idle() -> Idle:
    """What this machine takes now; this process sleeps `REST_S` for it where there is a source."""
    meters = find_meters()
    return Idle(meters.sources, meters.rest(), meters.reasons_missing)


def find_meters(root: Path = Path("/")) -> Meters:
    """The meters of this machine; on Linux those whose files lie below `root`."""
    found: dict[EnergySource, Meter] = {}
    reasons_missing: dict[str, str] = {}

    def add(source: EnergySource, open_meter: Callable[[], Meter]) -> None:
        try:
            found[source] = open_meter()
        except SourceMissing as missing:
            reasons_missing[source] = str(missing)

    def nvml() -> Meter:
        gpus = open_nvml()
        reasons_missing.update(gpus.reasons_missing)
        return gpus.meter

    if sys.platform == "darwin":
        add("apple", open_apple)
        reasons_missing["battery"] = _NO_BATTERY
    elif sys.platform == "win32":
        add("emi", open_emi)
        add("nvml", nvml)
        reasons_missing["battery"] = _NO_BATTERY
    else:
        add("powercap", lambda: open_powercap(root))
        add("nvml", nvml)
        add("battery", lambda: open_battery(root))
    return Meters(tuple(found.values()), tuple(found), reasons_missing)
