"""
Facts out of the texts of macOS's own tools: sysctl, system_profiler, ioreg, pmset.

All pure: the formats are tested on recordings. Core classes go by the names the system gives
them; level 0 is the fastest, and it is called "Performance" on M1 to M4 and "Super" on M5 and M6.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.schema.machine import Accelerator, CoreLevel

_LEVEL_KEYS = ("name", "physicalcpu", "l2cachesize", "cpusperl2")
# Three classes are the most seen so far (M6); one more costs nothing.
_N_LEVELS = 4
SYSCTL_KEYS = (
    "machdep.cpu.brand_string",
    "sysctl.proc_translated",
    "hw.model",
    "hw.memsize",
    "hw.physicalcpu",
    "hw.logicalcpu",
    "hw.l3cachesize",
    "hw.nperflevels",
    "hw.optional.arm64",
    "kern.osproductversion",
    "kern.osversion",
    "kern.hv_vmm_present",
    "kern.memorystatus_vm_pressure_level",
    *(f"hw.perflevel{n}.{key}" for n in range(_N_LEVELS) for key in _LEVEL_KEYS),
)
_BYTE_UNITS = {"MB": 1 << 20, "GB": 1 << 30}


@dataclass(frozen=True)
class Battery:
    """What `pmset -g batt` says."""

    source: Literal["mains", "battery"] | None
    percent: float | None


def parse_sysctl(text: str) -> dict[str, str]:
    """Key to value of `sysctl -i`; keys this machine lacks are missing."""
    return dict(re.findall(r"^([\w.]+): (.*)$", text, re.M))


def parse_core_levels(values: Mapping[str, str]) -> tuple[CoreLevel, ...]:
    """Core classes fastest first, with their physical cores; empty on Intel Macs."""
    levels = []
    for n in range(int(values.get("hw.nperflevels", "0"))):
        n_cores = int(values.get(f"hw.perflevel{n}.physicalcpu", "0"))
        if n_cores:
            name = values.get(f"hw.perflevel{n}.name", f"perflevel{n}")
            levels.append(CoreLevel(name=name, n_cores=n_cores))
    return tuple(levels)


def parse_cache_bytes(values: Mapping[str, str]) -> int | None:
    """
    The L2 of all clusters together (L3 on Intel); the system level cache is not told.

    hw.l2cachesize is the slowest level's and would understate it.
    """
    total = 0
    for n in range(int(values.get("hw.nperflevels", "0"))):
        size = int(values.get(f"hw.perflevel{n}.l2cachesize", "0"))
        n_cores = int(values.get(f"hw.perflevel{n}.physicalcpu", "0"))
        per_cluster = int(values.get(f"hw.perflevel{n}.cpusperl2", "0")) or n_cores or 1
        total += size * -(-n_cores // per_cluster)
    return total or int(values.get("hw.l3cachesize", "0")) or None


def parse_hardware(text: str) -> dict[str, str]:
    """
    Chip and model of `system_profiler SPHardwareDataType -json`.

    Serial numbers and UUIDs in it are left behind.
    """
    entry = next(iter(_entries(text, "SPHardwareDataType")), {})
    wanted = ("chip_type", "cpu_type", "machine_name", "machine_model")
    return {key: str(entry[key]) for key in wanted if entry.get(key)}


def parse_displays(text: str, gpu_limit_bytes: int | None) -> tuple[Accelerator, ...]:
    """
    GPUs of `system_profiler SPDisplaysDataType -json`.

    Apple's share the machine's memory: their `memory_bytes` is what Metal allows, when known.
    """
    accelerators = []
    for entry in _entries(text, "SPDisplaysDataType"):
        name = entry.get("sppci_model") or entry.get("_name")
        if not name:
            continue
        vendor = str(entry.get("spdisplays_vendor", "")).removeprefix("sppci_vendor_")
        cores = str(entry.get("sppci_cores", ""))
        is_apple = "apple" in vendor.lower() or str(name).startswith("Apple")
        accelerators.append(
            Accelerator(
                name=str(name),
                vendor="Apple" if is_apple else vendor or None,
                memory_bytes=gpu_limit_bytes if is_apple else _vram_bytes(entry),
                n_cores=int(cores) if cores.isdigit() and int(cores) else None,
            )
        )
    return tuple(accelerators)


def parse_ioreg_gpu(text: str, gpu_limit_bytes: int | None) -> tuple[Accelerator, ...]:
    """The GPU of `ioreg -r -c AGXAccelerator -d 1 -w 0`."""
    model = re.search(r'"model" = "([^"]+)"', text)
    cores = re.search(r'"gpu-core-count" = (\d+)', text)
    if not model:
        return ()
    return (
        Accelerator(
            name=model[1],
            vendor="Apple",
            memory_bytes=gpu_limit_bytes,
            n_cores=int(cores[1]) if cores else None,
        ),
    )


def parse_gpu_busy(text: str) -> int | None:
    """Percent of `"Device Utilization %"` in ioreg's text: everybody's use, not ours alone."""
    match = re.search(r'"Device Utilization %"=(\d+)', text)
    return int(match[1]) if match else None


def parse_battery(text: str) -> Battery:
    """
    Power source and charge of `pmset -g batt`.

    An uninterruptible supply counts as a battery. A desktop prints no battery line. The charge
    state is not read: "AC attached; not charging" is normal where a charge limit holds.
    """
    source = re.search(r"Now drawing from '(AC|Battery|UPS) Power'", text)
    percent = re.search(r"^ *-InternalBattery-\d+.*?\t *(\d+)%;", text, re.M)
    return Battery(
        source=("mains" if source[1] == "AC" else "battery") if source else None,
        percent=float(percent[1]) if percent else None,
    )


def parse_power_mode(text: str) -> str | None:
    """
    "automatic", "low power" or "high power" of `pmset -g`; None when it has no such key.

    Only the part "Currently in use" counts. `powermode` is printed where high power is offered
    on the active source, `lowpowermode` elsewhere, neither on older desktops.
    """
    in_use = text.partition("Currently in use:")[2]
    mode = re.search(r"^ *powermode +(\d+)", in_use, re.M)
    if mode:
        return {"0": "automatic", "1": "low power", "2": "high power"}.get(mode[1])
    low = re.search(r"^ *lowpowermode +(\d+)", in_use, re.M)
    return {"0": "automatic", "1": "low power"}.get(low[1]) if low else None


def _entries(text: str, kind: str) -> list[dict[str, object]]:
    try:
        document = json.loads(text)
    except ValueError:
        return []
    entries = document.get(kind) if isinstance(document, dict) else None
    return [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []


def _vram_bytes(entry: Mapping[str, object]) -> int | None:
    # Intel Macs only: "4 GB", or 1536 MB shared with the machine.
    text = str(entry.get("spdisplays_vram") or entry.get("spdisplays_vram_shared") or "")
    match = re.fullmatch(r"(\d+) (MB|GB)", text)
    return int(match[1]) * _BYTE_UNITS[match[2]] if match else None
