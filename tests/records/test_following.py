from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import make_end, make_experiment, make_runs

from harness.errors import ResultsInvalid
from harness.records.following import FollowedExperiment
from harness.records.store import whole

EXPERIMENT = make_experiment()
RUNS = make_runs(4)
DATA = whole(EXPERIMENT, RUNS, make_end(4))


def indices(file: FollowedExperiment) -> list[int]:
    return [run.index for run in file.new_runs()]


@given(cuts=st.lists(st.integers(0, len(DATA)), max_size=8).map(sorted))
def test_however_a_file_grows_each_run_is_told_once(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("follow") / "x.jsonl"
    file, told = FollowedExperiment(path), []
    for cut in [*cuts, len(DATA)]:
        path.write_bytes(DATA[:cut])
        told += indices(file)
        assert told == list(range(len(told)))
        assert len(told) == max(0, DATA[:cut].count(b"\n") - 1 - (cut == len(DATA)))
    assert file.experiment == EXPERIMENT
    assert file.end == make_end(4)


def test_a_file_that_comes_later_goes_and_comes_back_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    file = FollowedExperiment(path)
    assert indices(file) == []
    lines = DATA.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    assert indices(file) == [0, 1]
    path.unlink()
    assert indices(file) == []
    path.write_bytes(b"".join(lines[:4]))
    assert indices(file) == [2]


def test_a_file_that_is_replaced_tells_only_what_is_new(tmp_path: Path) -> None:
    path, aside = tmp_path / "x.jsonl", tmp_path / "aside"
    lines = DATA.splitlines(keepends=True)
    file = FollowedExperiment(path)
    path.write_bytes(b"".join(lines[:4]))
    assert indices(file) == [0, 1, 2]
    aside.write_bytes(b"".join(lines[:2]))
    aside.replace(path)
    assert indices(file) == []
    aside.write_bytes(DATA)
    aside.replace(path)
    assert indices(file) == [3]
    assert file.end


def test_another_experiment_in_its_place_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    file = FollowedExperiment(path)
    path.write_bytes(whole(EXPERIMENT, RUNS[:2], make_end()).rsplit(b"\n", 2)[0] + b"\n")
    assert indices(file) == [0, 1]
    path.unlink()
    path.write_bytes(whole(make_experiment(id="another"), RUNS[:1], make_end()))
    with pytest.raises(ResultsInvalid, match="another"):
        file.new_runs()


@pytest.mark.parametrize("line", [b"nonsense\n", b"{}\n", b'{"kind": "run"}\n'])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(DATA.splitlines(keepends=True)[0] + line)
    with pytest.raises(ResultsInvalid, match=r"x\.jsonl, line 2"):
        FollowedExperiment(path).new_runs()


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsInvalid):
        FollowedExperiment(tmp_path).new_runs()
