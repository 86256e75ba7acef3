from __future__ import annotations

from pathlib import Path

from harness.analysis.comparison import compare
from harness.commands.compare.page import ComparedPair
from harness.commands.compare.picture import pictures, title
from harness.records.listing import find
from harness.records.store import load
from harness.report.measured_page import measured_result
from harness.report.picture import Picture

EXAMPLES = Path(__file__).resolve().parents[3] / "results" / "examples"


def pair_of(example: str) -> ComparedPair:
    """The two settings of a stored example."""
    stored = load(find(EXAMPLES, example))
    a, b = measured_result(stored.experiment, stored.runs, (), stored.path).groups
    return ComparedPair(a, b, (), (), tuple(compare(a, b)))


def test_ratios_stand_around_one_with_both_sides_by_what_tells_them_apart() -> None:
    pair = pair_of("2ea71a30")
    (picture,) = pictures([pair])
    assert isinstance(picture, Picture)
    assert [(it.value, it.axis) for it in picture.rules] == [(1.0, "x")]
    compared = [it for it in pair.figures if it.comparison and it.metric == "tok_per_s"]
    drawn = {mark.x for mark in picture.marks}
    assert {it.comparison.ratio for it in compared if it.comparison} <= drawn
    for mark in picture.marks:
        assert "q8_0 against" in mark.label
        assert mark.low is not None
    assert title([pair]) == "smollm2-135m:Q4_1 compared"


def test_nothing_compared_is_no_picture() -> None:
    assert pictures([]) == ()
