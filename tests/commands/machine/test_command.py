"""`harness machine --calibrate` as far as it goes without a quiet minute."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from analysis.speed.test_calibration import ENGINE, calibrated
from make.memory_reading import watched
from make.records import make_machine

from harness.cli import main
from harness.commands.machine import machine
from harness.machine.energy.meters import Idle
from harness.measure import bandwidth_here
from harness.measure.speed_here import save_calibration
from harness.schema.machine import Conditions, Energy

QUIET = Conditions(memory_available_bytes=1 << 34)
BUSY = QUIET.model_copy(update={"warnings": ("Other processes use the CPU: make (99 %).",)})
AT_REST = Idle(
    ("powercap", "battery"),
    (
        Energy(
            source="powercap",
            domain="package-0",
            kind="package",
            joules=24.6,
            window_ns=2_000_000_000,
        ),
    ),
    {"nvml": "nvidia-ml-py is not installed"},
)


Invoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def invoke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Invoke:
    """`harness machine` on a machine of plain numbers, with an empty cache folder."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(machine, "probe_machine", make_machine)
    monkeypatch.setattr(machine, "read_conditions", lambda _: QUIET)
    monkeypatch.setattr(bandwidth_here, "watched_bandwidth", lambda *_: watched(31))
    monkeypatch.setattr(machine, "describe_engine", lambda: ENGINE)
    monkeypatch.setattr(machine, "read_idle", lambda: AT_REST)
    # Another measurement may run beside the tests.
    monkeypatch.setattr(machine, "machine_held", lambda _: contextlib.nullcontext())

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", "machine", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return int(end.value.code), said.out, said.err

    return run


def test_a_busy_machine_is_refused_with_the_reason(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "read_conditions", lambda _: BUSY)
    monkeypatch.setattr(machine, "calibrate", lambda *_: pytest.fail("it was calibrated"))
    code, stdout, stderr = invoke("--calibrate")
    assert (code, stdout) == (1, "")
    assert stderr.startswith("Error: This is no moment to calibrate: Other processes use the CPU")
    assert "--force" in stderr


def test_force_calibrates_even_so_and_it_is_shown(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "read_conditions", lambda _: BUSY)
    monkeypatch.setattr(machine, "calibrate", lambda *_: calibrated())
    code, stdout, _ = invoke("--calibrate", "--force")
    assert code == 0
    assert "Calibration  of 2026-11-23" in stdout
    code, stdout, stderr = invoke("--json")
    assert (code, stderr) == (0, "")
    document = json.loads(stdout)
    assert (document["calibration"]["engine_commit"], document["stale"]) == ("0123abc", None)
    assert len(document["calibration"]["samples"]) == len(calibrated().samples)


def test_calibrating_again_joins_what_still_holds_and_tells_what_does_not(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    slower = tuple(
        it.model_copy(update={"tok_per_s": it.tok_per_s / 2}) for it in calibrated().samples
    )
    save_calibration(calibrated(engine_commit="fffffff"), make_machine())
    monkeypatch.setattr(machine, "calibrate", lambda *_: calibrated())
    _, stdout, stderr = invoke("--calibrate", "--force")
    assert ("2026-11-23," in stdout, "dropped" in stderr) == (True, False)
    _, stdout, stderr = invoke("--calibrate", "--force")
    assert ("of 2026-11-23 and 1 before" in stdout, "dropped" in stderr) == (True, False)
    monkeypatch.setattr(machine, "calibrate", lambda *_: calibrated(samples=slower))
    _, stdout, stderr = invoke("--calibrate", "--force")
    assert "and 1 before" not in stdout
    assert "The calibration of 2026-11-23 is dropped" in " ".join(stderr.split())


def test_a_stale_calibration_is_named_as_such(invoke: Invoke) -> None:
    save_calibration(calibrated(engine_commit="fffffff"), make_machine())
    _, stdout, _ = invoke()
    text = " ".join(stdout.split())
    assert "not used: it was made with the engine's build fffffff" in text
    assert "calibrate again" in text


def test_without_one_the_way_to_make_one_is_told(invoke: Invoke) -> None:
    code, stdout, _ = invoke()
    assert code == 0
    assert "harness machine --calibrate" in stdout


def test_energy_sources_are_listed_with_what_they_tell_and_the_others_with_reasons(
    invoke: Invoke,
) -> None:
    code, stdout, _ = invoke()
    assert code == 0
    lines = stdout.splitlines()
    assert "Energy       powercap: package-0 12.3 W when idle" in lines
    assert "Energy       battery" in lines
    assert "  - energy by nvml: nvidia-ml-py is not installed" in lines
    document = json.loads(invoke("--json")[1])["energy"]
    assert document["sources"] == ["powercap", "battery"]
    assert document["idle"][0]["joules"] == 24.6
    assert document["reasons_missing"] == {"nvml": "nvidia-ml-py is not installed"}


def test_the_best_reading_of_the_memory_stays_on_the_page_and_in_the_document(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke()
    monkeypatch.setattr(bandwidth_here, "watched_bandwidth", lambda *_: watched(4, 0.8))
    _, page, err = invoke()
    assert "percentile 4.00 GB/s" in " ".join(page.split())
    assert re.search(r"Best known +31.0 GB/s on 2\d{3}-", page)
    assert err == ""
    document = json.loads(invoke("--json")[1])
    assert document["bandwidth"]["q90_bytes_per_s"] == 4 * 10**9
    assert document["known_bandwidth"]["best"]["bytes_per_s"] == 31 * 10**9
    assert document["known_bandwidth"]["n_quiet"] == 1


def test_a_reading_far_from_the_best_known_is_explained(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke()
    monkeypatch.setattr(bandwidth_here, "watched_bandwidth", lambda *_: watched(15))
    _, _, err = invoke()
    assert "although no other program runs, and gave 31.0 GB/s" in " ".join(err.split())
    assert "bandwidths" in err


def test_a_memory_never_read_in_quiet_is_named_as_that(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bandwidth_here, "watched_bandwidth", lambda *_: watched(4, 0.8))
    _, page, _ = invoke()
    assert "while others took 80.0 % of the CPUs; not yet read while" in " ".join(page.split())
