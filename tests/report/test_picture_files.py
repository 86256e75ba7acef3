"""Pictures of pages as files: each once, whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from make.pictures import depth, memory

from harness.errors import HarnessError, ResultsUnwritable, UsageError
from harness.report import charts, picture_files
from harness.report.page import Note, Page
from harness.report.picture_files import write_pictures

if not charts.can_draw():
    pytest.skip(charts.MISSING, allow_module_level=True)

PAGES: list[Page] = [(Note(("words",)), memory()), (depth(), replace(depth(), name="DEPTH"))]


def test_each_picture_becomes_a_file_of_its_name_and_none_takes_anothers(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    paths = write_pictures(PAGES, folder, "svg")
    assert [it.name for it in paths] == ["memory.svg", "depth.svg", "depth-2.svg"]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert all(it.read_text("utf-8").startswith("<svg ") for it in paths)


def test_a_png_is_a_png(tmp_path: Path) -> None:
    (path,) = write_pictures(PAGES[:1], tmp_path, "png")
    assert path.read_bytes().startswith(b"\x89PNG\r\n")


def test_a_hostile_name_stays_in_its_folder(tmp_path: Path) -> None:
    picture = replace(memory(), name="../../<etc>/\u202epasswd" + "x" * 400)
    (path,) = write_pictures([(picture,), (replace(picture, marks=()),)], tmp_path, "svg")
    assert path.parent == tmp_path
    assert path.name.startswith("etc-passwdxx")
    assert len(path.name) < 100


def test_what_is_there_stays_unless_it_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "depth.svg").write_text("mine")
    with pytest.raises(UsageError, match=r"depth\.svg exists; --force overwrites it"):
        write_pictures(PAGES, tmp_path, "svg")
    assert [it.name for it in tmp_path.iterdir()] == ["depth.svg"]
    write_pictures(PAGES, tmp_path, "svg", may_replace=True)
    assert (tmp_path / "depth.svg").read_text("utf-8") != "mine"


def test_a_place_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "no" / "such", tmp_path / "file"):
        with pytest.raises(ResultsUnwritable, match="choose another folder with --svg DIR"):
            write_pictures(PAGES, folder, "svg")


def test_without_what_draws_the_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_files, "can_draw", lambda: False)
    with pytest.raises(HarnessError, match="pip install altair vl-convert-python"):
        write_pictures(PAGES, tmp_path / "new", "svg")
    assert not (tmp_path / "new").exists()
