from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import units
from harness.analysis.metrics import METRICS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1234.5, "1234"),
        (9.7, "9.70"),
        (9.996, "10.0"),
        (123.45, "123"),
        (12.345, "12.3"),
        (0.01234, "0.0123"),
    ],
)
def test_significant_keeps_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert units.significant(value) == text


def test_one_is_no_plural() -> None:
    assert [units.counted(n, "Run") for n in (0, 1, 2)] == ["0 Runs", "1 Run", "2 Runs"]


def test_files_are_decimal_and_memory_is_binary() -> None:
    assert units.file_size(98_362_432) == "98.4 MB"
    assert units.memory_size(1 << 30) == "1.00 GiB"
    assert units.file_size(999) == "999 B"
    assert units.bandwidth(32_400_000_000) == "32.4 GB/s"


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (1_500, "1.50 µs"),
        (1_230_000, "1.23 ms"),
        (4_560_000_000, "4.56 s"),
        (125_000_000_000, "2m05s"),
        (7_260_000_000_000, "2h01m"),
    ],
)
def test_a_duration_takes_the_unit_that_fits(ns: int, text: str) -> None:
    assert units.duration(ns) == text


@given(
    st.sampled_from(sorted({row.unit for row in METRICS.values()})),
    st.floats(min_value=0, max_value=1e12),
)
def test_every_metrics_unit_becomes_short_text(unit: str, value: float) -> None:
    text = units.quantity(value, unit)
    assert len(text) <= 20
    assert "e+" not in text


def test_an_unknown_unit_is_shown_as_it_is() -> None:
    assert units.quantity(12.3, "W") == "12.3 W"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "10 s"),
        (31, "40 s"),
        (91, "2 min"),
        (300, "5 min"),
        (301, "6 min"),
        (7200, "2 h"),
        (7201, "2 h 10 min"),
        (10_200, "2 h 50 min"),
    ],
)
def test_a_time_left_is_rounded_up(seconds: int, text: str) -> None:
    assert units.time_left(seconds * 1e9) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1.5h", 5400), ("250ms", 0.25), (" 2 m ", 120)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert units.parse_duration_ns(text) == round(seconds * 1e9)


@pytest.mark.parametrize(
    "text", ["", "m", "-5m", "0", "0s", "300", "5 days", "1e3", "nan", "5m30s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write 90s, 5m or 1h"):
        units.parse_duration_ns(text)


@pytest.mark.parametrize(("text", "ratio"), [("2%", 0.02), ("0.02", 0.02), (" 5 % ", 0.05)])
def test_shares_are_read(text: str, ratio: float) -> None:
    assert units.parse_ratio(text) == pytest.approx(ratio)


@pytest.mark.parametrize("text", ["", "%", "2", "0", "0%", "100%", "-1%", "nan", "two"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 2% or 0\.02"):
        units.parse_ratio(text)


@given(st.integers(min_value=1, max_value=10**6))
def test_a_duration_in_seconds_survives_reading(seconds: int) -> None:
    assert units.parse_duration_ns(f"{seconds}s") == seconds * 10**9


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("20GB", 20_000_000_000),
        ("20 gb", 20_000_000_000),
        ("1.5TB", 1_500_000_000_000),
        ("500M", 500_000_000),
        ("16GiB", 16 * 1024**3),
        ("98362432B", 98_362_432),
    ],
)
def test_a_size_is_decimal_unless_it_says_otherwise(text: str, n_bytes: int) -> None:
    assert units.parse_size_bytes(text) == n_bytes


@pytest.mark.parametrize(
    "text", ["", "GB", "-1GB", "0", "98362432", "5", "20 apples", "1e9", "nan", "1 2"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        units.parse_size_bytes(text)


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (952_448, "952448"),
        (134_515_008, "135 M"),
        (999_885_952, "1.00 B"),
        (20_914_757_184, "20.9 B"),
        (1_026_408_232_448, "1.03 T"),
    ],
)
def test_parameters_are_counted_in_millions_billions_and_trillions(n: int, text: str) -> None:
    assert units.count(n) == text


def test_a_divergence_is_read_and_nothing_else() -> None:
    assert units.parse_nats(" 0.01 ") == 0.01
    assert units.parse_nats("0") == 0
    for text in ("-1", "nan", "inf", "1%", ""):
        with pytest.raises(ValueError, match="is no divergence"):
            units.parse_nats(text)
