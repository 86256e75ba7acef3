from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ResultsInvalid
from harness.records.chosen import choose


def no_names(key: str) -> set[str]:
    return {key}


def test_a_file_that_is_no_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing measured")
    with pytest.raises(ResultsInvalid, match=r"notes\.txt is no experiment file"):
        choose([str(path)], tmp_path / "results", no_names)


def test_a_word_is_a_selector_though_a_file_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("latest").write_text("nothing measured")
    with pytest.raises(ResultsInvalid, match="No experiment is stored in results"):
        choose(["latest"], Path("results"), no_names)
