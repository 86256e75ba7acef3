"""Several users of a server in the report: pictures over their number, beside the tables."""

from __future__ import annotations

from make.gate import make_candidate, make_rounds
from make.loads import LEVEL, SECOND, answer, load_result, load_runs, load_trial
from make.scopes import pictures_of, scope_of, table_of

from harness.report.charts import can_draw, svg
from harness.report.page import Note
from harness.report.users_page import users_page

TRIALS = {
    "chat": load_trial("chat", [answer(100, 10)], 200, ttft_ns=SECOND // 10),
    "chatx2": load_trial("chatx2", [answer(100, 10)] * 20, 2000),
    "chatx4": load_trial("chatx4", [answer(3000, 30)] * 20, 3000),
}


def test_rates_and_waiting_are_drawn_over_the_number_of_users() -> None:
    result = load_result(TRIALS, slo=LEVEL)
    page = users_page(scope_of((result.experiment, load_runs(TRIALS))))
    note = next(part for part in page if isinstance(part, Note))
    assert note.lines[0].startswith("chat: 2 users within ttft 2 s")
    assert len(table_of(page).rows) == 3
    pictures = pictures_of(page)
    assert set(pictures) == {"users-rates", "users-ttft"}
    rates, waits = pictures["users-rates"], pictures["users-ttft"]
    of_all = [(mark.x, mark.y) for mark in rates.marks if mark.series.endswith("together")]
    assert of_all == [(1, 25.0), (2, 50.0), (4, 100 / 3)]
    assert [mark.y for mark in waits.marks if mark.series.endswith("median")] == [0.1, 0.1, 3.0]
    assert "4 users, TTFT 3.00 s" in waits.marks[2].label
    assert [rule.value for rule in waits.rules] == [2.0]
    for picture in pictures.values():
        assert not can_draw() or svg(picture)


def test_of_no_server_it_says_nothing() -> None:
    experiment = make_candidate(workloads=("tg64", "tg64x2"))
    assert users_page(scope_of((experiment, make_rounds(experiment)))) == ()
