from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import MachineBusy
from harness.measure.lock import measuring


def test_a_second_measurement_is_told_who_holds_the_machine(tmp_path: Path) -> None:
    lock = tmp_path / "measuring.lock"
    with (
        measuring("a model", lock_file=lock),
        pytest.raises(MachineBusy, match=f"a model, process {os.getpid()}, since 20"),
        measuring("another", lock_file=lock),
    ):
        pass


def test_the_machine_is_free_again_afterwards(tmp_path: Path) -> None:
    lock = tmp_path / "measuring.lock"
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), measuring("a model", lock_file=lock):
            _ = 1 / 0


def test_a_killed_holder_does_not_block_the_machine(tmp_path: Path) -> None:
    lock = tmp_path / "measuring.lock"
    script = (
        "import os, pathlib, signal, sys\n"
        "from harness.measure.lock import measuring\n"
        "with measuring('x', lock_file=pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(lock)], check=False)
    assert json.loads(lock.with_suffix(".json").read_text())["what"] == "x"
    with measuring("the next", lock_file=lock):
        assert json.loads(lock.with_suffix(".json").read_text())["what"] == "the next"


def test_a_damaged_note_about_the_holder_does_no_harm(tmp_path: Path) -> None:
    lock = tmp_path / "measuring.lock"
    with measuring("a model", lock_file=lock):
        lock.with_suffix(".json").write_text("[]")
        with (
            pytest.raises(MachineBusy, match="Another measurement"),
            measuring("b", lock_file=lock),
        ):
            pass


def test_waiting_ends_when_the_holder_is_done(tmp_path: Path) -> None:
    lock = tmp_path / "measuring.lock"
    script = (
        "import pathlib, sys, time\n"
        "from harness.measure.lock import measuring\n"
        "with measuring('x', lock_file=pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); time.sleep(1)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(lock)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with measuring("the next", wait_s=30, lock_file=lock):
            assert holder.wait(5) == 0
