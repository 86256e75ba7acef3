"""The Linux readers of machine/, on folders made like /proc and /sys."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.machine import gpu
from harness.machine.conditions import limited_cores
from harness.machine.linux import cgroup
from harness.machine.linux import describe as linux
from harness.machine.linux import state as linux_state
from harness.machine.linux.throttle import Throttles, find_throttle_files, read_throttles
from harness.machine.probe import default_threads, machine_id
from harness.machine.reading import Answer, ask, parse_cpu_list, read_text
from harness.machine.system import SystemState
from harness.schema.machine import CoreLevel, Machine

MEMINFO = """\
MemTotal:       16267952 kB
MemFree:          548400 kB
MemAvailable:   12952040 kB
SwapTotal:       2097148 kB
SwapFree:        2097148 kB
"""
CPUINFO_X86 = """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) Ultra 7 155H  @ 3.80GHz
flags\t\t: fpu vme hypervisor avx2
"""
CPUINFO_ARM = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n"
LSCPU_ARM = """\
Architecture:                    aarch64
Vendor ID:                       ARM
Model name:                      Cortex-A55
Model:                           0
Model name:                      Cortex-A76
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def cpus(siblings: list[str], **per_cpu: list[str]) -> dict[str, str]:
    """Files of /sys for one logical CPU per entry; values of `per_cpu` by file name."""
    base = "sys/devices/system/cpu"
    files = {f"{base}/online": f"0-{len(siblings) - 1}\n"}
    for cpu, group in enumerate(siblings):
        files[f"{base}/cpu{cpu}/topology/thread_siblings_list"] = group + "\n"
        for name, values in per_cpu.items():
            files[f"{base}/cpu{cpu}/{name}"] = values[cpu] + "\n"
    return files


def base_files(siblings: list[str], **per_cpu: list[str]) -> dict[str, str]:
    return {"proc/meminfo": MEMINFO, "proc/cpuinfo": CPUINFO_X86} | cpus(siblings, **per_cpu)


def describe(root: Path, arch: str = "x86_64", n_affinity: int = 64) -> Machine:
    return linux.describe_linux(root, arch=arch, n_affinity=n_affinity)


def test_physical_cores_are_counted_once_for_their_threads(tmp_path: Path) -> None:
    write(tmp_path, base_files(["0,2", "1,3", "0,2", "1,3"]))
    machine = describe(tmp_path)
    assert machine.n_cores_physical == 2
    assert machine.n_cores_logical == 4
    assert machine.memory_bytes == 16267952 * 1024
    assert machine.cpu == "Intel(R) Core(TM) Ultra 7 155H @ 3.80GHz"


def test_intel_hybrid_cores_are_named_by_the_kernel_and_counted_without_smt(tmp_path: Path) -> None:
    files = base_files(["0-1", "0-1", "2-3", "2-3", "4", "5", "6", "7"])
    files["sys/devices/cpu_core/cpus"] = "0-3\n"
    files["sys/devices/cpu_atom/cpus"] = "4-7\n"
    assert describe(write(tmp_path, files)).core_levels == (
        CoreLevel(name="cpu_core", n_cores=2),
        CoreLevel(name="cpu_atom", n_cores=4),
    )


def test_arm_levels_come_from_capacities_that_really_differ(tmp_path: Path) -> None:
    capacities = ["530"] * 4 + ["1008", "1008", "1024", "1024"]
    files = base_files([str(n) for n in range(8)], cpu_capacity=capacities)
    assert describe(write(tmp_path, files), arch="aarch64").core_levels == (
        CoreLevel(name="capacity 1024", n_cores=4),
        CoreLevel(name="capacity 530", n_cores=4),
    )


def test_equal_capacities_are_no_sign_of_a_hybrid(tmp_path: Path) -> None:
    write(tmp_path, base_files(["0", "1"], cpu_capacity=["1024", "1024"]))
    assert describe(tmp_path, arch="aarch64").core_levels == ()


def test_favoured_x86_cores_are_no_level_of_their_own(tmp_path: Path) -> None:
    write(tmp_path, base_files(["0", "1"], cpu_capacity=["1024", "512"]))
    assert describe(tmp_path).core_levels == ()


