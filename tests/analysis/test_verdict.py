from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.verdict import (
    COMFORTABLE_TOK_PER_S,
    COMFORTABLE_TTFT_NS,
    LEVELS,
    READING_TOK_PER_S,
    SUSTAINED_LEAST_RATIO,
    USABLE_TOK_PER_S,
    USABLE_TTFT_NS,
    Level,
    by_memory,
    by_speed,
    decode_level,
    does_not_run,
    pages,
    ttft_level,
    worse,
)
from harness.schema.figure import Figure, exact

GIB = 1 << 30
SECOND_NS = 1_000_000_000


def exactly(value: float, what: str = "tg128@d4096") -> Figure:
    return exact(value, "tok/s", what)


def between(low: float, value: float, high: float) -> Figure:
    return Figure(value, low, high, "tok/s", "interval", source="tg128@d4096")


def prompt_of(seconds: float) -> Figure:
    return exact(seconds * SECOND_NS, "ns", "pp1024")


def prompt_between(soon: float, usual: float, late: float) -> Figure:
    figure = Figure(usual, soon, late, "ns", "interval", source="pp1024")
    return figure.scaled(SECOND_NS)


def need_of(n_bytes: float) -> Figure:
    return exact(n_bytes, "bytes", "planned")


def need_between(low: float, value: float, high: float) -> Figure:
    return Figure(value, low, high, "bytes", "predicted")


@pytest.mark.parametrize(
    ("tok_per_s", "level"),
    [(20.0, "comfortable"), (19.99, "usable"), (6.0, "usable"), (5.99, "slow"), (0.1, "slow")],
)
def test_decoding_is_judged_at_20_and_6_tokens_a_second(tok_per_s: float, level: Level) -> None:
    assert decode_level(tok_per_s) == level


@pytest.mark.parametrize(
    ("seconds", "level"),
    [
        (0.1, "comfortable"),
        (2.0, "comfortable"),
        (2.01, "usable"),
        (10.0, "usable"),
        (10.1, "slow"),
    ],
)
def test_the_first_token_is_judged_at_2_and_10_seconds(seconds: float, level: Level) -> None:
    assert ttft_level(seconds * SECOND_NS) == level


def test_usable_is_just_above_the_speed_of_reading() -> None:
    assert pytest.approx(5.16, abs=0.01) == READING_TOK_PER_S
    assert 1.1 < USABLE_TOK_PER_S / READING_TOK_PER_S < 1.2
    assert COMFORTABLE_TOK_PER_S / READING_TOK_PER_S > 3


@given(st.floats(0.1, 1000), st.floats(0.01, 1000))
def test_the_worse_of_both_figures_decides(tok_per_s: float, seconds: float) -> None:
    verdict = by_speed(exactly(tok_per_s), prompt_of(seconds), "measured")

    assert verdict.level == worse(decode_level(tok_per_s), ttft_level(seconds * SECOND_NS))
    assert not verdict.is_borderline
    waiting = LEVELS.index(ttft_level(seconds * SECOND_NS))
    decided_by_ttft = waiting > LEVELS.index(decode_level(tok_per_s))
    assert verdict.reason.startswith("TTFT" if decided_by_ttft else "decode")


@given(
    st.tuples(*[st.floats(0.1, 100)] * 3).map(sorted),
    st.tuples(*[st.floats(0.01, 100)] * 3).map(sorted),
)
def test_the_level_lies_between_the_best_and_the_worst(
    decode: list[float], ttft: list[float]
) -> None:
    (slow, middle, fast), (soon, usual, late) = decode, ttft
    verdict = by_speed(between(slow, middle, fast), prompt_between(soon, usual, late), "predicted")

    order = [LEVELS.index(level) for level in (verdict.best, verdict.level, verdict.worst)]
    assert order == sorted(order)


def test_an_interval_across_a_threshold_says_where_it_may_fall() -> None:
    fast = prompt_of(1.0)

    assert by_speed(between(18, 19, 21), fast, "predicted").text == "usable, perhaps comfortable"
    assert by_speed(between(19, 21, 25), fast, "predicted").text == "comfortable, perhaps usable"
    both = by_speed(between(5, 12, 30), fast, "predicted")
    assert both.text == "usable, perhaps comfortable or slow"
    assert both.is_borderline
    slow_prompt = by_speed(exactly(50), prompt_between(1.5, 1.9, 11), "predicted")
    assert slow_prompt.text == "comfortable, perhaps slow"


