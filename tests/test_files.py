from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import FetchFailed
from harness.files import atomic_write, cannot, require_space, system_reason, unreadable


def test_a_file_is_there_whole_once_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    with atomic_write(target) as part:
        part.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert [*tmp_path.iterdir()] == [target]


def test_what_was_there_stays_where_the_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")

    def write() -> None:
        with atomic_write(target) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert target.read_text() == "old"
    assert [*tmp_path.iterdir()] == [target]


def test_two_processes_that_write_one_file_each_write_a_whole_one(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    other = f"""
import pathlib, sys
from harness.files import atomic_write
with atomic_write(pathlib.Path({str(target)!r})) as part:
    part.write_text("theirs")
"""
    with atomic_write(target) as part:
        part.write_text("ours, half of it")
        subprocess.run([sys.executable, "-c", other], check=True)
        assert target.read_text() == "theirs"
        part.write_text("ours")
    assert target.read_text() == "ours"


def test_what_a_killed_process_left_beside_it_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"b.gguf.{'0' * 8}.harness-tmp").write_text("half")
    with atomic_write(tmp_path / "a.gguf") as part:
        part.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.gguf"]


def test_a_document_is_as_readable_as_any_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with atomic_write(tmp_path / "a") as part:
        part.write_text("")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_system_is_quoted_in_one_way(tmp_path: Path) -> None:
    try:
        (tmp_path / "none").read_bytes()
    except OSError as error:
        told = unreadable(tmp_path / "none", error)
    reason = "No such file or directory"
    advice = "check the file and its permissions"
    assert told == f"{tmp_path / 'none'} cannot be read ({reason}); {advice}"
    full = OSError(28, "No space left on device")
    assert cannot("written", "x", full, "make room") == (
        "x cannot be written (No space left on device); make room"
    )
    assert [system_reason(OSError("it ended")), system_reason(OSError())] == ["it ended", "OSError"]


def test_room_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    require_space(tmp_path, 1, "this")
    with pytest.raises(FetchFailed, match="make room, or set HARNESS_CACHE to a folder"):
        require_space(tmp_path, 1 << 60, "this")
