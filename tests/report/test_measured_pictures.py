from __future__ import annotations

from unittest.mock import patch

from make.records import make_runs
from make.shown import result_of

from harness.report import measured_pictures as module
from harness.report.measured_pictures import measured_pictures
from harness.report.page import Facts
from harness.report.picture import Picture


def test_a_page_of_its_own_says_on_what_it_was_measured_and_draws_what_there_is() -> None:
    origin, *pictures = measured_pictures(result_of(make_runs(6), ("pp512", "tg128")).groups)
    assert isinstance(origin, Facts)
    assert [name for name, _ in origin.items] == ["Machine", "Engine", "Measured"]
    assert "AMD EPYC" in str(origin.items[0][1])
    assert {it.name for it in pictures if isinstance(it, Picture)} >= {"decode", "prefill"}
    (decode,) = (it for it in pictures if isinstance(it, Picture) and it.name == "decode")
    assert sum(mark.is_single for mark in decode.marks) == 6


def test_values_that_nobody_can_have_measured_leave_the_page_without_pictures() -> None:
    groups = result_of(make_runs(6), ("tg128",)).groups
    with patch.object(module, "scopes", side_effect=OverflowError("too large")):
        (note,) = measured_pictures(groups)
    assert "nobody can have measured (too large)" in str(note)
