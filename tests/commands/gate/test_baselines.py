"""Baselines on the disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.gate import make_candidate, put

from harness.commands.gate.baselines import (
    baseline_path,
    list_baselines,
    offered,
    remove_baseline,
    save_baseline,
)
from harness.errors import ResultsInvalid, ResultsUnwritable, UsageError
from harness.records.listing import list_experiments
from harness.records.store import load

FOLDER = Path("results")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return put(tmp_path / "results", make_candidate(), n_runs=3)


def test_a_baseline_is_a_whole_copy_that_no_list_of_experiments_shows(
    tmp_path: Path, source: Path
) -> None:
    results = source.parent
    saved = save_baseline(results, "main", source)
    assert saved.path == results / "baselines" / "main.jsonl"
    assert saved.path.read_bytes() == source.read_bytes()
    assert [each.path for each in list_experiments(results)] == [source]
    assert [each.path.stem for each in list_baselines(results)] == ["main"]
    source.unlink()
    assert load(saved.path).experiment.id == "cand01"
    assert [each.name for each in saved.path.parent.iterdir()] == ["main.jsonl"]


def test_a_name_that_is_taken_is_kept_unless_told_otherwise(source: Path) -> None:
    results = source.parent
    save_baseline(results, "main", source)
    other = put(results, make_candidate("other1", day=21), n_runs=3)
    with pytest.raises(UsageError, match="--force"):
        save_baseline(results, "main", other)
    assert load(baseline_path(results, "main")).experiment.id == "cand01"
    save_baseline(results, "main", other, may_replace=True)
    assert load(baseline_path(results, "main")).experiment.id == "other1"


def test_what_cannot_be_read_or_holds_nothing_is_no_baseline(tmp_path: Path, source: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("no record\n", "utf-8")
    empty = put(tmp_path / "elsewhere", make_candidate(), [])
    for path in (broken, empty):
        with pytest.raises(ResultsInvalid):
            save_baseline(source.parent, "main", path)
    assert list_baselines(source.parent) == []


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../main", "a/b", "a\\b", "/tmp/x", "C:x", ".hidden", "-rf", "a b", "a."),
        *("latest", "best", "LATEST", "main.jsonl", "con", "NUL", "com1.txt", "a\nb", "a\0b", "é"),
        "x" * 65,
    ],
)
def test_names_that_would_be_trouble_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        baseline_path(FOLDER, name)


@pytest.mark.parametrize("name", ["main", "release-1.2", "2026-11-24", "a", "console", "x" * 64])
def test_ordinary_names_are_taken(name: str) -> None:
    assert baseline_path(FOLDER, name).name == f"{name}.jsonl"


@given(st.text())
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    try:
        path = baseline_path(FOLDER, name)
    except UsageError:
        return
    assert path.parent == FOLDER / "baselines"
    assert path.name == f"{name}.jsonl"


def test_removing_one_that_is_not_there_tells_which_are(source: Path) -> None:
    results = source.parent
    save_baseline(results, "main", source)
    with pytest.raises(ResultsInvalid, match=r"Saved: main\."):
        remove_baseline(results, "old")
    remove_baseline(results, "main")
    assert offered(results) == f"None is saved in {results}."


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="needs a folder that refuses"
)
def test_a_folder_that_refuses_is_named(source: Path) -> None:
    results = source.parent
    results.chmod(0o500)
    try:
        with pytest.raises(ResultsUnwritable, match="baselines"):
            save_baseline(results, "main", source)
    finally:
        results.chmod(0o700)


def test_a_file_in_the_place_of_the_folder_is_named(source: Path) -> None:
    (source.parent / "baselines").touch()
    with pytest.raises(ResultsUnwritable, match="baselines"):
        save_baseline(source.parent, "main", source)
