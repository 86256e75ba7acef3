"""A case over builds and days."""

from __future__ import annotations

from make.gate import make_candidate, make_rounds
from make.scopes import pictures_of, scope_of, summaries, table_of

from harness.report.history_page import history_page
from harness.report.page import Judged
from harness.schema.figure import Figure


def test_a_case_is_followed_over_builds_the_oldest_first() -> None:
    new = make_candidate("new001", day=9, build="bbbb", workloads=("tg128",))
    old = make_candidate("old001", day=2, build="aaaa", workloads=("tg128",))
    scope = scope_of((new, make_rounds(new, slowdown=0.3)), (old, make_rounds(old)))
    page = history_page(scope)
    rows = table_of(page).rows
    assert [row[2] for row in rows] == ["aaaa", "bbbb"]
    words = [cell.word for row in rows for cell in row if isinstance(cell, Judged)]
    assert words == ["", "slower"]
    marks = summaries(pictures_of(page)["history"])
    medians = [row[4] for row in rows]
    assert [mark.x for mark in marks] == [it.value for it in medians if isinstance(it, Figure)]
    assert [str(mark.y).split(" · ")[1] for mark in marks] == ["aaaa", "bbbb"]


def test_what_was_measured_once_has_no_history() -> None:
    experiment = make_candidate()
    other = make_candidate("other1", workloads=("pp128",))
    scope = scope_of((experiment, make_rounds(experiment)), (other, make_rounds(other)))
    assert history_page(scope) == ()
