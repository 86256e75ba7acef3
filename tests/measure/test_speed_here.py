"""How fast this machine is, whoever asks."""

from __future__ import annotations

from pathlib import Path

import pytest
from analysis.speed.test_calibration import ENGINE, calibrated
from make.memory_reading import watched
from make.records import make_machine

from harness.analysis.speed.hardware_class import read_cpu_speed
from harness.commands.claim import host
from harness.errors import HarnessError
from harness.measure import bandwidth_here
from harness.measure.speed_here import (
    SpeedHere,
    calibration_path,
    known_speed,
    load_calibration,
    save_calibration,
    speed_here,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    return tmp_path


def test_a_calibration_is_kept_and_found_again(cache: Path) -> None:
    machine, made = make_machine(), calibrated()
    assert load_calibration(machine, is_gpu=False) is None
    path = save_calibration(made, machine)
    assert path == calibration_path(machine, is_gpu=False)
    assert path.is_relative_to(cache)
    assert load_calibration(machine, is_gpu=False) == made
    assert load_calibration(machine, is_gpu=True) is None


@pytest.mark.parametrize("content", ["", "{}", "nonsense", '{"version": 99}'])
def test_a_damaged_calibration_is_as_good_as_none(content: str) -> None:
    machine = make_machine()
    path = save_calibration(calibrated(), machine)
    path.write_text(content)
    assert load_calibration(machine, is_gpu=False) is None


def test_a_calibration_of_another_version_is_not_read() -> None:
    machine = make_machine()
    save_calibration(calibrated(version=99), machine)
    assert load_calibration(machine, is_gpu=False) is None


def test_this_machines_speed_is_the_calibrated_one() -> None:
    machine = make_machine()
    save_calibration(calibrated(), machine)
    here = speed_here(machine, ENGINE, 2)
    assert here.notes == ()
    assert here.speed
    assert here.speed.method == "calibration"
    assert "2026-11-23" in here.speed.note


def test_a_stale_calibration_is_named_and_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = make_machine()
    save_calibration(calibrated(engine_commit="fffffff"), machine)
    monkeypatch.setattr(bandwidth_here, "watched_bandwidth", lambda *_: watched(33))
    here = speed_here(machine, ENGINE, 2)
    (note,) = here.notes
    assert "fffffff" in note
    assert "--calibrate" in note
    assert here.speed
    assert here.speed.method == "machine-class"


def test_of_a_cpu_that_nobody_calibrated_only_its_memory_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = make_machine()
    monkeypatch.setattr(bandwidth_here, "watched_bandwidth", lambda *_: watched(33))
    assert known_speed(machine, ENGINE, 2) == SpeedHere(None)
    here = speed_here(machine, ENGINE, 2)
    assert here.bandwidth
    # Not the median: other programs only take from a memory.
    assert here.bandwidth.best.bytes_per_s == 33 * 10**9
    assert here.speed == read_cpu_speed(here.bandwidth)
    assert here.notes == ()


def test_a_cpu_known_from_a_busy_minute_alone_gets_a_wider_range_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = make_machine()
    monkeypatch.setattr(bandwidth_here, "watched_bandwidth", lambda *_: watched(8, 0.7))
    busy = speed_here(machine, ENGINE, 2)
    (note,) = busy.notes
    assert "others took 70.0 % of the CPUs" in note
    monkeypatch.setattr(bandwidth_here, "watched_bandwidth", lambda *_: watched(33))
    quiet = speed_here(machine, ENGINE, 2)
    assert quiet.notes == ()
    assert busy.speed
    assert quiet.speed
    assert busy.speed.decode.spread.high > quiet.speed.decode.spread.high + 1


def test_claim_takes_a_cpu_for_as_fast_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = make_machine()
    monkeypatch.setattr(bandwidth_here, "watched_bandwidth", lambda *_: watched(33))
    monkeypatch.setattr(host, "probe_machine", lambda: machine)
    monkeypatch.setattr(host, "describe_engine", lambda *_: ENGINE)
    here = host.look_here()
    assert here.host.host.speed == speed_here(machine, ENGINE, 2).speed


def test_a_memory_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise HarnessError("it hung")

    monkeypatch.setattr(bandwidth_here, "watched_bandwidth", refuse)
    here = speed_here(make_machine(), ENGINE, 2)
    assert here == SpeedHere(None, ("Nothing is predicted of speed: it hung",))
