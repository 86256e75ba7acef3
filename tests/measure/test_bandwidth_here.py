"""The best known reading of this machine's memory, kept from one command to the next."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from make.memory_reading import watched
from make.records import make_machine

from harness.errors import HarnessError
from harness.measure import bandwidth_here as module
from harness.measure.bandwidth_here import bandwidth_here, read_now, stored_bandwidth

Reads = Callable[..., list[int]]
MACHINE = make_machine()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    return tmp_path / "bandwidths"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Makes the memory give these, one after the other; the list counts the readings taken."""

    def give(*readings: tuple[float, float | None]) -> list[int]:
        taken: list[int] = []

        def answer(_: object, n_threads: int) -> object:
            taken.append(n_threads)
            return watched(*readings[len(taken) - 1], n_threads)

        monkeypatch.setattr(module, "watched_bandwidth", answer)
        return taken

    return give


def test_a_busy_minute_moves_no_prediction_once_the_machine_was_quiet(reads: Reads) -> None:
    reads((30, 0.0), (3, 0.8), (12, 0.4))
    for _ in range(3):
        assert bandwidth_here(MACHINE, 2).known.best.bytes_per_s == 30 * 10**9


def test_the_memory_is_read_no_more_once_it_was_quiet_three_times(reads: Reads) -> None:
    taken = reads((30, 0.0), (31, 0.0), (4, 0.7), (29, 0.0))
    for _ in range(8):
        found = bandwidth_here(MACHINE, 2)
    assert len(taken) == 4
    assert found.known.n_quiet == 3
    assert found.known.best.bytes_per_s == 31 * 10**9


def test_what_reads_it_anyway_adds_to_what_is_known(reads: Reads) -> None:
    reads((20, 0.0), (33, 0.0))
    sample, _ = read_now(MACHINE, 2)
    assert sample.q90_bytes_per_s == 20 * 10**9
    _, here = read_now(MACHINE, 2)
    assert here.known.best.bytes_per_s == 33 * 10**9
    assert "gave 20.0 GB/s" in here.notes[0]


def test_other_threads_and_other_machines_are_read_apart(reads: Reads) -> None:
    taken = reads((30, 0.0), (18, 0.0), (9, 0.0), (7, 0.0))
    other = make_machine(id="aaaaaaaaaa", memory_bytes=1 << 33)
    asked = [(MACHINE, 2), (MACHINE, 1), (other, 2), (make_machine(n_cores_usable=1), 2)]
    best = [bandwidth_here(*each).known.best.bytes_per_s / 1e9 for each in asked]
    assert best == [30, 18, 9, 7]
    assert taken == [2, 1, 2, 2]


def test_a_container_that_sees_no_sys_finds_what_its_machine_was_read_at(reads: Reads) -> None:
    reads((30, 0.0), (3, 0.8))
    bandwidth_here(MACHINE, 2)
    blind = make_machine(
        id="bbbbbbbbbb", n_cores_physical=None, core_levels=(), last_level_cache_bytes=None
    )
    assert bandwidth_here(blind, 2).known.best.bytes_per_s == 30 * 10**9


def test_what_is_known_holds_where_the_memory_cannot_be_read_now(
    reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise HarnessError("it hung")

    reads((30, 0.0))
    bandwidth_here(MACHINE, 2)
    monkeypatch.setattr(module, "watched_bandwidth", refuse)
    assert bandwidth_here(MACHINE, 2).known.best.bytes_per_s == 30 * 10**9
    with pytest.raises(HarnessError, match="it hung"):
        bandwidth_here(MACHINE, 1)


def _changed(path: Path, old: str, new: str) -> None:
    text = path.with_suffix(".was").read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text(""),
        lambda path: path.write_text("{}"),
        lambda path: path.write_text("nonsense"),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.write_bytes(b"\xff\x00" * 10_000),
        lambda path: _changed(path, "30000", "9" * 30),
        lambda path: _changed(path, '"version": 1', '"version": 99'),
        lambda path: _changed(path, '"read_at": "2', '"read_at": "\\u001b[2J'),
        lambda path: _changed(path, f'"id": "{MACHINE.id}', '"id": "../../3f2a91c04d'),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path),
        _fifo,
        _folder,
    ],
)
def test_a_spoilt_file_is_one_line_and_counts_for_nothing(
    spoil: Callable[[Path], object], cache: Path, reads: Reads
) -> None:
    reads((30, 0.0), (20, 0.0), (21, 0.0))
    bandwidth_here(MACHINE, 2)
    (path,) = cache.iterdir()
    path.rename(path.with_suffix(".was"))
    spoil(path)
    here = bandwidth_here(MACHINE, 2)
    assert here.known.best.bytes_per_s == 20 * 10**9
    (note,) = here.notes
    assert str(path) in note
    assert "\n" not in note
    assert "\x1b" not in note
    notes: list[str] = []
    if not path.is_dir():
        # It was replaced, and is read as any other.
        assert stored_bandwidth(MACHINE, 2, notes) is not None
        assert not notes


def test_a_cache_that_cannot_be_written_hinders_nothing(
    tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file" / "below"))
    reads((30, 0.0))
    assert bandwidth_here(MACHINE, 2).known.best.bytes_per_s == 30 * 10**9