def test_an_arm_chip_is_named_by_lscpu(tmp_path: Path) -> None:
    write(tmp_path, base_files(["0"]) | {"proc/cpuinfo": CPUINFO_ARM})
    machine = linux.describe_linux(tmp_path, arch="aarch64", n_affinity=1, lscpu=LSCPU_ARM)
    assert machine.cpu == "Cortex-A55 + Cortex-A76"


def test_the_last_level_cache_is_the_sum_of_its_instances(tmp_path: Path) -> None:
    files = base_files(["0", "1", "2", "3"])
    for cpu, shared in enumerate(["0-1", "0-1", "2-3", "2-3"]):
        cache = f"sys/devices/system/cpu/cpu{cpu}/cache"
        for index, (level, kind, size, with_cpus) in enumerate(
            [("1", "Data", "32K", str(cpu)), ("3", "Unified", "32768K", shared)]
        ):
            files |= {
                f"{cache}/index{index}/level": level,
                f"{cache}/index{index}/type": kind,
                f"{cache}/index{index}/size": size,
                f"{cache}/index{index}/shared_cpu_list": with_cpus,
            }
    assert describe(write(tmp_path, files)).last_level_cache_bytes == 2 * 32 * 1024 * 1024


def test_firmware_placeholders_are_no_model(tmp_path: Path) -> None:
    files = base_files(["0"])
    files["sys/class/dmi/id/sys_vendor"] = "ASUS"
    files["sys/class/dmi/id/product_name"] = "System Product Name"
    files["proc/device-tree/model"] = "Raspberry Pi 5 Model B Rev 1.0\0"
    assert describe(write(tmp_path, files)).model == "Raspberry Pi 5 Model B Rev 1.0"
    write(tmp_path, {"sys/class/dmi/id/product_name": "Zenbook 14"})
    assert describe(tmp_path).model == "ASUS Zenbook 14"


CPUINFO_SMT = "\n".join(
    CPUINFO_X86.replace("processor\t: 0", f"processor\t: {cpu}")
    + f"physical id\t: 0\ncore id\t\t: {cpu % 2}\n"
    for cpu in range(4)
)


def _identified(machine: Machine) -> Machine:
    return machine.model_copy(update={"id": machine_id(machine)})


def test_without_sys_the_cores_are_those_of_cpuinfo_and_not_of_the_affinity(
    tmp_path: Path,
) -> None:
    files = {"proc/meminfo": MEMINFO, "proc/cpuinfo": CPUINFO_SMT}
    machine = describe(write(tmp_path, files), n_affinity=1)
    assert (machine.n_cores_logical, machine.n_cores_physical) == (4, 2)
    assert machine.n_cores_usable == 1


@pytest.mark.parametrize("has_firmware", [True, False])
def test_a_container_without_sys_is_the_machine_it_runs_on(
    tmp_path: Path, has_firmware: bool
) -> None:
    files = base_files(["0,2", "1,3", "0,2", "1,3"]) | {"proc/cpuinfo": CPUINFO_SMT}
    if has_firmware:
        files["sys/class/dmi/id/product_name"] = "Zenbook 14"
    host = _identified(describe(write(tmp_path, files)))
    shutil.rmtree(tmp_path / "sys")
    inside = _identified(describe(tmp_path))
    assert (inside.id == host.id) == (not has_firmware)
    assert inside.is_same_as(host)
    assert host.is_same_as(inside)
    write(tmp_path, {"proc/meminfo": MEMINFO.replace("16267952", "32267952")})
    assert not host.is_same_as(_identified(describe(tmp_path)))


def test_arm_cores_that_nobody_numbers_are_counted_and_not_called_physical(tmp_path: Path) -> None:
    cpuinfo = CPUINFO_ARM + "\n" + CPUINFO_ARM.replace(": 0\n", ": 1\n", 1)
    write(tmp_path, {"proc/meminfo": MEMINFO, "proc/cpuinfo": cpuinfo})
    machine = describe(tmp_path, arch="aarch64")
    assert (machine.n_cores_logical, machine.n_cores_physical) == (2, None)


def test_without_meminfo_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="mount /proc"):
        describe(tmp_path)