def test_an_unknown_first_token_promises_nothing() -> None:
    verdict = by_speed(exactly(50), None, "measured")

    assert (verdict.level, verdict.worst) == ("comfortable", "slow")
    assert verdict.notes == ("The time to the first token is not known.",)


def test_the_number_that_decided_is_named_with_its_source() -> None:
    assert by_speed(exactly(9.7), prompt_of(1.0), "rehearsed").reason == (
        "decode 9.70 tok/s (tg128@d4096)"
    )
    assert by_speed(exactly(30), prompt_of(12.5), "measured").reason == ("TTFT 12.5 s (pp1024)")


def test_a_speed_that_falls_over_time_is_judged_by_its_end() -> None:
    fresh, prompt = exactly(22), prompt_of(1.9)

    assert by_speed(fresh, prompt, "measured", SUSTAINED_LEAST_RATIO).level == "comfortable"
    tired = by_speed(fresh, prompt, "measured", 0.89)
    assert tired.level == "usable"
    assert tired.decode == exactly(22 * 0.89, "tg128@d4096, at the end of a long generation")
    assert "falls to 89.0 %" in tired.notes[0]
    # So is the prompt, which the same heat slows down.
    assert by_speed(exactly(60), prompt, "measured", 0.8).level == "usable"


def test_the_thresholds_are_those_that_were_asked_for() -> None:
    assert (COMFORTABLE_TOK_PER_S, USABLE_TOK_PER_S) == (20, 6)
    assert (COMFORTABLE_TTFT_NS, USABLE_TTFT_NS) == (2 * SECOND_NS, 10 * SECOND_NS)


SPEED = by_speed(exactly(25), prompt_of(1.0), "predicted")


@pytest.mark.parametrize(
    ("need_gib", "level"), [(15.9, "comfortable"), (16.0, "comfortable"), (16.1, "does-not-run")]
)
def test_what_fits_is_judged_by_its_speed(need_gib: float, level: Level) -> None:
    verdict = by_memory(need_of(need_gib * GIB), 16 * GIB, SPEED)

    assert verdict is not None
    assert (verdict.level, verdict.worst, verdict.best) == (level, level, level)


def test_what_does_not_fit_says_how_much_is_missing() -> None:
    verdict = by_memory(need_of(20 * GIB), 16 * GIB, None)

    assert verdict is not None
    assert verdict.short_bytes == 4 * GIB
    assert verdict.reason == "needs 20.0 GiB of memory, 16.0 GiB there: 4.00 GiB short"
    assert verdict.evidence == "predicted"


def test_a_need_that_is_not_sure_may_fall_to_either_side() -> None:
    fits = by_memory(need_between(14 * GIB, 15 * GIB, 17 * GIB), 16 * GIB, SPEED)
    short = by_memory(need_between(15 * GIB, 17 * GIB, 18 * GIB), 16 * GIB, SPEED)

    assert fits is not None
    assert short is not None
    assert fits.text == "comfortable, perhaps not at all"
    assert short.text == "does not run, perhaps comfortable"
    assert short.short_bytes == GIB


def test_what_fits_at_an_unknown_speed_has_no_verdict() -> None:
    assert by_memory(need_between(14 * GIB, 15 * GIB, 17 * GIB), 16 * GIB, None) is None
    short = by_memory(need_between(15 * GIB, 17 * GIB, 18 * GIB), 16 * GIB, None)
    assert short is not None
    assert short.level == "does-not-run"


@given(st.floats(1, 100), st.floats(1, 100), st.floats(1, 3))
def test_more_memory_never_makes_a_verdict_worse(need: float, room: float, more: float) -> None:
    small = by_memory(need_of(need * GIB), int(room * GIB), SPEED)
    large = by_memory(need_of(need * GIB), int(room * more * GIB), SPEED)

    assert small is not None
    assert large is not None
    assert LEVELS.index(large.level) <= LEVELS.index(small.level)


def test_paging_keeps_the_figures_and_is_worse_than_slow() -> None:
    verdict = pages(SPEED, "1.2 GB came from the disk for each token of tg128", "measured")

    assert verdict.decode == SPEED.decode
    assert worse("slow", verdict.level) == "pages"
    assert verdict.text == "pages"
    assert pages(None, "reads", "measured").decode is None


def test_a_failure_is_told_in_its_own_words() -> None:
    verdict = does_not_run("not enough memory", "measured", 3 * GIB)

    assert (verdict.text, verdict.reason) == ("does not run", "not enough memory")
    assert verdict.short_bytes == 3 * GIB
