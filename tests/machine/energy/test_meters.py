"""machine/energy*.py on trees of files, libraries that answer as the real ones."""

from __future__ import annotations

import errno
import os
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.energy_sources import RANGE_UJ, fake_nvml, write_battery, write_package, write_zone

from harness.machine.energy.apple import AppleMeter, open_apple
from harness.machine.energy.battery import open_battery
from harness.machine.energy.meter import Counter, CounterMeter, Meter, SourceMissing, counted
from harness.machine.energy.meters import NO_METERS, find_meters
from harness.machine.energy.nvml import open_nvml
from harness.machine.energy.powercap import open_powercap
from harness.schema.machine import Energy

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads with pread")
SECOND = 1_000_000_000
PACKAGE = Counter("package-0", "package", 1e-6, 1e-5, n_round=RANGE_UJ)


def taken(meter: Meter) -> dict[str, Energy]:
    return {one.domain: one for one in meter.end()}


# ------------------------------------------------------------------ counters


@given(
    first=st.integers(0, RANGE_UJ - 1),
    n_units=st.integers(0, RANGE_UJ - 1),
    window_ns=st.integers(1, 200 * SECOND),
)
def test_a_counter_that_came_round_counts_on(first: int, n_units: int, window_ns: int) -> None:
    last = (first + n_units) % RANGE_UJ
    assert counted(PACKAGE, first, last, window_ns) == n_units


