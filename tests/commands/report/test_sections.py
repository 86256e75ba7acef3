"""The document as a reader meets it, without its pictures."""

from __future__ import annotations

import re
from pathlib import Path

from make.gate import make_candidate, make_rounds
from make.html_tables import ReadPage
from make.records import make_end, make_failed_run, make_machine

from harness.commands.report.report import ReportRequest, report
from harness.commands.report.sections import sections
from harness.records.store import write_whole
from harness.report.html import document
from harness.schema.experiment import Experiment, Run


def put(
    folder: Path, experiment: Experiment, runs: list[Run] | None = None, slowdown: float = 0.0
) -> None:
    made = make_rounds(experiment, slowdown=slowdown) if runs is None else runs
    write_whole(folder, experiment, made, make_end(len(made)))


def html(folder: Path) -> str:
    return document("Report", sections(report(ReportRequest((str(folder),), folder))))


def test_nobody_learns_from_the_page_in_which_folder_it_was_made(tmp_path: Path) -> None:
    folder = tmp_path / "secret-place"
    put(folder, make_candidate())
    (folder / "alien.jsonl").write_text("{}\n")
    text = html(folder)
    assert "alien.jsonl" in text
    assert "secret-place" not in text


def test_the_chapters_that_the_method_names_are_there(tmp_path: Path) -> None:
    put(tmp_path, make_candidate())
    named = set(re.findall(r"[\w-]+\.md", html(tmp_path)))
    chapters = Path(__file__).resolve().parents[3] / "docs" / "method"
    assert (
        {"statistics.md", "verdicts.md", "gate.md"}
        <= named
        <= {it.name for it in chapters.iterdir()}
    )


def test_results_of_two_machines_stand_side_by_side_and_never_in_one_figure(tmp_path: Path) -> None:
    other = make_machine(id="feedbeef", cpu="Apple M9", memory_bytes=96 << 30)
    put(tmp_path, make_candidate("mine01", day=2))
    put(tmp_path, make_candidate("theirs", day=3, machine=other), slowdown=2.0)
    page = ReadPage(html(tmp_path))
    board, *verdicts = page.of("Verdicts")
    assert board.rows[0][1:] == ["Apple M9, 2 cores, 96.0 GiB", "AMD EPYC, 2 cores, 23.4 GiB"]
    assert len(verdicts) == 2
    tables = page.of("Speed")
    assert ["Apple M9" in it.caption for it in tables] == [True, False]
    slow, fast = (max(map(float, it.column("median"))) for it in tables)
    assert fast > 2 * slow
    assert page.of("Over time") == []


def test_what_failed_is_told_where_nothing_else_is(tmp_path: Path) -> None:
    put(tmp_path, make_candidate("dead01"), [make_failed_run()])
    page = ReadPage(html(tmp_path))
    assert page.of("Verdicts")[0].column("verdict") == ["does not run"]
    assert "does not run (The system killed the worker" in page.text
