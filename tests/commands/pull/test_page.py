from __future__ import annotations

from pathlib import Path

from harness.commands.pull.page import page
from harness.commands.pull.pull import FilesStatus, Question
from harness.models.status import FileState, ModelState, State
from harness.report.formats import FORMATS


def status(question: Question, state: State, n_bytes_here: int = 0) -> FilesStatus:
    file = FileState("a-Q4_0.gguf", 5_000_000, n_bytes_here, "0" * 64, state, Path("/a"))
    return FilesStatus(question, (ModelState("m:Q4_0", "lab/m", "abc", (file,)),))


def test_a_file_that_came_halfway_says_how_much_is_left() -> None:
    assert FORMATS["plain"](page(status("list", "partial", 2_000_000))) == (
        "model   file            size  sha256\n"
        "------  -----------  -------  -------------  -------------------------------\n"
        "m:Q4_0  a-Q4_0.gguf  5.00 MB  000000000000…  2.00 MB here, the rest to fetch\n"
        "\n"
        "3.00 MB to fetch"
    )


def test_only_what_was_to_be_verified_can_be_unwell() -> None:
    assert status("list", "missing").is_well
    assert not status("verify", "damaged").is_well
    assert status("verify", "unknown").is_well


def test_programs_get_the_whole_digest_and_the_state() -> None:
    (row,) = FORMATS["csv"](page(status("list", "missing"))).splitlines()[1:]
    assert row == f"m:Q4_0,a-Q4_0.gguf,5000000,0,{'0' * 64},missing,/a"
