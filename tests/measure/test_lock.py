from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import MachineBusy
from harness.measure import lock
from harness.measure.lock import machine_held


def test_a_second_measurement_is_told_who_holds_the_machine(tmp_path: Path) -> None:
    path = tmp_path / "measuring.lock"
    with (
        machine_held("a model", lock_file=path),
        pytest.raises(MachineBusy, match=f"a model, process {os.getpid()}, since 20"),
        machine_held("another", lock_file=path),
    ):
        pass


def test_the_machine_is_free_again_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "measuring.lock"
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), machine_held("a model", lock_file=path):
            _ = 1 / 0


def test_a_killed_holder_does_not_block_the_machine(tmp_path: Path) -> None:
    path = tmp_path / "measuring.lock"
    script = (
        "import os, pathlib, signal, sys\n"
        "from harness.measure.lock import machine_held\n"
        "with machine_held('x', lock_file=pathlib.Path(sys.argv[1])):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert json.loads(path.with_suffix(".json").read_text())["what"] == "x"
    with machine_held("the next", lock_file=path):
        assert json.loads(path.with_suffix(".json").read_text())["what"] == "the next"


def test_a_damaged_note_about_the_holder_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "measuring.lock"
    with machine_held("a model", lock_file=path):
        path.with_suffix(".json").write_text("[]")
        with (
            pytest.raises(MachineBusy, match="Another measurement"),
            machine_held("b", lock_file=path),
        ):
            pass


def test_waiting_ends_when_the_holder_is_done(tmp_path: Path) -> None:
    path = tmp_path / "measuring.lock"
    script = (
        "import pathlib, sys, time\n"
        "from harness.measure.lock import machine_held\n"
        "with machine_held('x', lock_file=pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); time.sleep(1)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with machine_held("the next", wait_ns=30_000_000_000, lock_file=path):
            assert holder.wait(5) == 0


def test_the_machine_is_kept_awake_as_long_as_it_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    @contextlib.contextmanager
    def keep_awake() -> Iterator[None]:
        seen.append("awake")
        yield
        seen.append("may sleep")

    monkeypatch.setattr(lock, "keep_awake", keep_awake)
    with machine_held("a model", lock_file=tmp_path / "measuring.lock"):
        assert seen == ["awake"]
    assert seen == ["awake", "may sleep"]