@given(
    first=st.integers(0, RANGE_UJ - 1),
    steps=st.lists(st.integers(0, RANGE_UJ // 8), min_size=1, max_size=7),
)
def test_windows_that_touch_add_up_to_the_whole(first: int, steps: list[int]) -> None:
    edges = [first]
    for step in steps:
        edges.append((edges[-1] + step) % RANGE_UJ)
    parts = [counted(PACKAGE, a, b, SECOND) for a, b in pairwise(edges)]
    assert parts == steps
    assert sum(steps) == counted(PACKAGE, edges[0], edges[-1], SECOND)


def test_a_window_in_which_a_counter_may_have_come_round_twice_tells_nothing() -> None:
    assert counted(PACKAGE, 0, 1, 262 * SECOND) == 1
    assert counted(PACKAGE, 0, 1, 263 * SECOND) is None


def test_a_counter_that_never_comes_round_and_fell_was_reset() -> None:
    counter = Counter("gpu-0", "gpu", 1e-3, 1e-3)
    assert counted(counter, 700, 20, SECOND) is None
    assert counted(counter, 700, 701, 10**6 * SECOND) == 1
    assert counted(counter, None, 701, SECOND) is None


def test_a_window_that_was_never_begun_tells_nothing() -> None:
    meter = CounterMeter("powercap", [PACKAGE], lambda: [1])
    assert meter.end() == ()
    meter.begin()
    assert len(meter.end()) == 1
    assert meter.end() == ()


# ------------------------------------------------------------------ powercap


@linux_only
def test_packages_memory_platform_and_parts_are_told_apart(tmp_path: Path) -> None:
    package = write_package(tmp_path)
    memory = write_zone(tmp_path, "intel-rapl:0:1", "dram", 1_000_000)
    platform = write_zone(tmp_path, "intel-rapl:1", "psys", 9_000_000)
    meter = open_powercap(tmp_path)
    meter.begin()
    package.write_text("17500000\n")
    memory.write_text("2500000\n")
    platform.write_text("39000000\n")
    found = taken(meter)
    assert {name: one.kind for name, one in found.items()} == {
        "package-0": "package",
        "package-0/core": "part",
        "package-0/dram": "memory",
        "psys": "platform",
    }
    joules = {name: one.joules for name, one in found.items()}
    assert joules == pytest.approx(
        {"package-0": 12.5, "package-0/core": 0, "package-0/dram": 1.5, "psys": 30}
    )
    assert {one.source for one in found.values()} == {"powercap"}
    assert found["package-0"].refresh_ns == 1_000_000


@linux_only
def test_a_package_that_came_round_is_followed(tmp_path: Path) -> None:
    package = write_package(tmp_path, RANGE_UJ - 1_000_000)
    meter = open_powercap(tmp_path)
    meter.begin()
    package.write_text("2000000\n")
    assert taken(meter)["package-0"].joules == pytest.approx(3.0)


@linux_only
def test_a_counter_that_goes_away_meanwhile_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package(tmp_path)
    meter = open_powercap(tmp_path)
    meter.begin()

    def lost(*_: object) -> bytes:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(os, "pread", lost)
    assert meter.end() == ()


@linux_only
def test_a_counter_that_says_no_number_is_left_out(tmp_path: Path) -> None:
    package = write_package(tmp_path)
    meter = open_powercap(tmp_path)
    meter.begin()
    package.write_text("")
    assert set(taken(meter)) == {"package-0/core"}


@linux_only
def test_a_package_that_only_root_may_read_says_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package(tmp_path)
    deny(monkeypatch, "intel-rapl:0/energy_uj")
    with pytest.raises(SourceMissing, match=r"only root may read .*sudo chmod a\+r"):
        open_powercap(tmp_path)


@linux_only
def test_a_part_or_the_platform_that_may_not_be_read_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package(tmp_path)
    write_zone(tmp_path, "intel-rapl:1", "psys", 9)
    deny(monkeypatch, "intel-rapl:1/energy_uj")
    meter = open_powercap(tmp_path)
    meter.begin()
    assert set(taken(meter)) == {"package-0", "package-0/core"}


@linux_only
def test_dies_that_show_the_same_counter_are_one(tmp_path: Path) -> None:
    write_zone(tmp_path, "intel-rapl:0", "package-0-die-0", 41_000_000_000)
    write_zone(tmp_path, "intel-rapl:1", "package-0-die-1", 41_000_004_000)
    write_zone(tmp_path, "intel-rapl:2", "package-1-die-0", 40_000_000_000)
    meter = open_powercap(tmp_path)
    meter.begin()
    assert set(taken(meter)) == {"package-0-die-0", "package-1-die-0"}


@linux_only
def test_a_machine_without_zones_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="virtual machine"):
        open_powercap(tmp_path)


def deny(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """No permission for files that end so, also for root, as whom tests may run."""
    really = os.open

    def opened(path: Any, *arguments: Any, **more: Any) -> int:
        if str(path).endswith(ending):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really(path, *arguments, **more)

    monkeypatch.setattr(os, "open", opened)


# ---------------------------------------------------------------------- nvml


def use_library(monkeypatch: pytest.MonkeyPatch, name: str, library: ModuleType | None) -> None:
    monkeypatch.setitem(sys.modules, name, library)


def test_every_gpu_with_a_counter_is_read_in_millijoules(monkeypatch: pytest.MonkeyPatch) -> None:
    millijoules: dict[int, int | None] = {0: 10_000, 1: None, 2: 500}
    use_library(monkeypatch, "pynvml", fake_nvml(millijoules))
    gpus = open_nvml()
    gpus.meter.begin()
    millijoules[0], millijoules[2] = 42_500, 500
    found = taken(gpus.meter)
    assert {name: one.joules for name, one in found.items()} == {"gpu-0": 32.5, "gpu-2": 0}
    assert found["gpu-0"].refresh_ns == SECOND // 10
    assert "Not Supported" in gpus.reasons_missing["nvml gpu-1"]


def test_a_card_that_is_lost_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    millijoules: dict[int, int | None] = {0: 10_000, 1: 20_000}
    use_library(monkeypatch, "pynvml", fake_nvml(millijoules))
    meter = open_nvml().meter
    meter.begin()
    millijoules[0] = None
    assert set(taken(meter)) == {"gpu-1"}


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        (None, "extra `gpu`"),
        (fake_nvml({}, "NVML Shared Library Not Found"), "Shared Library Not Found"),
        (fake_nvml({}), "knows of no GPU"),
        (fake_nvml({0: None}), "no energy counter we can read: Not Supported"),
    ],
    ids=["not installed", "no driver", "no gpu", "old gpu"],
)
def test_why_nvidia_tells_nothing(
    library: ModuleType | None, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_library(monkeypatch, "pynvml", library)
    with pytest.raises(SourceMissing, match=reason):
        open_nvml()


# --------------------------------------------------------------------- apple


class Monitor:
    """AppleEnergyMonitor of zeus-apple-silicon 1.1, of a chip that tells no DRAM."""

    def __init__(self) -> None:
        self.is_broken = False
        self._open: set[str] = set()

    def begin_window(self, label: str, restart: bool = False) -> None:
        if label in self._open and not restart:
            raise RuntimeError("Measurement with specified key already exists.")
        self._open.add(label)

    def end_window(self, label: str) -> SimpleNamespace:
        if self.is_broken or label not in self._open:
            raise RuntimeError("No measurement with provided key had been started.")
        self._open.remove(label)
        return SimpleNamespace(
            cpu_total_mj=12_500, gpu_mj=40_000, gpu_sram_mj=70, dram_mj=None, ane_mj=0
        )


def test_a_macs_chip_tells_its_parts() -> None:
    meter = AppleMeter(Monitor())
    meter.begin()
    meter.begin()  # what was open is forgotten, not an error
    found = taken(meter)
    assert {name: (one.kind, one.joules) for name, one in found.items()} == {
        "cpu": ("package", 12.5),
        "gpu": ("gpu", 40.0),
        "gpu sram": ("part", 0.07),
        "ane": ("npu", 0.0),
    }


def test_a_monitor_that_breaks_tells_nothing_and_harms_nothing() -> None:
    monitor = Monitor()
    meter = AppleMeter(monitor)
    meter.begin()
    monitor.is_broken = True
    assert meter.end() == ()
    assert meter.end() == ()


def test_why_a_mac_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    use_library(monkeypatch, "zeus_apple_silicon", None)
    with pytest.raises(SourceMissing, match="extra `mac`"):
        open_apple()

    def refuse() -> None:
        raise RuntimeError("Failed to create IOReport subscription.")

    library: Any = ModuleType("zeus_apple_silicon")
    library.AppleEnergyMonitor = refuse
    use_library(monkeypatch, "zeus_apple_silicon", library)
    with pytest.raises(SourceMissing, match="IOReport"):
        open_apple()


# ------------------------------------------------------------------- battery


def test_a_battery_gives_what_its_gauge_fell_by(tmp_path: Path) -> None:
    folder = write_battery(tmp_path)
    write_battery(tmp_path, "mouse", scope="Device", energy_now=None)
    meter = open_battery(tmp_path)
    meter.begin()
    (folder / "energy_now").write_text("34160000\n")
    (found,) = meter.end()
    assert found.joules == pytest.approx(400_000 * 3600e-6)
    # 10 mWh divides every figure of this gauge, and nothing larger does.
    assert found.step_joules == pytest.approx(36.0)
    assert (found.kind, found.domain) == ("battery", "battery")


def test_a_gauge_of_charge_counts_by_its_voltage(tmp_path: Path) -> None:
    full: dict[str, object] = {"energy_full": None, "energy_full_design": None, "energy_now": None}
    charge: dict[str, object] = {
        "charge_now": 4_000_000,
        "charge_full": 5_000_000,
        "voltage_now": 12_000_000,
    }
    folder = write_battery(tmp_path, "BAT0", **(full | charge))
    meter = open_battery(tmp_path)
    meter.begin()
    (folder / "charge_now").write_text("3990000\n")
    (folder / "voltage_now").write_text("11000000\n")
    (found,) = meter.end()
    assert found.joules == pytest.approx(10_000e-6 * 11.5 * 3600)


def test_a_battery_counts_only_while_it_discharges(tmp_path: Path) -> None:
    folder = write_battery(tmp_path)
    meter = open_battery(tmp_path)
    meter.begin()
    (folder / "status").write_text("Charging\n")
    assert meter.end() == ()
    with pytest.raises(SourceMissing, match="mains"):
        open_battery(tmp_path)


def test_of_two_batteries_one_rests_while_the_other_is_drained(tmp_path: Path) -> None:
    first = write_battery(tmp_path, "BAT0")
    write_battery(tmp_path, "BAT1", status="Not charging")
    meter = open_battery(tmp_path)
    meter.begin()
    (first / "energy_now").write_text("34550000\n")
    (found,) = meter.end()
    assert found.joules == pytest.approx(36.0)


def test_why_a_battery_tells_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="no battery"):
        open_battery(tmp_path)
    write_battery(tmp_path, energy_now=None)
    with pytest.raises(SourceMissing, match="percent only"):
        open_battery(tmp_path)


