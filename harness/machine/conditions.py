"""
What could spoil a measurement now, read once before the first Run.

Each warning says what is the matter and what to do about it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

from harness.machine.linux import describe as linux
from harness.machine.linux import state as linux_state
from harness.machine.macos import describe as macos
from harness.machine.memory import available_memory_bytes
from harness.machine.processes import BusyProcess, parse_ps, watch_others
from harness.machine.reading import ask
from harness.machine.system import SystemState
from harness.machine.windows import describe as windows
from harness.schema.machine import Conditions, Machine
from harness.units import memory_size

# Below this share of the memory, systems begin to compress, swap and drop file pages.
LOW_MEMORY_RATIO = 0.10
# A desktop draws its windows with a few percent of the GPU.
BUSY_GPU_PERCENT = 10
_N_NAMED = 3


def read_conditions(
    machine: Machine, others: tuple[BusyProcess, ...] | None = None, *, names_others: bool = True
) -> Conditions:
    """The state of `machine` now; watches the other processes for half a second."""
    return judge(
        machine,
        read_state(),
        others=read_others() if others is None else others,
        names_others=names_others,
        memory_available_bytes=available_memory_bytes(),
        swap_used_bytes=read_swap_used_bytes(),
        load_average_1m=_load_average(),
        core_limit=_core_limit(),
    )


def read_state() -> SystemState:
    """What this operating system tells about power and heat."""
    if sys.platform == "darwin":
        return macos.read_macos_state()
    elif sys.platform == "win32":
        return windows.read_windows_state()
    else:
        return linux_state.read_linux_state()


def read_swap_used_bytes() -> int | None:
    """Bytes of swap in use by everybody."""
    if sys.platform != "linux":
        return int(psutil.swap_memory().used)
    # Not psutil's on Linux: it warns on stderr in containers that hide /proc/vmstat.
    total = linux.read_meminfo_bytes(Path("/"), "SwapTotal")
    free = linux.read_meminfo_bytes(Path("/"), "SwapFree")
    return None if total is None or free is None else total - free


def read_others() -> tuple[BusyProcess, ...]:
    """The other busy processes, by the way that sees most of them on this system."""
    if sys.platform == "darwin":
        answer = ask("/bin/ps", "-Ao", "pid,pcpu,comm")
        return parse_ps(answer.text or "", os.getpid())
    else:
        return watch_others()


def core_limit_warning(machine: Machine) -> str | None:
    """That fewer cores may be used than `machine`, this one, has, by which limit; or None."""
    return limited_cores(machine, _core_limit())


def limited_cores(machine: Machine, limit: str) -> str | None:
    """The same of any machine whose usable cores `limit` decides."""
    n_physical = machine.n_cores_physical or machine.n_cores_logical
    if machine.n_cores_usable >= n_physical:
        return None
    return (
        f"Only {machine.n_cores_usable} of {n_physical} cores may be used ({limit}): raise the "
        "limit, or read the figures as those of a smaller machine."
    )


def judge(
    machine: Machine,
    state: SystemState,
    *,
    others: tuple[BusyProcess, ...],
    memory_available_bytes: int,
    swap_used_bytes: int | None,
    load_average_1m: float | None,
    core_limit: str = "CPU affinity",
    names_others: bool = True,
) -> Conditions:
    """The conditions those readings make, with all warnings, the gravest first."""
    unknown = dict(state.unknown)
    if swap_used_bytes is None:
        unknown["swap_used_bytes"] = "/proc/meminfo does not tell it"
    if load_average_1m is None:
        unknown["load_average_1m"] = "Windows keeps no load average"
    warnings: list[str] = []
    if state.power_source == "battery":
        warnings.append("The machine runs on battery, which slows most laptops: plug it in.")
    warnings.extend(state.warnings)
    warnings.extend(_memory_warnings(machine, memory_available_bytes))
    if limited := limited_cores(machine, core_limit):
        warnings.append(limited)
    if others:
        shares = named(others) if names_others else _shares(others)
        warnings.append(
            f"Other processes use the CPU, in percent of a core: {shares}. "
            "Stop them or wait for them to end."
        )
    warnings.extend(_gpu_warnings(state.gpu_busy_percent))
    return Conditions(
        power_source=state.power_source,
        battery_percent=state.battery_percent,
        power_mode=state.power_mode,
        thermal_pressure=state.thermal_pressure,
        memory_available_bytes=memory_available_bytes,
        swap_used_bytes=swap_used_bytes,
        load_average_1m=load_average_1m,
        warnings=tuple(warnings),
        unknown=unknown,
    )


def _memory_warnings(machine: Machine, available_bytes: int) -> list[str]:
    total = machine.usable_bytes
    if available_bytes >= LOW_MEMORY_RATIO * total:
        return []
    return [
        f"Only {memory_size(available_bytes)} of {memory_size(total)} memory are free: "
        "close what you do not need."
    ]


def named(others: tuple[BusyProcess, ...]) -> str:
    """The busiest with their names and what they use; to be told, not to be kept."""
    listed = ", ".join(f"{p.name} ({p.core_ratio * 100:.0f} %)" for p in others[:_N_NAMED])
    return listed + _more(others)


def _shares(others: tuple[BusyProcess, ...]) -> str:
    """The same without names, which say what somebody does with the machine."""
    return ", ".join(f"{p.core_ratio * 100:.0f} %" for p in others[:_N_NAMED]) + _more(others)


def _more(others: tuple[BusyProcess, ...]) -> str:
    return f" and {len(others) - _N_NAMED} more" if len(others) > _N_NAMED else ""


def _gpu_warnings(gpu_busy_percent: int | None) -> list[str]:
    warnings = []
    if gpu_busy_percent is not None and gpu_busy_percent > BUSY_GPU_PERCENT:
        warnings.append(
            f"The GPU is {gpu_busy_percent} % busy with other work: stop it or wait for its end."
        )
    return warnings


def _core_limit() -> str:
    return linux.read_core_limit() if sys.platform == "linux" else "CPU affinity"


def _load_average() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
