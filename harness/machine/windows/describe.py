"""What a Windows machine is and how it is doing, put together from windows_native's answers."""

from __future__ import annotations

import platform
from collections.abc import Mapping

import psutil

from harness.machine import gpu
from harness.machine.reading import Answer, ask
from harness.machine.system import SystemState
from harness.machine.windows import native as windows_native
from harness.machine.windows import text as windows_text
from harness.schema.machine import Accelerator, Machine

_CPU_KEY = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
_BIOS_KEY = r"HARDWARE\DESCRIPTION\System\BIOS"
_VERSION_KEY = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"
_DISPLAY_CLASS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"


def probe_windows() -> Machine:
    """The machine this process runs on."""
    keys = windows_native.list_class_keys(_DISPLAY_CLASS)
    return describe_windows(
        topology=windows_native.read_topology(),
        cpu_values=windows_native.read_registry(_CPU_KEY),
        bios_values=windows_native.read_registry(_BIOS_KEY),
        version_values=windows_native.read_registry(_VERSION_KEY),
        accelerators=choose_cards(
            [windows_native.read_registry(key) for key in keys],
            windows_native.read_display_names(),
            gpu.parse_nvidia(gpu.ask_nvidia().text),
        ),
        memory_bytes=psutil.virtual_memory().total,
        n_logical=psutil.cpu_count() or 1,
        n_usable=len(psutil.Process().cpu_affinity() or ()) or 1,
        arch=platform.machine(),
    )


def describe_windows(
    *,
    topology: windows_text.Topology | None,
    cpu_values: Mapping[str, object],
    bios_values: Mapping[str, object],
    version_values: Mapping[str, object],
    accelerators: tuple[Accelerator, ...],
    memory_bytes: int,
    n_logical: int,
    n_usable: int,
    arch: str,
) -> Machine:
    """The machine those answers describe; its id is still empty."""
    maker = str(bios_values.get("SystemManufacturer", "")).strip()
    product = str(bios_values.get("SystemProductName", "")).strip()
    return Machine(
        id="",
        os="Windows",
        os_version=windows_text.parse_os_version(version_values),
        arch=arch,
        model=f"{maker} {product}".strip() or None,
        # The name is padded with spaces on many Intel chips.
        cpu=" ".join(str(cpu_values.get("ProcessorNameString", "")).split()) or arch,
        n_cores_physical=(len(topology.cores) or None) if topology else None,
        n_cores_logical=n_logical,
        n_cores_usable=n_usable,
        core_levels=windows_text.core_levels(topology.cores) if topology else (),
        last_level_cache_bytes=topology.last_level_cache_bytes if topology else None,
        memory_bytes=memory_bytes,
        accelerators=accelerators,
        virtualization="vm" if product in ("Virtual Machine", "VirtualBox", "KVM") else None,
    )


def choose_cards(
    registry: list[dict[str, object]],
    present_names: tuple[str, ...],
    nvidia: tuple[gpu.Card, ...],
) -> tuple[Accelerator, ...]:
    """
    The cards that are there: NVIDIA's from its own tool, others from the registry.

    Registry entries outlive their cards, so a name Windows does not list now is left out, unless
    it lists none at all (a service without a desktop).
    """
    cards = [card.accelerator for card in nvidia]
    for values in registry:
        card = windows_text.parse_card(values)
        if card is None or (present_names and card.name not in present_names):
            continue
        if not (nvidia and card.vendor == "NVIDIA"):
            cards.append(card)
    return tuple(cards)


def read_windows_state() -> SystemState:
    """Power and its plan on this machine now."""
    return describe_windows_state(
        power=windows_native.read_power_status(),
        scheme=ask("powercfg", "/getactivescheme"),
        overlay=windows_native.read_overlay(),
        nvidia=gpu.parse_nvidia(gpu.ask_nvidia().text),
    )


def describe_windows_state(
    *,
    power: windows_text.PowerStatus | None,
    scheme: Answer,
    overlay: str | None,
    nvidia: tuple[gpu.Card, ...],
) -> SystemState:
    """The state those answers tell; `scheme` is `powercfg /getactivescheme`."""
    plan = windows_text.find_guid(scheme.text or "")
    mode = windows_text.power_mode(plan, overlay)
    busy = [card.busy_percent for card in nvidia if card.busy_percent is not None]
    unknown = {"thermal_pressure": "Windows tells it to administrators only"}
    if power is None or power.is_on_mains is None:
        unknown["power_source"] = "Windows does not tell the power source"
    if power is None or power.battery_percent is None:
        unknown["battery_percent"] = "no battery is listed"
    if mode is None:
        unknown["power_mode"] = scheme.reason or "powercfg names no plan"
    is_on_mains = power.is_on_mains if power else None
    return SystemState(
        power_source=None if is_on_mains is None else "mains" if is_on_mains else "battery",
        battery_percent=power.battery_percent if power else None,
        power_mode=mode,
        thermal_pressure=None,
        gpu_busy_percent=max(busy, default=None),
        warnings=_warnings(power, plan, overlay),
        unknown=unknown,
    )


def _warnings(
    power: windows_text.PowerStatus | None, plan: str | None, overlay: str | None
) -> tuple[str, ...]:
    warnings = []
    if power and power.saver_is_on:
        warnings.append("The energy saver is on: turn it off in Settings > System > Power.")
    if plan == windows_text.POWER_SAVER_PLAN:
        warnings.append("The power plan is Power saver: run `powercfg /setactive scheme_balanced`.")
    if overlay == windows_text.EFFICIENCY_OVERLAY:
        warnings.append(
            "The power mode is best efficiency: choose best performance in Settings > System > "
            "Power."
        )
    return tuple(warnings)
