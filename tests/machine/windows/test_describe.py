"""The Windows readers of machine/, on structures built here and recorded texts."""

from __future__ import annotations

import struct

import pytest

from harness.machine import gpu
from harness.machine.reading import Answer
from harness.machine.windows import describe as windows
from harness.machine.windows import text as windows_text
from harness.machine.windows.text import Core, PowerStatus
from harness.schema.machine import Accelerator, CoreLevel

BALANCED = "381b4222-f694-41f0-9685-ff5bb260df2e"
SAVER = "a1841308-3541-4fab-bc81-f71556f20b4a"
EFFICIENCY = "961cc777-2547-4f9d-8174-7d86181b8a7a"


def core_record(flags: int, efficiency_class: int) -> bytes:
    affinity = struct.pack("<QH6x", 1, 0)
    body = struct.pack("<BB20xH", flags, efficiency_class, 1) + affinity
    return struct.pack("<II", 0, 8 + len(body)) + body


def cache_record(level: int, kind: int, n_bytes: int) -> bytes:
    body = struct.pack("<BBHII18xH", level, 8, 64, n_bytes, kind, 1) + struct.pack("<QH6x", 1, 0)
    return struct.pack("<II", 2, 8 + len(body)) + body


def other_record() -> bytes:
    return struct.pack("<II", 3, 40) + bytes(32)


def test_the_core_record_has_the_size_of_the_structure() -> None:
    assert len(core_record(1, 1)) == 48


def test_cores_of_the_highest_class_are_the_fast_ones() -> None:
    # An i5-1235U: two fast cores with two threads each, eight slow ones.
    data = core_record(1, 1) * 2 + other_record() + core_record(0, 0) * 8
    topology = windows_text.parse_topology(data)
    assert topology.cores[0] == Core(efficiency_class=1, has_smt=True)
    assert len(topology.cores) == 10
    assert windows_text.core_levels(topology.cores) == (
        CoreLevel(name="efficiency class 1", n_cores=2),
        CoreLevel(name="efficiency class 0", n_cores=8),
    )


def test_a_homogeneous_cpu_has_no_levels_although_its_class_is_0() -> None:
    topology = windows_text.parse_topology(core_record(1, 0) * 4)
    assert len(topology.cores) == 4
    assert windows_text.core_levels(topology.cores) == ()


def test_last_level_caches_are_added_and_instruction_caches_left_out() -> None:
    data = (
        cache_record(1, 1, 32768)
        + cache_record(2, 0, 1 << 20)
        + cache_record(3, 0, 32 << 20)
        + cache_record(3, 0, 96 << 20)
    )
    assert windows_text.parse_topology(data).last_level_cache_bytes == 128 << 20


def test_a_cut_structure_ends_the_reading_instead_of_looping() -> None:
    data = core_record(1, 0) + struct.pack("<II", 0, 0) + bytes(16)
    assert len(windows_text.parse_topology(data).cores) == 1
    assert windows_text.parse_topology(core_record(1, 0)[:30]).cores == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((1, 128, 255, 0), PowerStatus(True, None, False)),  # a desktop
        ((0, 2, 34, 1), PowerStatus(False, 34.0, True)),
        ((1, 8, 90, 0), PowerStatus(True, 90.0, False)),
        ((255, 255, 255, 0), PowerStatus(None, None, False)),
        ((2, 1, 50, 0), PowerStatus(False, 50.0, False)),  # a backup supply
    ],
)
def test_power_status_tells_unknown_from_zero(
    fields: tuple[int, int, int, int], expected: PowerStatus
) -> None:
    data = struct.pack("<4BII", *fields, 0xFFFFFFFF, 0xFFFFFFFF)
    assert len(data) == 12
    assert windows_text.parse_power_status(data) == expected


def test_the_plan_is_found_in_a_text_nobody_can_read() -> None:
    text = "GUID ????? ???????: 381B4222-f694-41f0-9685-ff5bb260df2e  (???????) *\r\n"
    assert windows_text.find_guid(text) == BALANCED
    assert windows_text.find_guid("???????") is None


def test_a_guid_structure_mixes_byte_orders() -> None:
    data = struct.pack("<IHH", 0x381B4222, 0xF694, 0x41F0) + bytes.fromhex("9685ff5bb260df2e")
    assert windows_text.parse_guid(data) == BALANCED


def test_the_power_mode_names_plan_and_slider() -> None:
    assert windows_text.power_mode(BALANCED, EFFICIENCY) == "Balanced plan, best efficiency mode"
    vendor_plan = "27fa6203-3987-4dcc-918d-748559d549ec"
    assert windows_text.power_mode(vendor_plan, None) == f"{vendor_plan} plan"
    assert windows_text.power_mode(None, None) is None


