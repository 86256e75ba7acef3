"""
Facts out of Windows' structures, registry values and console texts.

All pure, and the layouts use fixed sizes: ctypes.wintypes has other ones on other systems.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from harness.schema.machine import Accelerator, CoreLevel

_RELATION_CORE = 0
_RELATION_CACHE = 2
_CACHE_INSTRUCTION = 1
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
POWER_SAVER_PLAN = "a1841308-3541-4fab-bc81-f71556f20b4a"
_PLANS = {
    "381b4222-f694-41f0-9685-ff5bb260df2e": "Balanced",
    "8c5e7fda-e8bf-4a96-9a85-a6e23a8c635c": "High performance",
    POWER_SAVER_PLAN: "Power saver",
}
EFFICIENCY_OVERLAY = "961cc777-2547-4f9d-8174-7d86181b8a7a"
_OVERLAYS = {
    EFFICIENCY_OVERLAY: "best efficiency",
    "00000000-0000-0000-0000-000000000000": "balanced",
    "ded574b5-45a0-4f42-8737-46345c09c238": "best performance",
}
# Windows 11 still calls itself 10 in the registry's ProductName; its builds start here.
_FIRST_BUILD_OF_11 = 22000
_NOT_CARDS = ("Microsoft Basic", "Microsoft Remote Display", "Microsoft Hyper-V")
_DISPLAY_DEVICE_BYTES = 840


@dataclass(frozen=True)
class Core:
    """A physical core: a higher `efficiency_class` is faster, all 0 where cores are alike."""

    efficiency_class: int
    has_smt: bool


@dataclass(frozen=True)
class Topology:
    """Cores, and the bytes of all last level caches together."""

    cores: tuple[Core, ...]
    last_level_cache_bytes: int | None


@dataclass(frozen=True)
class PowerStatus:
    """SYSTEM_POWER_STATUS without its codes for unknown."""

    is_on_mains: bool | None
    battery_percent: float | None
    saver_is_on: bool


def parse_topology(data: bytes) -> Topology:
    """
    The records of GetLogicalProcessorInformationEx(RelationAll).

    Records have their own sizes, and kinds that are not needed are stepped over.
    """
    cores: list[Core] = []
    caches: dict[int, int] = {}
    offset = 0
    while offset + 8 <= len(data):
        relation, size = struct.unpack_from("<II", data, offset)
        if size < 8 or offset + size > len(data):
            break
        if relation == _RELATION_CORE:
            flags, efficiency_class = struct.unpack_from("<BB", data, offset + 8)
            cores.append(Core(efficiency_class, flags == 1))
        elif relation == _RELATION_CACHE:
            level, n_bytes, kind = struct.unpack_from("<B3xII", data, offset + 8)
            if kind != _CACHE_INSTRUCTION:
                caches[level] = caches.get(level, 0) + n_bytes
        offset += size
    return Topology(tuple(cores), caches[max(caches)] if caches else None)


def core_levels(cores: tuple[Core, ...]) -> tuple[CoreLevel, ...]:
    """Classes of cores fastest first; empty where all are alike."""
    classes = sorted({core.efficiency_class for core in cores}, reverse=True)
    if len(classes) < 2:
        return ()
    return tuple(
        CoreLevel(
            name=f"efficiency class {wanted}",
            n_cores=sum(core.efficiency_class == wanted for core in cores),
        )
        for wanted in classes
    )


def parse_power_status(data: bytes) -> PowerStatus:
    """A SYSTEM_POWER_STATUS (12 bytes); 255 in a field means unknown."""
    line, flag, percent, status = struct.unpack_from("<4B", data)
    has_battery = not (flag & 128 and flag != 255)
    return PowerStatus(
        is_on_mains={0: False, 1: True, 2: False}.get(line),
        battery_percent=float(percent) if has_battery and percent <= 100 else None,
        saver_is_on=status == 1,
    )


def parse_guid(data: bytes) -> str:
    """A GUID structure (16 bytes) as text in lower case."""
    first, second, third = struct.unpack_from("<IHH", data)
    rest = data[8:16].hex()
    return f"{first:08x}-{second:04x}-{third:04x}-{rest[:4]}-{rest[4:]}"


def find_guid(text: str) -> str | None:
    """
    The GUID in what `powercfg /getactivescheme` prints.

    The words around it are translated and in the console's code page.
    """
    match = _GUID.search(text)
    return match[0].lower() if match else None


def power_mode(plan: str | None, overlay: str | None) -> str | None:
    """
    "Balanced plan, best performance mode" from the GUIDs of plan and effective overlay.

    Plans of vendors keep their GUID as a name. None when neither is known.
    """
    parts = []
    if plan:
        parts.append(f"{_PLANS.get(plan, plan)} plan")
    if overlay:
        parts.append(f"{_OVERLAYS.get(overlay, overlay)} mode")
    return ", ".join(parts) or None


def parse_os_version(values: Mapping[str, object]) -> str:
    """The version, e.g. "11 24H2 (26100.9445)", of the registry key CurrentVersion's values."""
    build = str(values.get("CurrentBuild", ""))
    product = str(values.get("ProductName", ""))
    if "Server" in product:
        name = product.removeprefix("Windows ")
    else:
        name = "11" if build.isdigit() and int(build) >= _FIRST_BUILD_OF_11 else "10"
    display = f" {values['DisplayVersion']}" if values.get("DisplayVersion") else ""
    revision = f".{values['UBR']}" if "UBR" in values else ""
    return f"{name}{display} ({build}{revision})"


def parse_card(values: Mapping[str, object]) -> Accelerator | None:
    """
    A display adapter of the registry's class key; None for software adapters.

    qwMemorySize only: the older 32-bit value wraps at 4 GB. Some drivers write it as binary.
    """
    name = str(values.get("DriverDesc", "")).strip()
    if not name or name.startswith(_NOT_CARDS):
        return None
    size = values.get("HardwareInformation.qwMemorySize")
    if isinstance(size, bytes):
        size = int.from_bytes(size[:8], "little") if len(size) >= 8 else None
    provider = str(values.get("ProviderName", "")).strip()
    return Accelerator(
        name=name,
        vendor=_vendor(f"{provider} {name}"),
        memory_bytes=size if isinstance(size, int) and size > 0 else None,
        driver=str(values["DriverVersion"]) if values.get("DriverVersion") else None,
    )


def parse_display_device_name(data: bytes) -> str:
    """DeviceString of a DISPLAY_DEVICEW (840 bytes): the card's name, as DriverDesc has it."""
    text = data[4 + 64 : 4 + 64 + 256].decode("utf-16-le", errors="replace")
    return text.partition("\0")[0].strip()


def new_display_device() -> bytearray:
    """An empty DISPLAY_DEVICEW with its size set, as EnumDisplayDevicesW wants it."""
    data = bytearray(_DISPLAY_DEVICE_BYTES)
    struct.pack_into("<I", data, 0, _DISPLAY_DEVICE_BYTES)
    return data


def _vendor(text: str) -> str | None:
    for vendor, signs in (
        ("NVIDIA", ("nvidia",)),
        ("AMD", ("amd", "advanced micro", "radeon")),
        ("Intel", ("intel",)),
        ("Qualcomm", ("qualcomm", "adreno")),
    ):
        if any(sign in text.lower() for sign in signs):
            return vendor
    return None
