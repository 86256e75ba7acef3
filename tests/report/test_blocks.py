from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.report.blocks import bar, sparkline

NUMBERS = st.floats(-1e12, 1e12)


def test_a_line_of_bars_goes_from_the_lowest_to_the_highest() -> None:
    assert sparkline([1, 2, 3, 8], 1, 8) == "▁▂▃█"
    assert sparkline([0, 9], 1, 8) == "▁█"
    assert sparkline([5, 5], 5, 5) == "▄▄"


@given(st.lists(NUMBERS, min_size=1, max_size=50))
def test_higher_bars_are_higher_numbers(values: list[float]) -> None:
    drawn = sparkline(values, min(values), max(values))
    assert len(drawn) == len(values)
    pairs = sorted(zip(values, drawn, strict=True))
    assert [char for _, char in pairs] == sorted(drawn)


@given(st.floats(0, 1), st.integers(2, 40))
def test_a_bar_is_as_long_as_its_share_and_never_hides_that_there_is_some(
    share: float, width: int
) -> None:
    drawn = bar(share, width)
    assert len(drawn) == width
    assert abs(drawn.count("█") - share * width) <= 1
    assert ("█" in drawn) == (share > 0)
    assert ("·" in drawn) == (share < 1)
