"""machine/memory.py, pagecache.py and bandwidth.py."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import make_machine

from harness.errors import HarnessError
from harness.machine import bandwidth, pagecache
from harness.machine.bandwidth import choose_buffer_bytes, sample_bandwidth
from harness.machine.macos.native import ProcessUsage
from harness.machine.memory import (
    available_memory_bytes,
    left_below_limit,
    mark_of_usage,
    parse_status,
    read_memory,
)
from harness.machine.pagecache import cached_ratio, evict
from harness.schema.machine import BandwidthSample

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux's way of doing it")
MIB = 1 << 20
MACHINE = make_machine(last_level_cache_bytes=None)
SMALL = make_machine(last_level_cache_bytes=None, memory_bytes=512 * MIB)
STATUS = """\
Name:\tpython
VmPeak:\t  999999 kB
VmHWM:\t    2048 kB
VmRSS:\t    1792 kB
RssAnon:\t     512 kB
RssFile:\t    1024 kB
RssShmem:\t     256 kB
VmSwap:\t      64 kB
Threads:\t1
"""


# ------------------------------------------------------------------ own memory


def test_status_keeps_the_kinds_of_memory_apart() -> None:
    mark = parse_status(STATUS, "loaded")
    assert mark.at == "loaded"
    assert mark.resident_bytes == 1792 * 1024
    assert mark.peak_bytes == 2048 * 1024
    assert mark.anonymous_bytes == (512 + 256) * 1024
    assert mark.file_backed_bytes == 1024 * 1024
    assert mark.swapped_bytes == 64 * 1024
    assert mark.footprint_bytes is None
    assert "VmHWM" in mark.source


def test_a_kernel_without_the_kinds_leaves_them_unknown() -> None:
    mark = parse_status("VmHWM:\t 20 kB\nVmRSS:\t 10 kB\n", "start")
    assert mark.peak_bytes == 20 * 1024
    assert mark.anonymous_bytes is None
    assert mark.file_backed_bytes is None


def test_a_mac_has_footprint_and_resident_size_but_no_kinds() -> None:
    mark = mark_of_usage(ProcessUsage(5_107, 13_795, 18_591, 0), "end")
    assert (mark.resident_bytes, mark.footprint_bytes, mark.peak_footprint_bytes) == (
        5_107,
        13_795,
        18_591,
    )
    assert mark.anonymous_bytes is None
    assert "ri_phys_footprint" in mark.source


@linux_only
def test_what_this_process_takes_shows_as_anonymous() -> None:
    before = read_memory("start")
    # New pages for sure: what malloc gives may be what an earlier test gave back.
    block = mmap.mmap(-1, 64 * MIB)
    block[:] = bytes(len(block))
    after = read_memory("end")
    assert before.anonymous_bytes is not None
    assert after.anonymous_bytes is not None
    assert after.anonymous_bytes - before.anonymous_bytes > 0.9 * len(block)
    assert after.peak_bytes is not None
    assert after.peak_bytes >= after.resident_bytes - MIB


def test_some_memory_is_available() -> None:
    assert available_memory_bytes() > 16 * MIB


@pytest.mark.parametrize("is_v2", [True, False])
def test_a_containers_limit_leaves_what_is_not_used_or_only_cache(
    tmp_path: Path, is_v2: bool
) -> None:
    mount = tmp_path / "sys/fs/cgroup"
    group = mount / "a" if is_v2 else mount / "memory/a"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text(f"MemTotal:  {1 << 23} kB\n")
    (tmp_path / "proc/self/cgroup").write_text("0::/a\n" if is_v2 else "4:memory:/a\n")
    if is_v2:
        (mount / "cgroup.controllers").write_text("memory\n")
    limit, usage = (
        ("memory.max", "memory.current")
        if is_v2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    (group / limit).write_text(f"{1000 * MIB}\n")
    (group / usage).write_text(f"{700 * MIB}\n")
    key = "inactive_file" if is_v2 else "total_inactive_file"
    (group / "memory.stat").write_text(f"anon 5\n{key} {100 * MIB}\n")
    assert left_below_limit(tmp_path) == 400 * MIB
    (group / limit).write_text("max\n" if is_v2 else "9223372036854771712\n")
    assert left_below_limit(tmp_path) is None


# ------------------------------------------------------------------ page cache


@pytest.fixture
def big_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of several windows, all of it written to the disk."""
    monkeypatch.setattr(pagecache, "_WINDOW_BYTES", 4 * MIB)
    path = tmp_path / "weights"
    with path.open("wb") as file:
        file.write(os.urandom(9 * MIB + 5))
        file.flush()
        os.fsync(file.fileno())
    return path


