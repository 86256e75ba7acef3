from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import scratch

NAME = f"x.{'0' * 8}.harness-tmp"

MAKE = """
import pathlib, sys
from harness import scratch
place = pathlib.Path(sys.argv[1])
with scratch.own_folder("folder", place) as folder, scratch.own_file("file", place) as file:
    (folder / "model.gguf").write_text("weights")
    print(folder, file, sep="\\n", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_process(place: Path) -> Iterator[tuple[subprocess.Popen[str], list[Path]]]:
    """A process, and what it holds in `place`."""
    command = [sys.executable, "-c", MAKE, str(place)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        yield process, [Path(process.stdout.readline().rstrip()) for _ in range(2)]
        process.kill()


def test_what_was_made_is_gone_after_the_block_and_after_an_interruption(tmp_path: Path) -> None:
    with scratch.own_folder("a", tmp_path) as folder, scratch.own_file("b", tmp_path) as file:
        (folder / "deep").mkdir()
        (folder / "deep" / "x").touch()
        file.write_text("x")
    with pytest.raises(KeyboardInterrupt), scratch.own_folder("a", tmp_path):
        raise KeyboardInterrupt
    assert [*tmp_path.iterdir()] == []


def test_a_published_file_stays(tmp_path: Path) -> None:
    with scratch.own_file("a", tmp_path) as file:
        file.write_text("whole")
        scratch.publish(file, tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "whole"


def test_what_a_living_process_uses_is_left_and_what_a_killed_one_left_is_removed(
    tmp_path: Path,
) -> None:
    with other_process(tmp_path) as (process, made):
        subprocess.run([sys.executable, "-c", _sweep(tmp_path)], check=True)
        assert all(path.exists() for path in made)
        process.kill()
        process.wait()
        assert all(path.exists() for path in made)
        scratch.sweep(tmp_path)
        assert [*tmp_path.iterdir()] == []


def _sweep(place: Path) -> str:
    return f"from harness import scratch; scratch.sweep(scratch.Path({str(place)!r}))"


def test_only_names_of_ours_are_removed_and_no_link_is_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "owner.lock").touch()
    place = tmp_path / "place"
    place.mkdir()
    (place / NAME).symlink_to(precious)
    (place / f"y.{'1' * 8}.harness-tmp").symlink_to(precious / "owner.lock")
    kept = ["a.gguf", "a.gguf.123.part", "x.harness-tmp", f"x.{'g' * 8}.harness-tmp"]
    for name in kept:
        (place / name).touch()
    scratch.sweep(place)
    assert {*kept} < {path.name for path in place.iterdir()}
    assert [path.name for path in precious.iterdir()] == ["owner.lock"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no FIFO")
def test_what_is_neither_file_nor_folder_is_left(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    (tmp_path / f"y.{'1' * 8}.harness-tmp").mkdir()
    os.mkfifo(tmp_path / f"y.{'1' * 8}.harness-tmp" / "owner.lock")
    scratch.sweep(tmp_path)  # and opening them waits for nobody
    assert (tmp_path / NAME).exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="has no users")
def test_what_belongs_to_another_user_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).touch()
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    scratch.sweep(tmp_path)
    assert (tmp_path / NAME).exists()


def test_a_folder_that_is_just_being_made_is_left_and_an_old_one_without_a_lock_is_not(
    tmp_path: Path,
) -> None:
    young, old = tmp_path / NAME, tmp_path / f"y.{'1' * 8}.harness-tmp"
    young.mkdir()
    old.mkdir()
    hour_ago = time.time() - 3600
    os.utime(old, (hour_ago, hour_ago))
    scratch.sweep(tmp_path)
    assert [*tmp_path.iterdir()] == [young]


def test_what_an_interruption_kept_from_being_removed_goes_at_the_end(tmp_path: Path) -> None:
    block = scratch.own_folder("a", tmp_path)
    assert block.__enter__().is_dir()
    scratch.remove_rest()
    assert [*tmp_path.iterdir()] == []
    block.__exit__(None, None, None)


def test_a_name_as_long_as_a_file_system_takes_is_no_hindrance(tmp_path: Path) -> None:
    with scratch.own_file("\N{GREEK SMALL LETTER ALPHA}" * 127, tmp_path) as file:
        assert file.exists()
