"""Results folders and disks that refuse: what was measured is shown, the record stays readable."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.commandline import QUICK, Home
from harness.records.store import load


@pytest.mark.slow
def test_a_results_folder_that_is_a_file_is_refused_before_measuring(home: Home) -> None:
    (home.folder / "taken").touch()
    done = home.harness("run", "-q", "tiny-random", *QUICK, "--results", "taken")

    assert done.exit_code == 2
    error = done.error()
    assert "taken" in error
    assert "--results" in error


@pytest.mark.slow
def test_a_results_folder_that_cannot_be_made_is_refused_before_measuring(home: Home) -> None:
    (home.folder / "file").touch()
    done = home.harness("run", "-q", "tiny-random", *QUICK, "--results", "file/results")

    assert done.exit_code == 2
    assert "file/results" in done.error()
    assert "--results" in done.error()


def test_a_results_folder_that_cannot_be_read_is_named(home: Home) -> None:
    home.results.touch()
    done = home.harness("show")

    assert done.exit_code == 2
    assert "results is a file; name a folder" in done.error()


def test_a_lock_that_cannot_be_taken_is_named(home: Home) -> None:
    home.lock.mkdir()
    done = home.harness("run", "-q", "tiny-random", *QUICK)

    assert done.exit_code == 1
    assert str(home.lock) in done.error()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_a_disk_that_fills_up_while_measuring_costs_only_what_did_not_fit(home: Home) -> None:
    import resource

    with home.started("run", "tiny-random", *QUICK, "--runs", "3") as run:
        run.said("run  1  ")
        # No file of that process may grow beyond this from now on: write() fails as on a full disk.
        n_bytes = home.record().stat().st_size + 100
        resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
        done = run.done()

    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("tiny-random:Q8_0")
    assert "tg8" in done.stdout
    error = done.stderr.splitlines()[-1]
    assert "cannot be written (" in error
    assert home.record().name in error
    stored = load(home.record())
    assert (len(stored.runs), stored.end, stored.n_torn) == (1, None, 0)
    assert home.harness("show", "latest").exit_code == 0


def _remove_folder(record: Path) -> None:
    shutil.rmtree(record.parent)


def _remove_record(record: Path) -> None:
    record.unlink()


def _shorten(record: Path) -> None:
    with record.open("rb+") as file:
        file.truncate(100)


def _write_to(record: Path) -> None:
    with record.open("ab") as file:
        file.write(b"{}\n")


def _replace(record: Path) -> None:
    data = record.read_bytes()
    record.unlink()
    record.write_bytes(data)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
@pytest.mark.parametrize(
    "harm",
    [_remove_folder, _remove_record, _shorten, _write_to, _replace],
    ids=lambda it: it.__name__,
)
def test_a_record_that_vanishes_or_changes_while_measuring_is_kept_elsewhere(
    home: Home, harm: Callable[[Path], None]
) -> None:
    with home.started("run", "tiny-random", *QUICK, "--runs", "3") as run:
        run.said("run  1  ")
        harm(home.record())
        done = run.done()

    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("tiny-random:Q8_0")
    error = done.stderr.splitlines()[-1]
    assert error.startswith("Error: ")
    (kept,) = home.temporary.glob("harness-kept-*/*.jsonl")
    assert str(kept) in error
    assert f"Record: {kept}" in done.stderr
    stored = load(kept)
    assert stored.runs
    assert stored.is_complete
    assert home.harness("show", kept).exit_code == 0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for the first line of a record, and little else."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", "size=12k", "tmpfs", str(folder)]
        mounted = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_an_error_after_the_table(home: Home, tiny_disk: Path) -> None:
    # Two hundred step times and more: no Run fits beside the experiment's first line.
    done = home.harness("run", "tiny-random", *QUICK, "-w", "tg200", "--results", tiny_disk)

    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    assert "tg200" in done.stdout
    assert "No space left" in done.stderr.splitlines()[-1]
    (path,) = tiny_disk.glob("*.jsonl")
    assert load(path).n_torn == 0


def test_a_disk_without_any_room_is_refused_before_measuring(home: Home, tiny_disk: Path) -> None:
    with (tiny_disk / "filler").open("wb") as filler:
        filler.write(bytes(12 * 1024))
    done = home.harness("run", "-q", "tiny-random", *QUICK, "--results", tiny_disk)

    assert done.exit_code == 1
    assert "No space left" in done.error()
    assert list(tiny_disk.glob("*.jsonl")) == []
