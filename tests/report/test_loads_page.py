"""Several users as a table and a sentence, in place of the long list."""

from __future__ import annotations

from typing import Any

import pytest
from make.loads import LEVEL, SECOND, SERVED, answer, load_result, load_trial
from make.records import make_run
from make.shown import read, result_of, shown

from harness.report import plain
from harness.report.document import document
from harness.report.loads_page import level_text
from harness.report.measured_page import MeasuredResult, measured_page
from harness.schema.outcome import CaseFailure, Outcome
from harness.schema.request import Request, RequestFailure, ServiceLevel

FAILED = Request(failure=RequestFailure(reason="rate-limited", message="429", status=429))
IN_TIME, LATE = answer(100, 10), answer(5000, 10)


def served(**plan: Any) -> MeasuredResult:
    return load_result(
        {
            "chat": load_trial("chat", [IN_TIME], 200, ttft_ns=SECOND // 10, step_ns=(1, 2, 3, 4)),
            "chatx2": load_trial("chatx2", [IN_TIME] * 20, 2000),
            "chatx4": load_trial("chatx4", [IN_TIME] * 10 + [LATE] * 29 + [FAILED], 4000),
        },
        **plan,
    )


def words(result: MeasuredResult, *, is_full: bool = False) -> str:
    return " ".join(shown(result, is_full=is_full).split())


def test_loads_read_like_this() -> None:
    table = shown(served(slo=LEVEL)).split("\n\n")
    assert table[1].splitlines() == [
        "chat: 2 users within ttft 2 s, itl 100 ms (100 % of the requests answered in",
        "time); not 4 users (25 % of the requests answered in time).",
    ]
    assert table[2] == "chat · within ttft 2 s, itl 100 ms"
    assert [line.split() for line in table[3].splitlines()[2:]] == [
        ["1", "25.0", "100", "100", "ms", "–", "–", "100.0", "%", "5.00", "/s", "0.0", "%", "6"],
        ["2", "50.0", "100", "100", "ms", "100", "ms", "10.0", "ms", "100.0", "%", "10.0", "/s",
         "0.0", "%", "6"],
        ["4", "48.8", "100", "5.00", "s", "5.00", "s", "10.0", "ms", "25.0", "%", "2.50", "/s",
         "2.5", "%", "6"],
    ]  # fmt: skip


def test_without_a_level_it_is_said_where_all_together_get_no_more() -> None:
    told = "chat: tok/s of all together grow up to 2 users (50.0, 100 each); 4 users get no more"
    assert told in words(served())


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_line_holds_it_and_bounds_stand_where_there_is_room(width: int) -> None:
    text = plain.render(measured_page(served(slo=LEVEL)), width)
    assert max(map(len, text.splitlines())) <= width
    loads = text.partition("smollm2@127.0.0.1:8080 ·")[0]
    assert ("95 % interval" in loads) == (width == 200)


def test_the_long_list_is_asked_for_and_programs_always_have_it() -> None:
    compact, full = shown(served(slo=LEVEL)), shown(served(slo=LEVEL), is_full=True)
    assert "end to end" not in compact
    assert "load" in compact
    assert full.count("end to end") == 3
    assert "users" in full
    flat = shown(served(slo=LEVEL), "csv")
    assert flat == shown(served(slo=LEVEL), "csv", is_full=True)
    assert flat.count("within_slo") == 3


def test_several_configurations_have_their_loads_in_one_table() -> None:
    names = ("pp512", "tg128", "tg128x2")
    one, two = (make_run(0).settings.model_copy(update={"n_threads": n}) for n in (1, 2))
    runs = [make_run(n, names, settings=(one, two)[n]) for n in range(2)]
    text = shown(result_of(runs, names, settings=(one, two)))
    loads, _, rest = text.partition("pp512")
    assert loads.count("tg128\n") == 1
    assert "threads 1" in loads
    assert "tg128 " not in rest.partition("\n\n")[0]


def test_a_search_whose_time_was_up_says_what_was_not_tried() -> None:
    assert "not tried" not in words(served(slo=LEVEL))
    told = "those between them were not tried, as time was up: raise --budget."
    assert told in words(served(slo=LEVEL, search="users"))
    kept = {name: load_trial(name, [IN_TIME] * 6, 1000) for name in ("chatx2", "chatx4")}
    told = "; more were not tried, as time was up: raise --budget."
    assert told in words(load_result(kept, slo=LEVEL, search="users"))
    assert "the largest load that was measured." in words(load_result(kept, slo=LEVEL))


def test_a_program_reads_which_load_is_the_largest_that_is_kept() -> None:
    (loads,) = read(document(served(slo=LEVEL)))["loads"]
    assert (loads["work"], loads["of"]) == ("chat", "users")
    assert (loads["largest_kept"], loads["smallest_lost"]) == ("chatx2", "chatx4")
    assert [(it["size"], it["kept"]) for it in loads["loads"]] == [(1, True), (2, True), (4, False)]
    assert loads["loads"][0]["metrics"]["tok_per_s"]["value"] == 25.0
    (loads,) = read(document(served()))["loads"]
    assert loads["largest_kept"] is None
    assert {it["kept"] for it in loads["loads"]} == {None}


def test_a_service_level_reads_as_it_was_typed() -> None:
    assert level_text(LEVEL) == "ttft 2 s, itl 100 ms"
    assert level_text(ServiceLevel(itl_ns=1_500_000)) == "itl 1.5 ms"
    assert level_text(ServiceLevel(ttft_ns=300 * SECOND)) == "ttft 5m00s"


def test_where_nothing_was_answered_there_is_no_figure_and_every_load_is_named() -> None:
    names = ("chatx2", "chatx4")
    failure = CaseFailure(workload="chatx2", reason="rate-limited", message="too many")
    failures = (failure, failure.model_copy(update={"workload": "chatx4"}))
    outcome = Outcome(status="failed", reason="rate-limited", message="too many")
    about: dict[str, Any] = {"settings": SERVED.served.settings, "model": SERVED.key}
    run = make_run(0, names, trials=(), outcome=outcome, case_failures=failures, **about)
    plan: dict[str, Any] = {
        "models": (SERVED,),
        "settings": (SERVED.served.settings,),
        "slo": LEVEL,
    }
    text = words(result_of([run], names, **plan))
    assert "chat: not even 2 users within ttft 2 s, itl 100 ms: nothing was answered" in text
    assert "2 failed 0 4 failed 0" in text
