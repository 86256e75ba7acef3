from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import MachineBusy
from harness.measure import holder
from harness.measure.holder import described, remove_note, write_note
from harness.measure.lock import machine_held


def note(**changed: object) -> str:
    facts = {"pid": os.getpid(), "what": "a model", "started_at": "2026-01-02T03:04:05+00:00"}
    return json.dumps(facts | changed)


def test_a_note_says_what_is_measured_by_whom_and_since_when(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    assert write_note(path, "m" * 5000)
    assert described(path).startswith(f": {'m' * 100}, process {os.getpid()}, since 20")
    remove_note(path)
    assert described(path) == ""


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


PLANTED: dict[str, Callable[[Path], object]] = {
    "a FIFO": fifo,
    "a folder": Path.mkdir,
    "a folder with something in it": lambda path: (path / "x").mkdir(parents=True),
    "a link to an endless file": endless,
    "a link to nowhere": lambda path: path.symlink_to(path.with_name("none")),
    "a link to itself": lambda path: path.symlink_to(path),
    "nothing": lambda path: path.write_text(""),
    "a list": lambda path: path.write_text("[]"),
    "no text": lambda path: path.write_bytes(b"\xff\0" * 99),
    "endless nesting": lambda path: path.write_text("[" * 4000),
    "a huge file": huge,
    "a number that is no process": lambda path: path.write_text(note(pid=2**80)),
    "a process that never was": lambda path: path.write_text(note(pid=2**22 + 5)),
    "a negative process": lambda path: path.write_text(note(pid=-1)),
    "no process": lambda path: path.write_text(note(pid=True)),
    "no time": lambda path: path.write_text(note(started_at="\x1b]0;x\x07")),
    "a thousand digits": lambda path: path.write_text('{"pid":' + "9" * 4000 + "}"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="FIFO")
@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED.keys())
def test_whatever_is_planted_in_its_place_neither_hangs_nor_breaks_nor_is_believed(
    plant: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "measuring.lock"
    plant(path.with_suffix(".json"))
    assert described(path.with_suffix(".json")) == ""
    with (
        machine_held("a model", lock_file=path),
        pytest.raises(MachineBusy, match=r"running on this machine(: a model, process \d+, .*)?\."),
        machine_held("b", lock_file=path),
    ):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    path, mine = tmp_path / "note.json", tmp_path / "mine"
    mine.write_text(note())
    path.symlink_to(mine)
    assert described(path) == ""
    assert write_note(path, "x")
    assert not path.is_symlink()
    assert mine.read_text() == note()


def test_a_note_with_escapes_is_shown_without_them(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    path.write_text(note(what="\x1b[2Ja\n::error::\u202eb"))
    assert described(path).startswith(": ?[2Ja?::error::?b, process ")


@pytest.mark.skipif(sys.platform == "win32", reason="users")
def test_a_note_that_names_a_process_of_another_user_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "note.json"
    path.write_text(note())
    monkeypatch.setattr(holder, "_read", lambda _: (note(), os.getuid() + 1))
    assert described(path) == ""


def test_what_a_killed_process_left_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    path.write_text(note(pid=process.pid))
    assert described(path) == ""
