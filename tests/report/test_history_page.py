"""A case over builds and days."""

from __future__ import annotations

from itertools import pairwise

from make.gate import make_candidate, make_rounds
from make.records import make_model, make_run
from make.scopes import pictures_of, scope_of, summaries, table_of

from harness.analysis.gate.judge import Judgement, Limits, judge_figures
from harness.analysis.measured import measured_of
from harness.report.gate_words import sentence
from harness.report.history_page import history_page
from harness.report.page import Judged, Page
from harness.schema.figure import Figure


def test_a_case_is_followed_over_builds_the_oldest_first() -> None:
    new = make_candidate("new001", day=9, build="bbbb", workloads=("tg128",))
    old = make_candidate("old001", day=2, build="aaaa", workloads=("tg128",))
    scope = scope_of((new, make_rounds(new, slowdown=0.3)), (old, make_rounds(old)))
    page = history_page(scope)
    rows = table_of(page).rows
    assert [row[2] for row in rows] == ["aaaa", "bbbb"]
    words = [cell.word for row in rows for cell in row if isinstance(cell, Judged)]
    assert words == ["", "", "slower", "regression"]
    marks = summaries(pictures_of(page)["history"])
    medians = [row[4] for row in rows]
    assert [mark.x for mark in marks] == [it.value for it in medians if isinstance(it, Figure)]
    assert [str(mark.y).split(" · ")[1] for mark in marks] == ["aaaa", "bbbb"]
    assert [mark.label.endswith("; gate: regression") for mark in marks] == [False, True]


def test_what_was_measured_once_has_no_history() -> None:
    experiment = make_candidate()
    other = make_candidate("other1", workloads=("pp128",))
    scope = scope_of((experiment, make_rounds(experiment)), (other, make_rounds(other)))
    assert history_page(scope) == ()


def gates(page: Page) -> list[tuple[str, str]]:
    """The gate's word and its sentence, row by row."""
    found = [row[-1] for row in table_of(page).rows]
    return [(cell.word, cell.message) for cell in found if isinstance(cell, Judged)]


def test_the_gate_says_of_each_time_what_it_says_as_a_command() -> None:
    old = make_candidate("old001", day=2, build="aaaa", workloads=("tg128",))
    same = make_candidate("same01", day=4, build="bbbb", workloads=("tg128",))
    slow = make_candidate("slow01", day=6, build="cccc", workloads=("tg128",))
    runs = [make_rounds(old), make_rounds(same, seed=2), make_rounds(slow, slowdown=0.3)]
    page = history_page(scope_of((slow, runs[2]), (old, runs[0]), (same, runs[1])))
    pairs = [measured_of(it, of) for it, of in zip((old, same, slow), runs, strict=True)]
    expected = [
        Judgement(tuple(judge_figures([(a, b)], Limits())), Limits())
        for (a,), (b,) in pairwise(pairs)
    ]
    assert [it.verdict for it in expected] == ["pass", "regression"]
    assert gates(page)[0] == ("", "")
    assert gates(page)[1:] == [(it.verdict, sentence(it)) for it in expected]


def test_a_figure_of_the_whole_model_that_decided_is_named() -> None:
    old = make_candidate("old001", day=2, workloads=("tg128",))
    new = make_candidate("new001", day=9, workloads=("tg128",))
    (mark,) = make_run().memory
    more = (mark.model_copy(update={"peak_bytes": 2 * (mark.peak_bytes or 0)}),)
    page = history_page(
        scope_of((old, make_rounds(old)), (new, make_rounds(new, memory=more, seed=1)))
    )
    _, (word, message) = gates(page)
    assert word == "regression: memory peak"
    assert message.startswith("Regression: memory peak of smollm2-135m")


def test_another_file_of_the_same_name_is_not_judged() -> None:
    old = make_candidate("old001", day=2, workloads=("tg128",))
    changed = (make_model(sha256="f" * 64),)
    new = make_candidate("new001", day=9, workloads=("tg128",), models=changed)
    page = history_page(scope_of((old, make_rounds(old)), (new, make_rounds(new))))
    _, (word, message) = gates(page)
    assert word.startswith("inconclusive")
    assert "another file" in message
