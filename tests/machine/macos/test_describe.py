"""The macOS readers of machine/, on recorded output of its tools."""

from __future__ import annotations

import json
import struct
import sys

import pytest

from harness.machine.macos import describe as macos
from harness.machine.macos import native as macos_native
from harness.machine.macos import text as macos_text
from harness.machine.processes import BusyProcess, parse_ps
from harness.machine.reading import Answer
from harness.machine.system import SystemState
from harness.schema.machine import CoreLevel, Machine

M1_PRO = """\
machdep.cpu.brand_string: Apple M1 Pro
sysctl.proc_translated: 0
hw.model: MacBookPro18,1
hw.memsize: 17179869184
hw.physicalcpu: 10
hw.logicalcpu: 10
hw.nperflevels: 2
hw.optional.arm64: 1
kern.osproductversion: 15.5
kern.osversion: 24F74
kern.hv_vmm_present: 0
kern.memorystatus_vm_pressure_level: 1
hw.perflevel0.name: Performance
hw.perflevel0.physicalcpu: 8
hw.perflevel0.l2cachesize: 12582912
hw.perflevel0.cpusperl2: 4
hw.perflevel1.name: Efficiency
hw.perflevel1.physicalcpu: 2
hw.perflevel1.l2cachesize: 4194304
hw.perflevel1.cpusperl2: 2
"""
M5_MAX = """\
hw.nperflevels: 2
hw.perflevel0.physicalcpu: 6
hw.perflevel0.l2cachesize: 16777216
hw.perflevel0.cpusperl2: 6
hw.perflevel0.name: Super
hw.perflevel1.physicalcpu: 12
hw.perflevel1.l2cachesize: 8388608
hw.perflevel1.name: Performance
"""
M6 = """\
hw.physicalcpu: 12
hw.nperflevels: 3
hw.perflevel0.name: Super
hw.perflevel0.physicalcpu: 2
hw.perflevel1.name: Performance
hw.perflevel1.physicalcpu: 4
hw.perflevel2.name: Efficiency
hw.perflevel2.physicalcpu: 6
"""
INTEL = """\
machdep.cpu.brand_string: Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz
hw.model: MacBookPro15,1
hw.memsize: 17179869184
hw.physicalcpu: 6
hw.logicalcpu: 12
hw.l3cachesize: 12582912
kern.osproductversion: 14.7
"""
BATTERY = (
    "Now drawing from 'Battery Power'\n"
    " -InternalBattery-0 (id=22806627)\t78%; discharging; 5:05 remaining present: true\n"
)


def describe(text: str, gpu_limit_bytes: int | None = None, **hardware: str) -> Machine:
    return macos.describe_macos(
        macos_text.parse_sysctl(text),
        hardware,
        accelerators=(),
        gpu_limit_bytes=gpu_limit_bytes,
        arch="x86_64",
    )


def describe_state(text: str = M1_PRO, **changes: object) -> SystemState:
    answers: dict[str, object] = {
        "batt": Answer("Now drawing from 'AC Power'\n"),
        "settings": Answer("Currently in use:\n powermode            0\n"),
        "values": macos_text.parse_sysctl(text),
        "thermal_pressure": "nominal",
        "is_background": False,
        "gpu_busy_percent": 2,
    }
    return macos.describe_macos_state(**{**answers, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        (M1_PRO, [("Performance", 8), ("Efficiency", 2)]),
        (M5_MAX, [("Super", 6), ("Performance", 12)]),
        (M6, [("Super", 2), ("Performance", 4), ("Efficiency", 6)]),
        (INTEL, []),
    ],
)
def test_core_levels_keep_the_names_the_system_gives(
    text: str, levels: list[tuple[str, int]]
) -> None:
    expected = tuple(CoreLevel(name=name, n_cores=n) for name, n in levels)
    assert macos_text.parse_core_levels(macos_text.parse_sysctl(text)) == expected


def test_caches_of_all_clusters_are_added() -> None:
    mib = 1 << 20
    cache = [macos_text.parse_cache_bytes(macos_text.parse_sysctl(t)) for t in (M1_PRO, INTEL, M6)]
    assert cache == [(2 * 12 + 4) * mib, 12 * mib, None]


