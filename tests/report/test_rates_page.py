"""Speeds as pictures and tables: both say the same, and every Run is there."""

from __future__ import annotations

import pytest
from make.gate import make_candidate, make_rounds
from make.records import make_experiment, make_failed_run, make_model, run_of
from make.scopes import figures_of, pictures_of, scope_of, summaries, table_of
from make.trials import disturbed_counters, make_trial

from harness.report.rates_page import rates_page

WORKLOADS = ("pp512", "tg128", "chat", "tg128@d4096", "pp512@d4096")


def test_what_is_pictured_stands_in_the_table_with_its_interval() -> None:
    experiment = make_candidate(workloads=WORKLOADS)
    page = rates_page(scope_of((experiment, make_rounds(experiment))))
    pictures = pictures_of(page)
    shown = {(m.x, m.low, m.high) for it in pictures.values() for m in summaries(it)}
    assert shown == {(it.value, it.low, it.high) for it in figures_of(table_of(page))}
    assert len(shown) == 6
    assert [mark.y for mark in summaries(pictures["decode"])] == ["tg128", "chat", "tg128@d4096"]
    assert [mark.y for mark in summaries(pictures["prefill"])] == ["pp512", "chat", "pp512@d4096"]


def test_every_run_is_a_point_of_its_own() -> None:
    experiment = make_candidate()
    runs = make_rounds(experiment, n_runs=7)
    scope = scope_of((experiment, runs))
    decode = pictures_of(rates_page(scope))["decode"]
    points = [mark for mark in decode.marks if mark.is_single]
    (group,) = (shown.group for shown in scope.shown)
    assert [mark.x for mark in points] == [group.values(run, "tg128")["tok_per_s"] for run in runs]
    assert "Run 7" in points[-1].label


def test_disturbed_trials_are_shown_marked_and_said_to_be_left_out() -> None:
    quiet = [run_of(make_trial(rate=100.0 + i), index=i, round=i) for i in range(6)]
    loud = make_trial(rate=30.0, counters=disturbed_counters())
    runs = [*quiet, run_of(loud, index=6, round=6)]
    page = rates_page(scope_of((make_experiment(("tg128",)), runs)))
    decode = pictures_of(page)["decode"]
    (marked,) = (mark for mark in decode.marks if mark.is_disturbed)
    assert marked.x == pytest.approx(30.0, rel=0.01)
    assert marked.is_single
    assert "disturbed and left out" in marked.label
    (figure,) = figures_of(table_of(page))
    assert figure.value > 99


def test_what_has_disturbed_trials_alone_is_marked_in_picture_and_table() -> None:
    loud = run_of(make_trial(counters=disturbed_counters()))
    page = rates_page(scope_of((make_experiment(("tg128",)), [loud])))
    (mark,) = summaries(pictures_of(page)["decode"])
    assert mark.is_disturbed
    (row,) = table_of(page).rows
    assert row[2] == "tok/s ?"
    assert row[-1] == "disturbed"


def test_rehearsed_is_told_apart() -> None:
    experiment = make_candidate(models=(make_model(is_twin=True),))
    page = rates_page(scope_of((experiment, make_rounds(experiment))))
    marks = [mark for it in pictures_of(page).values() for mark in it.marks]
    assert {mark.evidence for mark in marks} == {"rehearsed"}
    assert {row[-1] for row in table_of(page).rows} == {"rehearsed"}


def test_of_what_failed_the_reason_is_said() -> None:
    page = rates_page(scope_of((make_experiment(), [make_failed_run()])))
    assert pictures_of(page) == {}
    assert any("not enough memory" in line for line in table_of(page).legend)
