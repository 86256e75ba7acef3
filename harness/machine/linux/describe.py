"""What a Linux machine is, from /proc and /sys."""

from __future__ import annotations

import math
import os
import platform
import re
from pathlib import Path

from harness import units
from harness.errors import HarnessError
from harness.machine import gpu
from harness.machine.linux import cgroup
from harness.machine.reading import ask, parse_cpu_list, read_int, read_text
from harness.schema.machine import Accelerator, CoreLevel, Machine

# Clusters of one core type differ by binned clocks (1008 against 1024 on an RK3588), different
# types by half and more (530 against 1024 there): the cut lies between.
SAME_LEVEL_CAPACITY_RATIO = 0.8
# What board makers leave in the firmware when they fill nothing in.
_PLACEHOLDERS = ("system product name", "to be filled by o.e.m.", "default string", "none")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def probe_linux(root: Path = Path("/")) -> Machine:
    """The machine this process runs on."""
    cards = gpu.parse_nvidia(gpu.ask_nvidia().text) + gpu.read_drm_cards(root)
    return describe_linux(
        root,
        arch=platform.machine(),
        n_affinity=len(os.sched_getaffinity(0)),
        lscpu=ask("lscpu").text,
        virtualization=read_virtualization(
            root,
            ask("systemd-detect-virt", "--vm").text,
            ask("systemd-detect-virt", "--container").text,
        ),
        accelerators=tuple(card.accelerator for card in cards),
    )


def describe_linux(
    root: Path,
    *,
    arch: str,
    n_affinity: int,
    lscpu: str | None = None,
    virtualization: str | None = None,
    accelerators: tuple[Accelerator, ...] = (),
) -> Machine:
    """The machine whose /proc and /sys lie below `root`; its id is still empty."""
    siblings = _core_of_cpu(root)
    told = _told_cores(root)
    n_physical = len(set(siblings.values() if siblings else filter(None, told)))
    memory_bytes = read_meminfo_bytes(root, "MemTotal")
    if memory_bytes is None:
        raise HarnessError("/proc/meminfo does not tell how much memory there is; mount /proc")
    groups = cgroup.find_groups(root)
    n_logical = len(siblings) or len(told) or n_affinity
    n_usable, _ = usable_cores(n_affinity, cgroup.cpu_quota(groups))
    return Machine(
        id="",
        os="Linux",
        os_version=_os_version(root),
        arch=arch,
        model=_model(root),
        cpu=_cpu_name(root, lscpu) or arch,
        n_cores_physical=n_physical or None,
        n_cores_logical=n_logical,
        n_cores_usable=n_usable,
        core_levels=_core_levels(root, arch, siblings),
        last_level_cache_bytes=_last_level_cache_bytes(root),
        memory_bytes=memory_bytes,
        memory_limit_bytes=cgroup.memory_limit(groups, memory_bytes),
        accelerators=accelerators,
        virtualization=virtualization,
    )


def usable_cores(n_affinity: int, quota: float | None) -> tuple[int, str]:
    """
    How many cores this process may compute with, and which limit says so, in words.

    Args:
        n_affinity: The CPUs it may run on.
        quota: CPUs worth of time that its control groups allow; None without a quota.
    """
    # A quota of 7.65 CPUs stops eight threads for a while in each of its periods, all at once.
    if quota is not None and math.floor(quota) < n_affinity:
        return max(1, math.floor(quota)), f"a quota of {units.significant(quota)} CPUs"
    return n_affinity, "CPU affinity"


def read_core_limit(root: Path = Path("/")) -> str:
    """What `usable_cores` says of this process."""
    quota = cgroup.cpu_quota(cgroup.find_groups(root))
    return usable_cores(len(os.sched_getaffinity(0)), quota)[1]


def read_meminfo_bytes(root: Path, key: str) -> int | None:
    """A field of /proc/meminfo ("MemTotal") in bytes."""
    match = re.search(rf"^{key}:\s+(\d+) kB", read_text(root / "proc/meminfo") or "", re.M)
    return int(match[1]) * 1024 if match else None


def read_virtualization(root: Path, vm: str | None, container: str | None) -> str | None:
    """
    "wsl2", "kvm", "docker", "docker in kvm", ... or None on bare metal.

    `vm` and `container` are what systemd-detect-virt printed for each. WSL is asked first: it
    hides the clocks and the host's noise, and is detected as a container where one runs in it.
    """
    release = read_text(root / "proc/sys/kernel/osrelease") or ""
    if "microsoft" in release.lower() or (root / "dev/dxg").exists():
        return "wsl1" if release.endswith("-Microsoft") else "wsl2"
    flags = re.search(r"^flags\s*:(.*)$", read_text(root / "proc/cpuinfo") or "", re.M)
    if _is_none(vm):
        vm = "vm" if flags and "hypervisor" in flags[1].split() else None
    if _is_none(container):
        files = {"docker": root / ".dockerenv", "podman": root / "run/.containerenv"}
        container = next((name for name, file in files.items() if file.exists()), None)
    names = [name.strip() for name in (container, vm) if name]
    return " in ".join(names) or None