@pytest.mark.parametrize(
    ("release", "vm", "container", "expected"),
    [
        ("6.6.87.2-microsoft-standard-WSL2", "wsl", "docker", "wsl2"),
        ("4.4.0-19041-Microsoft", None, None, "wsl1"),
        ("6.12.0", "kvm\n", "docker\n", "docker in kvm"),
        ("6.12.0", "kvm\n", "none\n", "kvm"),
        ("6.12.0", None, None, "vm"),
    ],
)
def test_virtualization_is_recognised(
    tmp_path: Path, release: str, vm: str | None, container: str | None, expected: str
) -> None:
    write(tmp_path, {"proc/sys/kernel/osrelease": release, "proc/cpuinfo": CPUINFO_X86})
    assert linux.read_virtualization(tmp_path, vm, container) == expected


def test_bare_metal_is_no_virtualization(tmp_path: Path) -> None:
    write(tmp_path, {"proc/cpuinfo": "flags : fpu avx2\n"})
    assert linux.read_virtualization(tmp_path, "none\n", "none\n") is None
    write(tmp_path, {".dockerenv": ""})
    assert linux.read_virtualization(tmp_path, "none\n", None) == "docker"


# ------------------------------------------------------------------ control groups


def test_the_tightest_v2_ancestor_limits_cpu_and_memory(tmp_path: Path) -> None:
    group = "sys/fs/cgroup"
    files = base_files([str(n) for n in range(8)]) | {
        "proc/self/cgroup": "0::/user.slice/job.scope\n",
        f"{group}/cgroup.controllers": "cpu memory\n",
        f"{group}/user.slice/cpu.max": "150000 100000\n",
        f"{group}/user.slice/memory.max": "max\n",
        f"{group}/user.slice/memory.high": "6442450944\n",
        f"{group}/user.slice/job.scope/cpu.max": "max 100000\n",
        f"{group}/user.slice/job.scope/memory.max": "8589934592\n",
        f"{group}/user.slice/job.scope/cpu.stat": "usage_usec 9\nthrottled_usec 1234\n",
    }
    machine = describe(write(tmp_path, files), n_affinity=8)
    assert machine.n_cores_usable == 1  # two threads would be stopped in every period
    assert machine.memory_limit_bytes == 6442450944
    (stat,) = cgroup.throttle_files(cgroup.find_groups(tmp_path))
    assert cgroup.parse_throttled_ns(stat.read_text()) == 1_234_000


@pytest.mark.parametrize(
    ("quota", "n_usable", "limit"),
    [
        ("765000 100000", 7, "a quota of 7.65 CPUs"),
        ("799999 100000", 7, "a quota of 8.00 CPUs"),
        ("800000 100000", 6, "CPU affinity"),
        ("50000 100000", 1, "a quota of 0.5 CPUs"),
        ("max 100000", 6, "CPU affinity"),
    ],
)
def test_a_quota_gives_whole_cores_and_is_named_where_it_binds(
    tmp_path: Path, quota: str, n_usable: int, limit: str
) -> None:
    n_affinity = 6 if limit == "CPU affinity" else 8
    files = base_files([str(n) for n in range(8)]) | {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu\n",
        "sys/fs/cgroup/cpu.max": f"{quota}\n",
    }
    machine = describe(write(tmp_path, files), n_affinity=n_affinity)
    assert machine.n_cores_usable == n_usable
    assert default_threads(machine) == n_usable
    found = cgroup.cpu_quota(cgroup.find_groups(tmp_path))
    assert linux.usable_cores(n_affinity, found) == (n_usable, limit)
    warning = limited_cores(machine, limit) or ""
    assert warning.startswith(f"Only {n_usable} of 8 cores may be used ({limit})")


