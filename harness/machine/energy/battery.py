"""
The battery's own gauge, as Linux shows it in /sys/class/power_supply: the whole machine, screen
and all, and only while nothing charges it.

psutil tells a charge in percent and no capacity, so it gives no joules on any system.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns

from harness.machine.energy.meter import SourceMissing
from harness.machine.reading import read_int, read_text
from harness.schema.machine import Energy

_FOLDER = "sys/class/power_supply"
_JOULES_PER_UWH = 3600e-6
# Documented nowhere. Embedded controllers ask the gauge every second to every few seconds, and
# the kernel asks them once a second at most (cache_time of its ACPI battery driver).
_REFRESH_NS = 5_000_000_000


@dataclass(frozen=True)
class Charge:
    """
    What is left in a battery: µWh, or µAh at `volts` now.

    `step` is what all the figures of its gauge can be divided by: never smaller than what it
    really moves by, so a window is refused rather than believed.
    """

    left: int
    step: int
    volts: float = 1.0


class BatteryMeter:
    """The meter of the batteries in `folders`."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = folders
        self._began_ns = 0
        self._before: dict[Path, Charge] = {}

    def begin(self) -> None:
        """A window begins."""
        self._began_ns = perf_counter_ns()
        self._before = _charges(self._folders)

    def end(self) -> tuple[Energy, ...]:
        """What the batteries gave; nothing where one was not discharging at both ends."""
        window_ns = max(1, perf_counter_ns() - self._began_ns)
        before, self._before = self._before, {}
        after = _charges(self._folders)
        pairs = [(before.get(folder), after.get(folder)) for folder in self._folders]
        known = [(first, last) for first, last in pairs if first and last]
        # With several batteries one rests while the other is drained.
        if not known or len(known) < len(pairs):
            return ()
        joules = sum(given_joules(first, last) for first, last in known)
        if joules < 0:
            return ()
        return (
            Energy(
                source="battery",
                domain="battery",
                kind="battery",
                joules=joules,
                window_ns=window_ns,
                refresh_ns=_REFRESH_NS,
                step_joules=max(step_joules(first, last) for first, last in known),
            ),
        )


def given_joules(first: Charge, last: Charge) -> float:
    """What a battery gave between two moments; negative where it took."""
    # Under load the voltage falls by some percent; between two moments its mean is near enough.
    volts = (first.volts + last.volts) / 2
    return (first.left - last.left) * volts * _JOULES_PER_UWH


def step_joules(first: Charge, last: Charge) -> float:
    """The step that both moments allow."""
    return math.gcd(first.step, last.step) * max(first.volts, last.volts) * _JOULES_PER_UWH


def open_battery(root: Path = Path("/")) -> BatteryMeter:
    """
    The meter of this machine's batteries.

    Raises:
        SourceMissing: There is none, or it is not being discharged.
    """
    folders = tuple(_batteries(root))
    if not folders:
        raise SourceMissing("there is no battery in /sys/class/power_supply")
    if not _is_discharging(folders):
        raise SourceMissing("the machine runs on mains; a battery tells only while it discharges")
    if len(_charges(folders)) < len(folders):
        raise SourceMissing("the battery tells its charge in percent only")
    return BatteryMeter(folders)


def _batteries(root: Path) -> list[Path]:
    try:
        folders = sorted((root / _FOLDER).iterdir())
    except OSError:
        return []
    # Scope Device: of a mouse or a headset.
    return [
        folder
        for folder in folders
        if read_text(folder / "type") == "Battery" and read_text(folder / "scope") != "Device"
    ]


def _is_discharging(folders: tuple[Path, ...]) -> bool:
    """Whether one is drained and none charged; a second battery that rests says something else."""
    states = [read_text(folder / "status") for folder in folders]
    return "Discharging" in states and "Charging" not in states


def _charges(folders: tuple[Path, ...]) -> dict[Path, Charge]:
    """What each battery holds; empty while the machine runs on mains."""
    if not _is_discharging(folders):
        return {}
    return {folder: charge for folder in folders if (charge := _charge(folder)) is not None}


def _charge(folder: Path) -> Charge | None:
    left = read_int(folder / "energy_now")
    if left is not None:
        return Charge(left, _step(left, folder, "energy"))
    left = read_int(folder / "charge_now")
    microvolts = read_int(folder / "voltage_now")
    if left is None or not microvolts:
        return None
    return Charge(left, _step(left, folder, "charge"), microvolts / 1e6)


def _step(left: int, folder: Path, name: str) -> int:
    others = (read_int(folder / f"{name}_full"), read_int(folder / f"{name}_full_design"))
    return max(1, math.gcd(left, *(other for other in others if other)))