# ------------------------------------------------------------------- the machine


@linux_only
def test_what_a_machine_has_is_found_and_the_rest_has_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_library(monkeypatch, "pynvml", fake_nvml({0: 1, 1: None}))
    write_package(tmp_path)
    meters = find_meters(tmp_path)
    assert meters.sources == ("powercap", "nvml")
    assert set(meters.reasons_missing) == {"battery", "nvml gpu-1"}
    assert {one.domain for one in meters.rest(0.0)} == {"package-0", "package-0/core", "gpu-0"}


@linux_only
def test_without_a_source_nothing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_library(monkeypatch, "pynvml", None)
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it slept"))
    meters = find_meters(tmp_path)
    assert set(meters.reasons_missing) == {"powercap", "nvml", "battery"}
    assert meters.rest() == NO_METERS.rest() == ()
    write_battery(tmp_path)
    meters = find_meters(tmp_path)
    assert meters.sources == ("battery",)
    assert meters.rest() == ()
    meters.begin()
    assert [one.source for one in meters.end()] == ["battery"]


def test_the_sources_of_this_very_machine_answer_or_say_why() -> None:
    meters = find_meters()
    meters.begin()
    assert all(one.joules >= 0 and one.window_ns > 0 for one in meters.end())
    assert set(meters.sources) | set(meters.reasons_missing)
    assert all(meters.reasons_missing.values())
