"""machine/probe.py, conditions.py, processes.py and awake.py."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.machine import awake
from harness.machine.awake import keep_awake
from harness.machine.conditions import judge, read_conditions
from harness.machine.probe import default_threads, machine_id, probe_machine
from harness.machine.processes import BusyProcess, UsedTime, busy_between, watch_others
from harness.machine.system import SystemState
from harness.schema.machine import (
    Accelerator,
    Conditions,
    CoreLevel,
    Machine,
    installed_bytes,
)

GIB = 1 << 30
MACHINE = Machine(
    id="",
    os="Linux",
    os_version="Debian 12",
    arch="x86_64",
    cpu="Some CPU",
    n_cores_physical=8,
    n_cores_logical=16,
    n_cores_usable=16,
    memory_bytes=16 * GIB,
)
QUIET = SystemState(
    power_source="mains",
    battery_percent=None,
    power_mode="performance",
    thermal_pressure="nominal",
    gpu_busy_percent=1,
)


def changed(**fields: object) -> Machine:
    return MACHINE.model_copy(update=fields)


def conditions(
    machine: Machine = MACHINE,
    state: SystemState = QUIET,
    others: tuple[BusyProcess, ...] = (),
    memory_available_bytes: int = 12 * GIB,
) -> Conditions:
    return judge(
        machine,
        state,
        others=others,
        memory_available_bytes=memory_available_bytes,
        swap_used_bytes=0,
        load_average_1m=0.1,
    )


# ------------------------------------------------------------------ what it is


def test_this_machine_can_be_described_twice_alike() -> None:
    machine = probe_machine()
    assert re.fullmatch(r"[0-9a-f]{12}", machine.id)
    assert machine == probe_machine()
    assert 1 <= default_threads(machine) <= machine.n_cores_usable <= machine.n_cores_logical


def test_nothing_in_the_description_names_host_or_user() -> None:
    text = probe_machine().model_dump_json()
    names = [platform.node(), os.environ.get("USER", "")]
    # A short name such as "vm" or "root" may be part of an ordinary word.
    assert [name for name in names if len(name) > 4 and name in text] == []


@pytest.mark.parametrize(
    "same",
    [
        {"os_version": "Debian 13"},
        {"n_cores_usable": 2},
        {"memory_limit_bytes": GIB},
        {"virtualization": "docker"},
        {"memory_bytes": 16 * GIB - 600 * 1024 * 1024},
        {"gpu_limit_bytes": 11 * GIB},
    ],
)
def test_the_id_survives_updates_and_container_limits(same: dict[str, object]) -> None:
    assert machine_id(changed(**same)) == machine_id(MACHINE)


@pytest.mark.parametrize(
    "other",
    [
        {"cpu": "Other CPU"},
        {"n_cores_physical": 6},
        {"memory_bytes": 32 * GIB},
        {"arch": "aarch64"},
        {"model": "Zenbook 14"},
        {"core_levels": (CoreLevel(name="cpu_core", n_cores=8),)},
        {"accelerators": (Accelerator(name="RTX 5090", memory_bytes=32607 << 20),)},
    ],
)
def test_other_hardware_has_another_id(other: dict[str, object]) -> None:
    assert machine_id(changed(**other)) != machine_id(MACHINE)


def test_a_new_driver_is_no_new_machine() -> None:
    ids = {
        machine_id(changed(accelerators=(Accelerator(name="RTX", driver=d, memory_bytes=m),)))
        for d, m in (("575.64", 32607 << 20), ("581.29", 32510 << 20))
    }
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("told_gib", "installed_gib"),
    [(23.54, 24), (15.5, 16), (62.7, 64), (7.6, 8), (125.6, 128), (3.8, 4), (18, 18), (502, 512)],
)
def test_told_memory_is_rounded_up_to_what_is_installed(
    told_gib: float, installed_gib: float
) -> None:
    assert installed_bytes(int(told_gib * GIB)) == installed_gib * GIB


@given(st.integers(1 << 20, 1 << 45))
def test_rounding_memory_adds_an_eighth_at_most_and_is_stable(memory_bytes: int) -> None:
    installed = installed_bytes(memory_bytes)
    assert memory_bytes <= installed <= memory_bytes * 9 // 8 + 1
    assert installed_bytes(installed) == installed


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 8),
        ({"n_cores_usable": 4}, 4),
        ({"n_cores_physical": None, "n_cores_usable": 6}, 6),
        ({"core_levels": (CoreLevel(name="Super", n_cores=2), CoreLevel(name="P", n_cores=4))}, 2),
        ({"core_levels": (CoreLevel(name="P", n_cores=8),), "n_cores_usable": 1}, 1),
    ],
)
def test_default_threads_are_the_fast_cores_that_may_be_used(
    fields: dict[str, object], expected: int
) -> None:
    assert default_threads(changed(**fields)) == expected


# ------------------------------------------------------------------ how it is doing


def test_this_machines_conditions_can_be_read_and_stored() -> None:
    found = read_conditions(probe_machine())
    assert found.memory_available_bytes
    for name in found.unknown:
        assert getattr(found, name) is None
    assert Conditions.model_validate(json.loads(found.model_dump_json())) == found


def test_a_quiet_machine_on_mains_has_no_warnings() -> None:
    assert conditions().warnings == ()


def test_each_warning_says_what_to_do() -> None:
    state = SystemState("battery", 40.0, None, None, 35, ("It is hot: let it cool.",), {})
    found = conditions(
        changed(n_cores_usable=2),
        state,
        others=tuple(BusyProcess(f"job{n}", 1.0 - n / 10) for n in range(5)),
        memory_available_bytes=GIB,
    )
    battery, hot, memory, cores, others, gpu = found.warnings
    assert "plug it in" in battery
    assert hot == "It is hot: let it cool."
    assert memory.startswith("Only 1.00 GiB of 16.0 GiB memory are free: close")
    assert cores.startswith("Only 2 of 8 cores may be used")
    assert "job0 (100 %), job1 (90 %), job2 (80 %) and 2 more" in others
    assert "35 % busy" in gpu


def test_memory_is_judged_by_a_containers_limit() -> None:
    container = changed(memory_limit_bytes=4 * GIB)
    assert conditions(container, memory_available_bytes=GIB).warnings == ()
    assert conditions(container, memory_available_bytes=GIB // 4).warnings != ()


def test_unknown_swap_and_load_have_reasons() -> None:
    found = judge(
        MACHINE,
        QUIET,
        others=(),
        memory_available_bytes=GIB * 8,
        swap_used_bytes=None,
        load_average_1m=None,
    )
    assert set(found.unknown) == {"swap_used_bytes", "load_average_1m"}


# ------------------------------------------------------------------ other processes


def test_a_process_counts_with_what_it_used_in_between() -> None:
    before = {
        (1, 0.5): UsedTime("kworker/1:0-events", 100.0),
        (2, 0.5): UsedTime("gone", 5.0),
        (3, 0.5): UsedTime("calm", 1.0),
        (4, 0.5): UsedTime("earlier owner of the pid", 9.0),
    }
    after = {
        (1, 0.5): UsedTime("kworker/1:0-mm_percpu_wq", 101.5),
        (3, 0.5): UsedTime("calm", 1.04),
        (4, 7.5): UsedTime("new", 0.25),
    }
    assert busy_between(before, after, 1.0) == (
        BusyProcess("kworker/1:0-mm_percpu_wq", 1.5),
        BusyProcess("new", 0.25),
    )


def test_a_busy_process_is_named_without_its_arguments() -> None:
    code = "import hashlib\nwhile True: hashlib.sha256(bytes(1 << 20))"
    child = subprocess.Popen([sys.executable, "-c", code, "--secret"])
    try:
        time.sleep(0.1)
        busy = watch_others(0.3)
        name = psutil.Process(child.pid).name()
    finally:
        child.kill()
        child.wait()
    assert name in [process.name for process in busy]
    assert not any("secret" in process.name for process in busy)


def test_a_system_that_does_not_say_when_it_was_started_still_tells_who_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without_btime(_: psutil.Process) -> float:
        raise RuntimeError("line 'btime' not found in /proc/stat")

    monkeypatch.setattr(psutil.Process, "create_time", without_btime)
    assert isinstance(watch_others(0.05), tuple)


# ------------------------------------------------------------------ awake


def test_staying_awake_is_a_courtesy_that_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awake, "inhibitor_command", lambda: ["/no/such/program"])
    with keep_awake():
        pass
    monkeypatch.setattr(awake, "inhibitor_command", lambda: None)
    with keep_awake():
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix program to hold")
def test_the_inhibitor_ends_with_the_block_also_when_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(awake, "inhibitor_command", lambda: ["cat"])
    children: list[psutil.Process] = []
    before = psutil.Process().children()  # of other tests

    def measure() -> None:
        with keep_awake():
            children.extend(it for it in psutil.Process().children() if it not in before)
            raise RuntimeError("the measurement failed")

    with pytest.raises(RuntimeError, match="measurement failed"):
        measure()
    assert children
    assert not any(child.is_running() for child in children)


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix signals")
def test_the_inhibitor_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, psutil, time\n"
        "from harness.machine import awake\n"
        "awake.inhibitor_command = lambda: ['cat']\n"
        "with awake.keep_awake():\n"
        "    print(psutil.Process().children()[0].pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    inhibitor = psutil.Process(int(owner.stdout.readline()))
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    # An orphan that has ended may stay a zombie where nobody reaps it.
    until = time.monotonic() + 10
    while _is_alive(inhibitor) and time.monotonic() < until:
        time.sleep(0.01)
    assert not _is_alive(inhibitor)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_is_kept_of_other_processes_is_what_they_use_and_no_name() -> None:
    others = (BusyProcess("secret, (7 %)", 0.98), BusyProcess("other", 0.41))
    kept, said = (
        judge(
            MACHINE,
            QUIET,
            others=others,
            memory_available_bytes=MACHINE.memory_bytes,
            swap_used_bytes=0,
            load_average_1m=1.4,
            names_others=names_others,
        ).warnings[-1]
        for names_others in (False, True)
    )
    assert "98 %, 41 %" in kept
    assert not any(process.name in kept for process in others)
    assert all(process.name in said for process in others)