def test_windows_11_is_known_by_its_build() -> None:
    values: dict[str, object] = {
        "ProductName": "Windows 10 Pro",
        "CurrentBuild": "26100",
        "UBR": 9445,
        "DisplayVersion": "24H2",
    }
    assert windows_text.parse_os_version(values) == "11 24H2 (26100.9445)"
    server: dict[str, object] = {"ProductName": "Windows Server 2022", "CurrentBuild": "20348"}
    assert windows_text.parse_os_version(server) == "Server 2022 (20348)"
    assert windows_text.parse_os_version({"CurrentBuild": "19045"}) == "10 (19045)"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0x600000000, 24 << 30),
        ((12 << 30).to_bytes(8, "little"), 12884901888),
        (b"\x00\x00\x00\x80", None),  # four bytes are the wrapped old value
        (None, None),
    ],
)
def test_card_memory_is_the_64_bit_value_in_either_type(size: object, expected: int | None) -> None:
    card = windows_text.parse_card(
        {
            "DriverDesc": "AMD Radeon RX 7900 XTX",
            "DriverVersion": "32.0.12033.1030",
            "ProviderName": "Advanced Micro Devices, Inc.",
            "HardwareInformation.qwMemorySize": size,
            "HardwareInformation.MemorySize": 0xFFF00000,
        }
    )
    assert card == Accelerator(
        name="AMD Radeon RX 7900 XTX",
        vendor="AMD",
        memory_bytes=expected,
        driver="32.0.12033.1030",
    )


def test_software_adapters_are_no_cards() -> None:
    assert windows_text.parse_card({"DriverDesc": "Microsoft Basic Render Driver"}) is None
    assert windows_text.parse_card({}) is None


def test_removed_cards_and_doubles_are_left_out() -> None:
    registry: list[dict[str, object]] = [
        {"DriverDesc": "NVIDIA GeForce RTX 5080"},
        {"DriverDesc": "Intel(R) Arc(TM) B580", "HardwareInformation.qwMemorySize": 12884901888},
        {"DriverDesc": "NVIDIA GeForce GTX 970"},
        {"DriverDesc": "AMD Radeon R9 290"},
    ]
    nvidia = gpu.parse_nvidia("NVIDIA GeForce RTX 5080, 16303, 581.29, 0\n")
    present = ("NVIDIA GeForce RTX 5080", "Intel(R) Arc(TM) B580")
    names = [c.name for c in windows.choose_cards(registry, present, nvidia)]
    assert names == ["NVIDIA GeForce RTX 5080", "Intel(R) Arc(TM) B580"]


def test_without_a_desktop_the_registry_is_believed() -> None:
    cards = windows.choose_cards([{"DriverDesc": "AMD Radeon(TM) Graphics"}], (), ())
    assert [c.vendor for c in cards] == ["AMD"]


def test_a_display_device_structure_has_windows_layout() -> None:
    data = windows_text.new_display_device()
    assert struct.unpack_from("<I", data) == (len(data),) == (840,)
    name = "Intel(R) Arc(TM) B580".encode("utf-16-le")
    data[68 : 68 + len(name)] = name
    assert windows_text.parse_display_device_name(bytes(data)) == "Intel(R) Arc(TM) B580"


def test_a_windows_machine_is_put_together() -> None:
    machine = windows.describe_windows(
        topology=windows_text.parse_topology(
            core_record(1, 1) * 2 + core_record(0, 0) * 8 + cache_record(3, 0, 12 << 20)
        ),
        cpu_values={"ProcessorNameString": "12th Gen Intel(R) Core(TM) i5-1235U      "},
        bios_values={"SystemManufacturer": "LENOVO", "SystemProductName": "21EX"},
        version_values={"CurrentBuild": "26100"},
        accelerators=(),
        memory_bytes=16_985_000_000,
        n_logical=12,
        n_usable=12,
        arch="AMD64",
    )
    assert machine.cpu == "12th Gen Intel(R) Core(TM) i5-1235U"
    assert machine.n_cores_physical == 10
    assert machine.core_levels[0].n_cores == 2
    assert machine.last_level_cache_bytes == 12 << 20
    assert machine.model == "LENOVO 21EX"


def test_saver_plan_and_slider_are_warned_of() -> None:
    state = windows.describe_windows_state(
        power=PowerStatus(False, 34.0, True),
        scheme=Answer(f"Power Scheme GUID: {SAVER}  (Power saver)\r\n"),
        overlay=EFFICIENCY,
        nvidia=gpu.parse_nvidia("NVIDIA GeForce RTX 5080, 16303, 581.29, 41\n"),
    )
    assert state.power_source == "battery"
    assert state.gpu_busy_percent == 41
    saver, plan, overlay = state.warnings
    assert "energy saver" in saver
    assert "scheme_balanced" in plan
    assert "best performance" in overlay


def test_a_windows_machine_that_tells_nothing_says_why() -> None:
    state = windows.describe_windows_state(
        power=None, scheme=Answer(None, "powercfg is not installed"), overlay=None, nvidia=()
    )
    assert state.power_source is None
    assert state.gpu_busy_percent is None
    assert state.unknown["power_mode"] == "powercfg is not installed"
    assert "administrators" in state.unknown["thermal_pressure"]