def _is_none(detected: str | None) -> bool:
    return (detected or "").strip() in ("", "none")


def _cpu_folders(root: Path) -> dict[int, Path]:
    folder = root / "sys/devices/system/cpu"
    online = parse_cpu_list(read_text(folder / "online"))
    return {cpu: folder / f"cpu{cpu}" for cpu in online}


def _core_of_cpu(root: Path) -> dict[int, str]:
    """Logical CPU to the text that its physical core's siblings share."""
    return {
        cpu: read_text(path / "topology/thread_siblings_list") or str(cpu)
        for cpu, path in _cpu_folders(root).items()
    }


def _told_cores(root: Path) -> list[str | None]:
    """
    Of each logical CPU in /proc/cpuinfo what its physical core's siblings share; None where it is
    not told. Containers show it where they hide /sys.
    """
    found: list[str | None] = []
    for block in (read_text(root / "proc/cpuinfo") or "").split("\n\n"):
        facts = dict(re.findall(r"^(processor|physical id|core id)\s*:\s*(\d+)$", block, re.M))
        if "processor" in facts:
            is_told = "physical id" in facts and "core id" in facts
            found.append(f"{facts['physical id']}/{facts['core id']}" if is_told else None)
    return found


def _core_levels(root: Path, arch: str, siblings: dict[int, str]) -> tuple[CoreLevel, ...]:
    devices = root / "sys/devices"
    levels: list[CoreLevel] = []
    # Names of the kernel's own event devices, there on hybrids only; fastest first.
    for name in ("cpu_core", "cpu_atom", "cpu_lowpower"):
        cpus = parse_cpu_list(read_text(devices / name / "cpus"))
        cores = {siblings[cpu] for cpu in cpus if cpu in siblings}
        if cores:
            levels.append(CoreLevel(name=name, n_cores=len(cores)))
    if levels:
        return tuple(levels) if len(levels) > 1 else ()
    # On x86 capacities tell favoured cores apart, which are of one kind.
    return () if arch in ("x86_64", "i686") else _capacity_levels(root)


def _capacity_levels(root: Path) -> tuple[CoreLevel, ...]:
    found = (read_int(path / "cpu_capacity") for path in _cpu_folders(root).values())
    capacities = sorted((c for c in found if c), reverse=True)
    groups: list[list[int]] = []
    for capacity in capacities:
        if groups and capacity >= SAME_LEVEL_CAPACITY_RATIO * groups[-1][0]:
            groups[-1].append(capacity)
        else:
            groups.append([capacity])
    if len(groups) < 2:
        return ()
    return tuple(CoreLevel(name=f"capacity {g[0]}", n_cores=len(g)) for g in groups)


def _last_level_cache_bytes(root: Path) -> int | None:
    """All instances of the highest level together: threads on all cores reach all of them."""
    size_of: dict[tuple[int, str], int] = {}
    for path in _cpu_folders(root).values():
        for index in sorted(path.glob("cache/index*")):
            level = read_int(index / "level")
            n_bytes = _cache_bytes(read_text(index / "size"))
            is_data = read_text(index / "type") != "Instruction"
            if level is not None and n_bytes and is_data:
                size_of[level, read_text(index / "shared_cpu_list") or path.name] = n_bytes
    if not size_of:
        return None
    top = max(level for level, _ in size_of)
    return sum(n_bytes for (level, _), n_bytes in size_of.items() if level == top)


def _cache_bytes(text: str | None) -> int | None:
    match = re.fullmatch(r"(\d+)([KMG]?)", text or "")
    return int(match[1]) * _UNITS.get(match[2], 1) if match else None


def _cpu_name(root: Path, lscpu: str | None) -> str | None:
    match = re.search(r"^model name\s*:\s*(.+)$", read_text(root / "proc/cpuinfo") or "", re.M)
    if match:
        return " ".join(match[1].split())
    # ARM kernels give numbers of implementer and part only; lscpu knows their names.
    names = re.findall(r"^\s*Model name:\s*(.+?)\s*$", lscpu or "", re.M)
    return " + ".join(dict.fromkeys(n for n in names if n != "-")) or None


def _model(root: Path) -> str | None:
    vendor = read_text(root / "sys/class/dmi/id/sys_vendor") or ""
    product = read_text(root / "sys/class/dmi/id/product_name") or ""
    if product and product.lower() not in _PLACEHOLDERS:
        return product if product.startswith(vendor) else f"{vendor} {product}"
    return read_text(root / "proc/device-tree/model") or None


def _os_version(root: Path) -> str:
    text = read_text(root / "etc/os-release") or ""
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', text, re.M)
    kernel = f"kernel {read_text(root / 'proc/sys/kernel/osrelease') or 'unknown'}"
    return f"{match[1]}, {kernel}" if match else kernel