@linux_only
def test_a_file_just_written_is_cached_until_it_is_evicted(big_file: Path) -> None:
    assert cached_ratio(big_file) == 1.0
    evict(big_file)
    left = cached_ratio(big_file)
    if left == 1.0:
        pytest.skip("this file system keeps its files in memory")
    assert left is not None
    assert left < 0.05
    assert cached_ratio(big_file) == left  # asking reads no page


@linux_only
def test_the_share_of_the_cache_is_that_of_what_was_read(big_file: Path) -> None:
    evict(big_file)
    if cached_ratio(big_file) == 1.0:
        pytest.skip("this file system keeps its files in memory")
    with big_file.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)  # no reading ahead
        file.read(3 * MIB)
    share = cached_ratio(big_file)
    assert share is not None
    assert share == pytest.approx(3 / 9, abs=0.05)


@linux_only
def test_a_file_bigger_than_memory_is_asked_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "ghost"
    with path.open("wb") as file:
        file.truncate(1 << 36)
    assert cached_ratio(path) == 0.0


@linux_only
def test_a_file_that_may_not_be_written_is_not_believed(
    big_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "geteuid", lambda: 123_456)
    assert cached_ratio(big_file) is None


def test_an_empty_file_has_no_share(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert cached_ratio(path) is None
    evict(path)


def test_a_missing_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        evict(tmp_path / "absent")


# ------------------------------------------------------------------ bandwidth


@given(cache=st.integers(0, 1 << 32), memory=st.integers(1 << 28, 1 << 42))
def test_the_buffer_is_beyond_the_cache_or_an_eighth_of_the_memory(cache: int, memory: int) -> None:
    chosen = choose_buffer_bytes(cache, memory)
    assert chosen <= memory // 8
    assert chosen == memory // 8 or chosen >= max(512 * MIB, 4 * min(2 * cache, cache + 128 * MIB))


def test_an_unknown_cache_takes_the_smallest_buffer() -> None:
    assert choose_buffer_bytes(None, 1 << 40) == 512 * MIB


def test_the_memory_of_this_machine_is_measured_by_a_child() -> None:
    before = read_memory("start")
    sample = sample_bandwidth(SMALL, 2)
    after = read_memory("end")
    assert sample.n_samples >= 15
    assert sample.n_threads == 2
    assert sample.buffer_bytes == 64 * MIB
    # Slower than the first single-board computers, or faster than any cache: an error of ours.
    assert 10**8 < sample.median_bytes_per_s < 10**14
    assert sample.q90_bytes_per_s >= sample.median_bytes_per_s
    assert (after.peak_bytes or 0) - (before.peak_bytes or 0) < 32 * MIB


def test_a_child_that_fails_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child.py"
    monkeypatch.setattr(bandwidth, "_CHILD", child)
    child.write_text("raise MemoryError('no room for the buffer')")
    with pytest.raises(HarnessError, match="MemoryError: no room for the buffer; free some memory"):
        sample_bandwidth(MACHINE, 1)
    child.write_text("print('hello')")
    with pytest.raises(HarnessError, match="hello"):
        sample_bandwidth(MACHINE, 1)


def test_a_child_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = tmp_path / "child.py"
    child.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(bandwidth, "_CHILD", child)
    monkeypatch.setattr(bandwidth, "_TIMEOUT_S", 0.1)
    with pytest.raises(HarnessError, match=r"within 0\.1 s"):
        sample_bandwidth(MACHINE, 1)


def test_the_childs_libraries_get_one_thread_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child.py"
    child.write_text(
        "import json, os\n"
        "n = int(os.environ['OPENBLAS_NUM_THREADS']) + int(os.environ['OMP_NUM_THREADS'])\n"
        "print(json.dumps(dict(median_bytes_per_s=n, q90_bytes_per_s=2, n_samples=15,\n"
        "                      n_threads=1, buffer_bytes=1, cpu_ns=1)))\n"
    )
    monkeypatch.setattr(bandwidth, "_CHILD", child)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "64")
    assert sample_bandwidth(MACHINE, 1) == BandwidthSample(
        median_bytes_per_s=2, q90_bytes_per_s=2, n_samples=15, n_threads=1, buffer_bytes=1
    )