def test_a_mac_is_described_natively_also_to_a_translated_python() -> None:
    translated = M1_PRO.replace("Apple M1 Pro", "VirtualApple @ 2.50GHz")
    machine = describe(translated, chip_type="Apple M1 Pro", machine_name="MacBook Pro")
    assert machine.cpu == "Apple M1 Pro"
    assert machine.arch == "arm64"
    assert machine.model == "MacBook Pro (MacBookPro18,1)"
    assert machine.os_version == "15.5 (24F74)"
    assert machine.virtualization is None


def test_an_intel_mac_has_threads_but_no_levels() -> None:
    machine = describe(INTEL)
    assert (machine.n_cores_physical, machine.n_cores_logical) == (6, 12)
    assert machine.arch == "x86_64"
    assert machine.core_levels == ()


def test_a_gpu_limit_above_the_memory_is_clamped() -> None:
    assert describe(M1_PRO, gpu_limit_bytes=1 << 40).gpu_limit_bytes == 17179869184
    assert describe(M1_PRO, gpu_limit_bytes=11453251584).gpu_limit_bytes == 11453251584
    assert describe(M1_PRO).gpu_limit_bytes is None


def test_serial_numbers_do_not_pass_the_profiler() -> None:
    entry = {
        "chip_type": "Apple M5 Max",
        "machine_model": "Mac17,6",
        "machine_name": "MacBook Pro",
        "number_processors": "proc 18:6:0:12",
        "physical_memory": "128 GB",
        "platform_UUID": "00000000-0000-0000-0000-000000000000",
        "serial_number": "SECRET",
    }
    found = macos_text.parse_hardware(json.dumps({"SPHardwareDataType": [entry]}))
    assert found == {
        "chip_type": "Apple M5 Max",
        "machine_name": "MacBook Pro",
        "machine_model": "Mac17,6",
    }
    assert macos_text.parse_hardware("not json") == {}


def test_apple_gpu_has_cores_and_metals_limit() -> None:
    text = json.dumps(
        {
            "SPDisplaysDataType": [
                {
                    "_name": "Apple M3 Pro",
                    "spdisplays_mtlgpufamilysupport": "spdisplays_metal3",
                    "spdisplays_vendor": "sppci_vendor_Apple",
                    "sppci_cores": "14",
                    "sppci_model": "Apple M3 Pro",
                }
            ]
        }
    )
    (gpu,) = macos_text.parse_displays(text, 14_000_000_000)
    assert (gpu.name, gpu.vendor, gpu.n_cores) == ("Apple M3 Pro", "Apple", 14)
    assert gpu.memory_bytes == 14_000_000_000


def test_intel_macs_gpus_have_their_own_memory_or_none() -> None:
    entries = [
        {"sppci_model": "AMD Radeon Pro 5300M", "spdisplays_vram": "4 GB"},
        {"sppci_model": "Intel UHD Graphics 630", "spdisplays_vram_shared": "1536 MB"},
        {"sppci_model": "Odd card", "spdisplays_vram": "much"},
    ]
    cards = macos_text.parse_displays(json.dumps({"SPDisplaysDataType": entries}), None)
    assert [c.memory_bytes for c in cards] == [4 << 30, 1536 << 20, None]


def test_ioreg_gives_cores_and_the_load_of_everybody() -> None:
    text = (
        "+-o AGXAcceleratorG16X  <class AGXAcceleratorG16X, id 0x1, registered, matched>\n"
        '    {\n      "model" = "Apple M4"\n      "gpu-core-count" = 10\n'
        '      "PerformanceStatistics" = {"In use system memory (driver)"=0,'
        '"Device Utilization %"=30,"In use system memory"=356089856}\n    }\n'
    )
    (gpu,) = macos_text.parse_ioreg_gpu(text, None)
    assert (gpu.name, gpu.n_cores, gpu.memory_bytes) == ("Apple M4", 10, None)
    assert macos_text.parse_gpu_busy(text) == 30
    assert macos_text.parse_gpu_busy("") is None
    assert macos_text.parse_ioreg_gpu("", None) == ()


