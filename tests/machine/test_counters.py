"""counters.py and linux/counters.py: differences, and the real counters of this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.machine import counters
from harness.machine.counters import between, reference_loop_ns, snapshot
from harness.machine.system import Snapshot

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
if sys.platform == "linux":
    from harness.machine.linux.counters import LinuxCounters, parse_stat

NOTHING = Snapshot(wall_ns=1_000, process_cpu_ns=500)
SUMS = [
    "system_busy_ns",
    "steal_ns",
    "n_involuntary_switches",
    "n_major_faults",
    "disk_read_bytes",
    "swap_in_bytes",
    "swap_out_bytes",
    "quota_throttled_ns",
]


def with_fields(**fields: object) -> Snapshot:
    return dataclasses.replace(NOTHING, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SUMS)
def test_what_one_side_does_not_tell_stays_unknown(name: str) -> None:
    told = with_fields(**{name: 7})
    assert getattr(between(NOTHING, told, 1), name) is None
    assert getattr(between(told, NOTHING, 1), name) is None


@pytest.mark.parametrize("name", SUMS)
@given(before=st.integers(0, 1 << 62), step=st.integers(-(1 << 60), 1 << 60))
def test_sums_become_differences_that_are_never_negative(name: str, before: int, step: int) -> None:
    after = max(0, before + step)
    found = between(with_fields(**{name: before}), with_fields(**{name: after}), 1)
    assert getattr(found, name) == max(0, after - before)


def test_readings_of_the_moment_are_those_of_the_end() -> None:
    before = with_fields(clock_hz=1, temperature_celsius=30.0)
    after = with_fields(clock_hz=3_000_000_000, temperature_celsius=71.5)
    found = between(before, after, 2_700_000)
    assert found.clock_hz == 3_000_000_000
    assert found.temperature_celsius == 71.5
    assert found.reference_ns == 2_700_000


def test_waiting_counts_old_and_new_threads_and_survives_ended_ones() -> None:
    before = with_fields(run_delay_of_thread_ns={1: 100, 2: 9_000})
    after = with_fields(run_delay_of_thread_ns={1: 150, 3: 40})
    assert between(before, after, 1).run_delay_ns == 50 + 40
    assert between(before, NOTHING, 1).run_delay_ns is None


def test_an_episode_of_throttling_that_only_ended_is_counted() -> None:
    before = with_fields(n_throttles_begun=4, throttled_ms=100)
    ended = with_fields(n_throttles_begun=4, throttled_ms=160)
    begun = with_fields(n_throttles_begun=6, throttled_ms=160)
    assert between(before, ended, 1).n_thermal_throttles == 1
    assert between(before, begun, 1).n_thermal_throttles == 2
    assert between(before, before, 1).n_thermal_throttles == 0
    assert between(NOTHING, NOTHING, 1).n_thermal_throttles is None


def test_two_snapshots_at_one_moment_still_make_a_record() -> None:
    assert between(NOTHING, NOTHING, 1).wall_ns == 1


def test_this_process_and_this_machine_are_seen_working() -> None:
    before = snapshot()
    until_ns = time.process_time_ns() + 60_000_000
    while time.process_time_ns() < until_ns:
        pass
    found = between(before, snapshot(), reference_loop_ns())
    assert found.process_cpu_ns >= 60_000_000
    assert found.wall_ns >= 50_000_000
    assert found.system_busy_ns is not None
    # Ticks of 10 ms: 60 ms of work show as 40 at the least.
    assert found.system_busy_ns >= 40_000_000


def test_the_macos_and_windows_snapshots_leave_out_what_they_cannot_know() -> None:
    for take in (counters._macos_snapshot, counters._windows_snapshot):
        found = take()
        assert found.system_busy_ns is not None
        assert found.system_busy_ns > 0
        assert found.steal_ns is None
        assert found.run_delay_of_thread_ns is None
        assert found.clock_hz is None


@linux_only
def test_waiting_threads_of_an_overloaded_core_are_seen() -> None:
    cpus = os.sched_getaffinity(0)
    stop = threading.Event()
    # hashlib releases the interpreter's lock, so two such loops really want a core each.
    spinner = threading.Thread(
        target=lambda: [reference_loop_ns() for _ in iter(stop.is_set, True)]
    )
    try:
        os.sched_setaffinity(0, {min(cpus)})
        before = snapshot()
        spinner.start()
        for _ in range(40):
            reference_loop_ns()
        after = snapshot()
    finally:
        stop.set()
        spinner.join()
        os.sched_setaffinity(0, cpus)
    waited_ns = between(before, after, 1).run_delay_ns
    if after.run_delay_of_thread_ns is None:
        pytest.skip("this kernel keeps no schedstats")
    assert waited_ns is not None
    assert waited_ns > 0.2 * (after.wall_ns - before.wall_ns)


@linux_only
def test_files_of_ended_threads_are_closed() -> None:
    reader = LinuxCounters()
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        numbers = {thread.native_id for thread in threads}
        assert numbers <= (reader.read().run_delay_of_thread_ns or {}).keys()
        assert numbers <= threads_with_open_files()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    # The kernel lists a thread for a moment after Python has joined it.
    until = time.monotonic() + 5
    while numbers & threads_with_open_files() and time.monotonic() < until:
        reader.read()
    assert not numbers & threads_with_open_files()


def threads_with_open_files() -> set[int]:
    """Threads whose schedstat this process has open."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the folder's own, closed by now
            target = link.readlink()
            if target.name == "schedstat":
                found.add(int(target.parent.name))
    return found


