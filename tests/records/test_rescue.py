"""What is measured and cannot be kept in its place, for every kind of record."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from analysis.speed.test_calibration import calibrated
from make.quality import make_record
from make.records import make_end, make_experiment, make_machine, make_run

from harness.errors import ResultsUnwritable
from harness.measure.speed_here import save_calibration
from harness.records.quality import load_quality, save_quality
from harness.records.rescue import require_writable, rescued
from harness.records.store import ExperimentWriter


def test_a_folder_that_takes_records_is_left_as_it_was(tmp_path: Path) -> None:
    require_writable(tmp_path / "none" / "yet")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_records_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    for folder in (tmp_path / "taken", tmp_path / "taken" / "results"):
        with pytest.raises(ResultsUnwritable, match=f"{folder} cannot be written.*--results DIR"):
            require_writable(folder)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_on_which_only_the_name_of_a_file_fits_takes_no_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> IO[bytes]:
        return Path("/dev/full").open("wb", buffering=0)

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(ResultsUnwritable, match="No space left"):
        require_writable(tmp_path)


def test_scores_that_cannot_be_kept_in_their_place_are_kept_elsewhere(
    tmp_path: Path, temporary: Path
) -> None:
    (tmp_path / "quality").touch()
    record = make_record(())
    with pytest.raises(ResultsUnwritable, match="its scores are kept in ") as caught:
        save_quality(tmp_path, record)
    (kept,) = temporary.glob("*/*.json")
    assert str(kept) in str(caught.value)
    assert load_quality(kept) == record


def test_a_calibration_that_cannot_be_kept_in_its_place_is_kept_elsewhere(
    tmp_path: Path, temporary: Path
) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(ResultsUnwritable, match="the calibration is kept in ") as caught:
        save_calibration(calibrated(), make_machine(), tmp_path / "taken")
    (kept,) = temporary.glob("*/*.json")
    assert str(kept) in str(caught.value)


def test_where_nothing_can_be_written_nothing_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert rescued("x.jsonl", b"") is None


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"{}\n")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: shutil.rmtree(path.parent), "removed"),
        (Path.unlink, "removed"),
        (lambda path: path.write_bytes(b""), "changed"),
        (_append, "changed"),
    ],
)
def test_a_record_that_others_removed_or_changed_is_refused_with_the_next_line(
    tmp_path: Path, harm: Callable[[Path], None], said: str
) -> None:
    with ExperimentWriter(tmp_path / "results", make_experiment()) as writer:
        writer.append_run(make_run())
        harm(writer.path)
        with pytest.raises(ResultsUnwritable, match=f"was {said} by another program"):
            writer.require_whole()
        with pytest.raises(ResultsUnwritable, match=f"was {said} by another program"):
            writer.finish(make_end(1))
