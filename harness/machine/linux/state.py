"""How a Linux machine is doing now, from /proc and /sys."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Literal

from harness.machine import gpu
from harness.machine.linux.throttle import Throttles, find_throttle_files, read_throttles
from harness.machine.reading import parse_cpu_list, read_int, read_text
from harness.machine.system import SystemState

# In these drivers' active mode "powersave" is the normal, fast default: the preference (EPP)
# tells what is really asked for.
_EPP_DRIVERS = ("intel_pstate", "amd-pstate-epp")
_SLOW_PREFERENCES = ("power", "balance_power")
_SLOW_PROFILES = ("low-power", "quiet", "cool")
_SLOW_CLOCKS = ("hpet", "acpi_pm")
# Tasks stood still for want of memory more than 1 % of the last ten seconds: an idle machine
# reads 0.00, and a pause of 1 % is what a precision of 2 % cannot afford.
MEMORY_STALL_PERCENT = 1.0
# Long enough to see an episode of throttling begin, short enough not to be noticed.
THROTTLE_WATCH_S = 0.1


def read_linux_state(root: Path = Path("/")) -> SystemState:
    """Power, heat and memory pressure of this machine now."""
    files = find_throttle_files(root)
    before = read_throttles(files)
    if files.counts:
        time.sleep(THROTTLE_WATCH_S)
    cards = gpu.parse_nvidia(gpu.ask_nvidia().text) + gpu.read_drm_cards(root)
    return describe_linux_state(
        root,
        throttling=is_throttling(before, read_throttles(files)),
        nice=os.nice(0),
        cards=cards,
    )


def describe_linux_state(
    root: Path, *, throttling: bool | None, nice: int, cards: tuple[gpu.Card, ...]
) -> SystemState:
    """The state told by the /proc and /sys below `root`."""
    source, percent = read_power(root)
    unknown: dict[str, str] = {}
    if source is None:
        unknown["power_source"] = "no power supply is listed in /sys/class/power_supply"
    if percent is None:
        unknown["battery_percent"] = "no battery is listed"
    mode = read_power_mode(root)
    if mode is None:
        unknown["power_mode"] = "no cpufreq driver (usual in a virtual machine)"
    if throttling is None:
        unknown["thermal_pressure"] = (
            "no throttle counters (only Intel CPUs outside virtual machines have them)"
        )
    busy = [card.busy_percent for card in cards if card.busy_percent is not None]
    pressure = None if throttling is None else "throttling" if throttling else "nominal"
    return SystemState(
        power_source=source,
        battery_percent=percent,
        power_mode=mode,
        thermal_pressure=pressure,
        gpu_busy_percent=max(busy, default=None),
        warnings=(*_frequency_warnings(root), *_other_warnings(root, nice, throttling)),
        unknown=unknown,
    )


def is_throttling(before: Throttles | None, after: Throttles | None) -> bool | None:
    """Whether an episode began or ended in between; None where nothing is counted."""
    if before is None or after is None:
        return None
    return after != before


def read_power(root: Path) -> tuple[Literal["mains", "battery"] | None, float | None]:
    """
    The power source and the battery's charge in percent.

    A dock shows as USB with online 1, and batteries of mice and headsets (scope Device) are
    passed over.
    """
    folder = root / "sys/class/power_supply"
    is_online, states, charges = False, [], []
    for supply in sorted(folder.iterdir()) if folder.is_dir() else ():
        if read_text(supply / "scope") == "Device":
            continue
        kind = read_text(supply / "type")
        if kind in ("Mains", "USB"):
            is_online = is_online or (read_int(supply / "online") or 0) > 0
        elif kind in ("Battery", "UPS"):
            states.append(read_text(supply / "status"))
            charge = read_int(supply / "capacity")
            charges.extend([float(charge)] if charge is not None else [])
    percent = min(charges, default=None)
    if is_online:
        return "mains", percent
    if "Discharging" in states:
        return "battery", percent
    # "Full", "Charging" and "Not charging" need a supply, whatever its name is.
    return ("mains" if any(s and s != "Unknown" for s in states) else None), percent


def read_power_mode(root: Path) -> str | None:
    """
    "intel_pstate powersave, preference balance_performance, profile balanced, turbo off".

    Policies of a hybrid that differ are joined with "/"; None without any of it.
    """
    driver = _of_policies(root, "scaling_driver")
    parts = []
    if driver:
        parts.append(f"{driver} {_of_policies(root, 'scaling_governor')}".strip())
    preference = _of_policies(root, "energy_performance_preference")
    if preference:
        parts.append(f"preference {preference}")
    profile = _profile(root)
    if profile:
        parts.append(f"profile {profile}")
    cpu = root / "sys/devices/system/cpu"
    if read_text(cpu / "intel_pstate/no_turbo") == "1" or read_text(cpu / "cpufreq/boost") == "0":
        parts.append("turbo off")
    return ", ".join(parts) or None


def _policies(root: Path) -> list[Path]:
    return sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*"))


def _of_policies(root: Path, name: str) -> str:
    found = (read_text(policy / name) for policy in _policies(root))
    return "/".join(dict.fromkeys(text for text in found if text))


def _profile(root: Path) -> str | None:
    return read_text(root / "sys/firmware/acpi/platform_profile")


def _frequency_warnings(root: Path) -> list[str]:
    warnings = []
    driver = _of_policies(root, "scaling_driver")
    governors = _of_policies(root, "scaling_governor").split("/")
    if "powersave" in governors and driver and driver not in _EPP_DRIVERS:
        warnings.append(
            "The CPU governor is powersave, which holds the lowest clock with this driver: "
            "run `sudo cpupower frequency-set -g performance`."
        )
    preferences = _of_policies(root, "energy_performance_preference").split("/")
    slow = [p for p in preferences if p in _SLOW_PREFERENCES]
    if slow:
        warnings.append(
            f"The CPU's energy preference is {slow[0]}: choose the performance profile "
            "(`powerprofilesctl set performance`)."
        )
    if _profile(root) in _SLOW_PROFILES:
        warnings.append(
            f"The platform profile is {_profile(root)}: choose balanced or performance "
            "(`powerprofilesctl set performance`)."
        )
    for policy in _policies(root):
        allowed = read_int(policy / "scaling_max_freq")
        highest = read_int(policy / "cpuinfo_max_freq")
        if allowed and highest and allowed < highest:
            warnings.append(
                f"The CPU clock is capped at {allowed / 1e6:.1f} of {highest / 1e6:.1f} GHz: "
                "raise scaling_max_freq, or keep the cap for all measurements."
            )
            break
    return warnings


def _other_warnings(root: Path, nice: int, throttling: bool | None) -> list[str]:
    warnings = []
    if throttling:
        warnings.append("The CPU is throttling because of heat: let it cool, clear its vents.")
    stall = re.search(r"^some avg10=([\d.]+)", read_text(root / "proc/pressure/memory") or "", re.M)
    if stall and float(stall[1]) > MEMORY_STALL_PERCENT:
        warnings.append(
            f"Tasks wait for memory {float(stall[1]):.0f} % of the time: close what uses it."
        )
    if nice > 0:
        warnings.append(
            f"This process runs at reduced priority (nice {nice}): start it without nice."
        )
    clock = read_text(root / "sys/devices/system/clocksource/clocksource0/current_clocksource")
    if clock in _SLOW_CLOCKS:
        warnings.append(
            f"The kernel reads time from {clock}, which is slow: boot with clocksource=tsc "
            "if the CPU's is stable."
        )
    nodes = parse_cpu_list(read_text(root / "sys/devices/system/node/online"))
    if len(nodes) > 1:
        warnings.append(
            f"The memory lies in {len(nodes)} NUMA nodes: run under "
            "`numactl --cpunodebind=0 --membind=0` (or interleaved) and always the same way."
        )
    return warnings