@linux_only
def test_stat_counts_stolen_time_as_busy_and_guests_once() -> None:
    text = b"cpu  100 20 30 4000 500 6 7 80 90 10\ncpu0 1 2 3\nintr 5\n"
    assert parse_stat(text) == (100 + 20 + 30 + 6 + 7 + 80, 80)
    assert parse_stat(b"") == (None, None)


@linux_only
def test_sensors_clocks_throttles_and_quota_are_read_where_they_are(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu"
    files = {
        "sys/class/hwmon/hwmon0/name": "nvme\n",
        "sys/class/hwmon/hwmon0/temp1_input": "99000\n",
        "sys/class/hwmon/hwmon1/name": "k10temp\n",
        "sys/class/hwmon/hwmon1/temp1_input": "61250\n",
        f"{cpu}/online": "0\n",
        f"{cpu}/cpufreq/policy0/scaling_cur_freq": "4000000\n",
        f"{cpu}/cpufreq/policy1/scaling_cur_freq": "3000000\n",
        f"{cpu}/cpu0/thermal_throttle/core_throttle_count": "3\n",
        f"{cpu}/cpu0/thermal_throttle/core_throttle_total_time_ms": "12\n",
        f"{cpu}/cpu0/thermal_throttle/package_throttle_count": "4\n",
        f"{cpu}/cpu0/thermal_throttle/package_throttle_total_time_ms": "8\n",
        "proc/self/cgroup": "0::/a\n",
        "proc/self/io": "rchar: 9\nread_bytes: 1140000000\nwrite_bytes: 1\n",
        "proc/vmstat": "nr_free_pages 1\npswpin 3\npswpout 5\n",
        "proc/stat": "cpu  1 0 0 9 0 0 0 0 0 0\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu\n",
        "sys/fs/cgroup/a/cpu.stat": "throttled_usec 250\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = LinuxCounters(tmp_path).read()
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    assert found.temperature_celsius == 61.25
    assert found.clock_hz == 3_500_000_000
    assert (found.n_throttles_begun, found.throttled_ms) == (7, 20)
    assert found.quota_throttled_ns == 250_000
    assert found.disk_read_bytes == 1_140_000_000
    assert (found.swap_in_bytes, found.swap_out_bytes) == (3 * page_bytes, 5 * page_bytes)
    assert found.run_delay_of_thread_ns is None


@linux_only
def test_a_machine_that_shows_nothing_has_unknowns_only(tmp_path: Path) -> None:
    found = LinuxCounters(tmp_path).read()
    known = {name for name, value in dataclasses.asdict(found).items() if value is not None}
    assert known == {"wall_ns", "process_cpu_ns", "n_involuntary_switches", "n_major_faults"}


def test_the_reference_loop_always_does_the_same_work() -> None:
    fastest = sorted(reference_loop_ns() for _ in range(9))
    # The middle ones agree within a factor even on a noisy machine.
    assert 0 < fastest[0] <= fastest[4] < 5 * fastest[0]