def test_a_v1_container_sees_its_own_group_at_the_mount(tmp_path: Path) -> None:
    # The path is the host's; inside, the mount's root is the container's group.
    files = base_files(["0", "1", "2", "3"]) | {
        "proc/self/cgroup": "4:memory:/docker/ab12\n1:cpu,cpuacct:/docker/ab12\n0::/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    machine = describe(write(tmp_path, files), n_affinity=4)
    assert machine.memory_limit_bytes == 1073741824
    assert machine.n_cores_usable == 1


def test_v1_without_limits_limits_nothing(tmp_path: Path) -> None:
    files = base_files(["0", "1"]) | {
        "proc/self/cgroup": "4:memory:/a\n1:cpu:/\n0::/\n",
        "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    machine = describe(write(tmp_path, files), n_affinity=2)
    assert machine.memory_limit_bytes is None
    assert machine.n_cores_usable == 2


def test_v1_counts_throttled_time_in_nanoseconds() -> None:
    assert cgroup.parse_throttled_ns("nr_throttled 3\nthrottled_time 5000\n") == 5000
    assert cgroup.parse_throttled_ns("usage_usec 3\n") is None


# ------------------------------------------------------------------ graphics cards


def test_nvidia_answers_that_are_not_numbers_become_none() -> None:
    cards = gpu.parse_nvidia(
        "NVIDIA GeForce RTX 5090, 32607, 575.64, 7\n"
        "NVIDIA A100 MIG 1g.5gb, [N/A], 575.64, [Not Supported]\n"
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n"
    )
    assert [c.accelerator.memory_bytes for c in cards] == [32607 * 1024 * 1024, None]
    assert [c.busy_percent for c in cards] == [7, None]
    assert cards[0].accelerator.driver == "575.64"


def test_amd_memory_is_all_of_it_not_the_visible_window(tmp_path: Path) -> None:
    device = "sys/class/drm/card1/device"
    files = {
        f"{device}/vendor": "0x1002\n",
        f"{device}/device": "0x744c\n",
        f"{device}/product_name": "\n",
        f"{device}/mem_info_vram_total": "25753026560\n",
        f"{device}/mem_info_vis_vram_total": "268435456\n",
        f"{device}/gpu_busy_percent": "3\n",
        "sys/class/drm/card1-DP-1/status": "connected\n",
        "sys/class/drm/renderD128/device/vendor": "0x1002\n",
        "sys/class/drm/card0/device/vendor": "0x10de\n",
        "sys/class/drm/card2/device/vendor": "0x8086\n",
        "sys/class/drm/card2/device/device": "0xe20b\n",
    }
    amd, intel = gpu.read_drm_cards(write(tmp_path, files))
    assert amd.accelerator.name == "AMD GPU 0x744c"
    assert amd.accelerator.memory_bytes == 25753026560
    assert amd.busy_percent == 3
    assert (intel.accelerator.name, intel.accelerator.memory_bytes) == ("Intel GPU 0xe20b", None)


# ------------------------------------------------------------------ the present state


def state(root: Path, throttling: bool | None = None, nice: int = 0) -> SystemState:
    return linux_state.describe_linux_state(root, throttling=throttling, nice=nice, cards=())


def policy(root: Path, **values: str) -> None:
    base = "sys/devices/system/cpu/cpufreq/policy0"
    write(root, {f"{base}/{name}": value + "\n" for name, value in values.items()})


def test_powersave_of_an_active_driver_is_normal(tmp_path: Path) -> None:
    policy(
        tmp_path,
        scaling_driver="intel_pstate",
        scaling_governor="powersave",
        energy_performance_preference="balance_performance",
    )
    found = state(tmp_path)
    assert found.power_mode == "intel_pstate powersave, preference balance_performance"
    assert found.warnings == ()


def test_powersave_of_another_driver_is_warned_of(tmp_path: Path) -> None:
    policy(tmp_path, scaling_driver="acpi-cpufreq", scaling_governor="powersave")
    (warning,) = state(tmp_path).warnings
    assert "cpupower frequency-set -g performance" in warning


def test_slow_preference_profile_cap_and_turbo_are_told(tmp_path: Path) -> None:
    policy(
        tmp_path,
        scaling_driver="amd-pstate-epp",
        scaling_governor="powersave",
        energy_performance_preference="power",
        scaling_max_freq="3000000",
        cpuinfo_max_freq="4929000",
    )
    write(tmp_path, {"sys/firmware/acpi/platform_profile": "low-power\n"})
    write(tmp_path, {"sys/devices/system/cpu/cpufreq/boost": "0\n"})
    found = state(tmp_path)
    assert found.power_mode is not None
    assert found.power_mode.endswith("profile low-power, turbo off")
    preference, profile, cap = found.warnings
    assert "preference is power" in preference
    assert "low-power" in profile
    assert "3.0 of 4.9 GHz" in cap


def test_a_machine_that_tells_nothing_says_why(tmp_path: Path) -> None:
    found = state(tmp_path)
    assert found.power_mode is None
    assert set(found.unknown) == {
        "power_source", "battery_percent", "power_mode", "thermal_pressure"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mains", "status", "expected"),
    [
        ("1", "Charging", ("mains", 64.0)),
        ("0", "Discharging", ("battery", 64.0)),
        ("0", "Not charging", ("mains", 64.0)),
        ("0", "Unknown", (None, 64.0)),
    ],
)
def test_the_power_source_is_read_without_the_batteries_of_mice(
    tmp_path: Path, mains: str, status: str, expected: tuple[str | None, float]
) -> None:
    base = "sys/class/power_supply"
    files = {
        f"{base}/ADP1/type": "Mains",
        f"{base}/ADP1/online": mains,
        f"{base}/BAT0/type": "Battery",
        f"{base}/BAT0/status": status,
        f"{base}/BAT0/capacity": "64",
        f"{base}/hidpp_battery_0/type": "Battery",
        f"{base}/hidpp_battery_0/scope": "Device",
        f"{base}/hidpp_battery_0/status": "Discharging",
        f"{base}/hidpp_battery_0/capacity": "5",
    }
    assert linux_state.read_power(write(tmp_path, files)) == expected


def test_stalls_nice_slow_clock_heat_and_nodes_are_warned_of(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/pressure/memory": "some avg10=12.30 avg60=2.25 avg300=1.60 total=666646814\n",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet\n",
            "sys/devices/system/node/online": "0-1\n",
        },
    )
    found = state(tmp_path, throttling=True, nice=10)
    assert found.thermal_pressure == "throttling"
    heat, stall, nice, clock, nodes = found.warnings
    assert "throttling" in heat
    assert "12 %" in stall
    assert "nice 10" in nice
    assert "hpet" in clock
    assert "2 NUMA nodes" in nodes


def test_throttles_are_counted_once_for_each_core_and_package(tmp_path: Path) -> None:
    base = "sys/devices/system/cpu"
    files = cpus(["0,1", "0,1", "2,3", "2,3"])
    for cpu in range(4):
        files[f"{base}/cpu{cpu}/topology/physical_package_id"] = "0"
        for kind, count in (("core", "2"), ("package", "10")):
            folder = f"{base}/cpu{cpu}/thermal_throttle/{kind}"
            files[f"{folder}_throttle_count"] = count
            files[f"{folder}_throttle_total_time_ms"] = "7"
    found = read_throttles(find_throttle_files(write(tmp_path, files)))
    assert found == Throttles(n_begun=2 + 2 + 10, total_ms=3 * 7)
    assert linux_state.is_throttling(found, found) is False
    assert linux_state.is_throttling(found, Throttles(14, 22)) is True


def test_no_throttle_counters_are_unknown_not_zero(tmp_path: Path) -> None:
    found = read_throttles(find_throttle_files(write(tmp_path, cpus(["0"]))))
    assert found is None
    assert linux_state.is_throttling(found, found) is None


# ------------------------------------------------------------------ reading


def test_a_missing_command_is_a_reason_not_an_error() -> None:
    assert ask("no-such-command-here") == Answer(None, "no-such-command-here is not installed")


def test_a_command_that_hangs_is_given_up() -> None:
    assert ask("sleep", "30", timeout_s=0.05).reason == "sleep did not answer within 0.05 s"


def test_a_failing_command_keeps_what_it_printed() -> None:
    assert ask("sh", "-c", "printf 'none\\377'; exit 1").text == "none\ufffd"
    assert ask("sh", "-c", "exit 3").reason == "sh failed with status 3"


def test_an_unreadable_file_is_none(tmp_path: Path) -> None:
    assert read_text(tmp_path / "absent") is None
    assert read_text(tmp_path) is None


def test_cpu_lists_are_ranges_and_single_numbers() -> None:
    assert parse_cpu_list("0-3,8,10-11\n") == (0, 1, 2, 3, 8, 10, 11)
    assert parse_cpu_list("") == parse_cpu_list(None) == ()
