from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from make.quality import make_chunks, make_record

from harness.errors import ResultsInvalid, ResultsUnwritable
from harness.records.listing import list_experiments
from harness.records.quality import list_qualities, load_quality, quality_folder, save_quality
from harness.records.rescue import require_writable
from harness.schema.quality import QualityRecord

CHUNKS, _ = make_chunks(np.random.default_rng(1), 2)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    record = make_record(CHUNKS)
    path = save_quality(tmp_path, record)
    assert path.parent == tmp_path / "quality"
    assert path.name.startswith("20261124T010000Z-")
    assert path.name.endswith("-0123abcd.json")
    assert load_quality(path) == record
    assert [path.name for path in path.parent.iterdir()] == [path.name]


def test_qualities_are_listed_by_age_and_experiments_without_them(tmp_path: Path) -> None:
    late = save_quality(tmp_path, make_record(CHUNKS, started_at="2026-11-25T01:00:00+00:00"))
    early = save_quality(tmp_path, make_record(CHUNKS))
    (tmp_path / "quality" / "notes.json").write_text("{}")
    found = list_qualities(tmp_path)
    assert [it.path.name for it in found] == ["notes.json", early.name, late.name]
    assert found[0].problem is not None
    assert "no quality result" in found[0].problem
    assert list_experiments(tmp_path) == []


def test_no_folder_holds_nothing(tmp_path: Path) -> None:
    assert list_qualities(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 99}, "Upgrade"),
        ({"schema": "1"}, "which schema"),
        ({"kind": "experiment"}, "no quality result"),
        ({"n_ctx": -1}, "n_ctx"),
        ({"chunks": [{"index": 0}]}, r"chunks\.0"),
        ({"surprise": 1}, "surprise"),
        ({"started_at": "yesterday"}, "started_at: it is no time"),
    ],
)
def test_a_damaged_document_is_one_clear_line(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = save_quality(tmp_path, make_record(CHUNKS))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ResultsInvalid, match=said) as caught:
        load_quality(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": NaN}', "\x00" * 100])
def test_what_is_no_document_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ResultsInvalid, match="no quality result"):
        load_quality(path)


def test_a_figure_that_is_no_number_is_not_read(tmp_path: Path) -> None:
    path = save_quality(tmp_path, make_record(CHUNKS))
    facts = json.loads(path.read_text())
    facts["chunks"][0]["sum_nll"] = 1e400
    path.write_text(json.dumps(facts).replace("Infinity", "1e400"))
    with pytest.raises(ResultsInvalid, match="1e400 is not JSON"):
        load_quality(path)


@pytest.mark.usefixtures("temporary")
def test_a_folder_that_cannot_be_written_is_said_before_and_after(tmp_path: Path) -> None:
    blocked = tmp_path / "results"
    blocked.write_text("a file")
    with pytest.raises(ResultsUnwritable, match="--results"):
        require_writable(quality_folder(blocked))
    with pytest.raises(ResultsUnwritable, match="--results"):
        save_quality(blocked, make_record(CHUNKS))


def test_a_disk_that_fills_up_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResultsUnwritable, match="No space left"):
        save_quality(tmp_path, make_record(CHUNKS))
    assert list((tmp_path / "quality").iterdir()) == []


def test_a_record_of_a_later_field_is_not_taken_for_ours() -> None:
    facts = make_record(CHUNKS).model_dump(by_alias=True)
    assert QualityRecord.model_validate(facts).schema_version == 1