@pytest.mark.parametrize(
    ("text", "source", "percent"),
    [
        (BATTERY, "battery", 78.0),
        ("Now drawing from 'AC Power'\n", "mains", None),
        (
            "Now drawing from 'AC Power'\n"
            " -InternalBattery-0 (id=1)\t80%; AC attached; not charging present: true\n",
            "mains",
            80.0,
        ),
        (
            "Now drawing from 'AC Power'\n -InternalBattery-0\t100%; charged; "
            "0:00 remaining present: true\n",
            "mains",
            100.0,
        ),
        (
            "Now drawing from 'Battery Power'\n"
            " -InternalBattery-0 (id=1)\t9%; discharging; (no estimate) present: true\n",
            "battery",
            9.0,
        ),
        ("Now drawing from 'UPS Power'\n", "battery", None),
        ("", None, None),
    ],
)
def test_the_battery_is_read_in_all_its_states(
    text: str, source: str | None, percent: float | None
) -> None:
    assert macos_text.parse_battery(text) == macos_text.Battery(source, percent)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (" powermode            0", "automatic"),
        (" powermode            1", "low power"),
        (" powermode            2", "high power"),
        (" powermode            7", None),
        (" lowpowermode         1", "low power"),
        (" lowpowermode         0", "automatic"),
        (" sleep                1 (sleep prevented by caffeinate)", None),
    ],
)
def test_the_power_mode_is_the_one_in_use(line: str, expected: str | None) -> None:
    text = f"System-wide power settings:\n powermode            1\nCurrently in use:\n{line}\n"
    assert macos_text.parse_power_mode(text) == expected


def test_a_quiet_desktop_mac_has_no_warnings() -> None:
    state = describe_state()
    assert state.warnings == ()
    assert state.unknown == {"battery_percent": "no battery is listed"}


def test_everything_that_slows_a_mac_is_warned_of() -> None:
    text = M1_PRO.replace("translated: 0", "translated: 1").replace(
        "vm_pressure_level: 1", "vm_pressure_level: 4"
    )
    state = describe_state(
        text,
        batt=Answer(BATTERY),
        settings=Answer("Currently in use:\n lowpowermode         1\n"),
        thermal_pressure="heavy",
        is_background=True,
    )
    assert state.power_source == "battery"
    low_power, hot, memory, background, rosetta = state.warnings
    assert "Low Power Mode" in low_power
    assert "heavy" in hot
    assert "memory pressure" in memory
    assert "launchd" in background
    assert "Rosetta" in rosetta


def test_tools_that_do_not_answer_leave_reasons() -> None:
    state = describe_state(
        batt=Answer(None, "pmset is not installed"), settings=Answer(None, "pmset is not installed")
    )
    assert state.power_source is None
    assert state.unknown["power_source"] == "pmset is not installed"
    assert state.unknown["power_mode"] == "pmset is not installed"


def test_process_usage_is_read_at_the_offsets_of_version_4() -> None:
    data = bytearray(296)
    for offset, value in ((64, 5_107), (72, 13_795), (144, 777), (240, 18_591)):
        struct.pack_into("=Q", data, offset, value)
    assert macos_native.parse_process_usage(bytes(data)) == macos_native.ProcessUsage(
        resident_bytes=5_107,
        footprint_bytes=13_795,
        peak_footprint_bytes=18_591,
        disk_read_bytes=777,
    )


def test_swap_pages_lie_behind_the_compressions() -> None:
    # Four words, nine quads, two words, then decompressions, compressions, swapins, swapouts,
    # four words and one quad.
    fields = struct.pack("=4I9Q2I4Q4IQ", *range(4), *range(9), 0, 0, 50, 60, 70, 80, *range(4), 9)
    assert len(fields) == 152
    assert macos_native.parse_swap_pages(fields) == macos_native.SwapPages(n_in=70, n_out=80)


def test_thermal_levels_have_apples_names_on_macos() -> None:
    assert [macos_native.thermal_name(n) for n in (0, 2, 9)] == ["nominal", "heavy", "level 9"]


@pytest.mark.skipif(sys.platform == "darwin", reason="there it answers")
def test_elsewhere_macos_functions_answer_none() -> None:
    assert macos_native.read_gpu_limit_bytes() is None
    assert macos_native.read_thermal_pressure() is None
    assert macos_native.read_process_usage() is None
    assert macos_native.read_swap_bytes() is None
    assert macos_native.is_background() is None


def test_ps_names_processes_without_path_and_takes_decimal_commas() -> None:
    text = (
        "  PID  %CPU COMM\n"
        "    1   0.3 /sbin/launchd\n"
        "  402 180,5 /System/Library/Spotlight/spotlightknowledged.updater\n"
        "  777  99.9 /usr/local/bin/python3\n"
        " 1203  25.0 /Applications/Some App.app/Contents/MacOS/Some App\n"
    )
    assert parse_ps(text, own_pid=777) == (
        BusyProcess("spotlightknowledged.updater", 1.805),
        BusyProcess("Some App", 0.25),
    )
