"""What a Mac is and how it is doing: the calls; texts are read by machine/macos/text.py."""

from __future__ import annotations

import platform
from collections.abc import Mapping

from harness.errors import HarnessError
from harness.machine.macos import native as macos_native
from harness.machine.macos import text as macos_text
from harness.machine.reading import Answer, ask
from harness.machine.system import SystemState
from harness.schema.machine import Accelerator, Machine

# Full paths: jobs started by launchd or cron have no /usr/sbin in their PATH.
_SYSCTL = ("/usr/sbin/sysctl", "-i", *macos_text.SYSCTL_KEYS)
_PROFILER = "/usr/sbin/system_profiler"
_IOREG_GPU = ("/usr/sbin/ioreg", "-r", "-c", "AGXAccelerator", "-d", "1", "-w", "0")
_PMSET = "/usr/bin/pmset"


def probe_macos() -> Machine:
    """The Mac this process runs on."""
    answer = ask(*_SYSCTL)
    if answer.text is None:
        raise HarnessError(f"This Mac cannot be described: {answer.reason}; check /usr/sbin/sysctl")
    limit = macos_native.read_gpu_limit_bytes()
    accelerators = macos_text.parse_displays(
        ask(_PROFILER, "SPDisplaysDataType", "-json").text or "", limit
    )
    return describe_macos(
        macos_text.parse_sysctl(answer.text),
        macos_text.parse_hardware(ask(_PROFILER, "SPHardwareDataType", "-json").text or ""),
        accelerators=accelerators or macos_text.parse_ioreg_gpu(ask(*_IOREG_GPU).text or "", limit),
        gpu_limit_bytes=limit,
        arch=platform.machine(),
    )


def describe_macos(
    values: Mapping[str, str],
    hardware: Mapping[str, str],
    *,
    accelerators: tuple[Accelerator, ...],
    gpu_limit_bytes: int | None,
    arch: str,
) -> Machine:
    """The Mac with these sysctl `values` and system_profiler facts; its id is still empty."""
    memory_bytes = int(values.get("hw.memsize", "0"))
    n_logical = int(values.get("hw.logicalcpu", "0"))
    if not memory_bytes or not n_logical:
        raise HarnessError("sysctl does not tell memory and cores; run it outside a sandbox")
    # The profiler first: a process translated by Rosetta is told another processor by sysctl.
    cpu = hardware.get("chip_type") or values.get("machdep.cpu.brand_string") or arch
    name, model = hardware.get("machine_name"), values.get("hw.model")
    build = values.get("kern.osversion")
    version = values.get("kern.osproductversion") or platform.mac_ver()[0] or "unknown"
    return Machine(
        id="",
        os="macOS",
        os_version=f"{version} ({build})" if build else version,
        arch="arm64" if values.get("hw.optional.arm64") == "1" else arch,
        model=f"{name} ({model})" if name and model else name or model,
        cpu=cpu,
        n_cores_physical=int(values.get("hw.physicalcpu", "0")) or None,
        n_cores_logical=n_logical,
        n_cores_usable=n_logical,
        core_levels=macos_text.parse_core_levels(values),
        last_level_cache_bytes=macos_text.parse_cache_bytes(values),
        memory_bytes=memory_bytes,
        # A user may set iogpu.wired_limit_mb above the memory there is.
        gpu_limit_bytes=min(gpu_limit_bytes, memory_bytes) if gpu_limit_bytes else None,
        accelerators=accelerators,
        virtualization="vm" if values.get("kern.hv_vmm_present") == "1" else None,
    )


def read_macos_state() -> SystemState:
    """Power, heat and memory pressure of this Mac now."""
    return describe_macos_state(
        batt=ask(_PMSET, "-g", "batt"),
        settings=ask(_PMSET, "-g"),
        values=macos_text.parse_sysctl(ask(*_SYSCTL).text or ""),
        thermal_pressure=macos_native.read_thermal_pressure(),
        is_background=macos_native.is_background(),
        gpu_busy_percent=macos_text.parse_gpu_busy(ask(*_IOREG_GPU).text or ""),
    )


def describe_macos_state(
    *,
    batt: Answer,
    settings: Answer,
    values: Mapping[str, str],
    thermal_pressure: str | None,
    is_background: bool | None,
    gpu_busy_percent: int | None,
) -> SystemState:
    """The state those answers tell; `batt` is `pmset -g batt`, `settings` is `pmset -g`."""
    battery = macos_text.parse_battery(batt.text or "")
    mode = macos_text.parse_power_mode(settings.text or "")
    unknown: dict[str, str] = {}
    if battery.source is None:
        unknown["power_source"] = batt.reason or "pmset names no power source"
    if battery.percent is None:
        unknown["battery_percent"] = batt.reason or "no battery is listed"
    if mode is None:
        unknown["power_mode"] = settings.reason or "pmset lists no power mode on this Mac"
    if thermal_pressure is None:
        unknown["thermal_pressure"] = "the system's thermal notification cannot be read"
    return SystemState(
        power_source=battery.source,
        battery_percent=battery.percent,
        power_mode=mode,
        thermal_pressure=thermal_pressure,
        gpu_busy_percent=gpu_busy_percent,
        warnings=_warnings(mode, values, thermal_pressure, is_background),
        unknown=unknown,
    )


def _warnings(
    mode: str | None,
    values: Mapping[str, str],
    thermal_pressure: str | None,
    is_background: bool | None,
) -> tuple[str, ...]:
    warnings = []
    if mode == "low power":
        warnings.append(
            "Low Power Mode is on and slows the chip: turn it off in System Settings > Battery."
        )
    if thermal_pressure not in (None, "nominal"):
        warnings.append(
            f"The Mac is hot (thermal pressure {thermal_pressure}) and slows itself down: "
            "let it cool until the pressure is nominal."
        )
    # Dispatch's values: 1 normal, 2 warning, 4 critical.
    if values.get("kern.memorystatus_vm_pressure_level") in ("2", "4"):
        warnings.append("macOS reports memory pressure: close applications before measuring.")
    if is_background:
        warnings.append(
            "This process has background priority and is kept on the slowest cores: "
            "start it from a terminal, not from launchd or cron."
        )
    if values.get("sysctl.proc_translated") == "1":
        warnings.append(
            "This Python runs translated by Rosetta: install an arm64 Python and set up again."
        )
    return tuple(warnings)
