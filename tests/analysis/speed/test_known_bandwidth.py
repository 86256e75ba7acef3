"""The best that is known of a memory, whatever ran beside each reading."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import make_machine
from pydantic import ValidationError

from harness.analysis.speed.hardware_class import read_cpu_speed
from harness.analysis.speed.known_bandwidth import (
    KnownBandwidth,
    MemoryReading,
    surprise,
    with_reading,
)

DAY = "2026-11-24T10:00:00+00:00"


def reading(gb_per_s: float, others: float | None = 0.0) -> MemoryReading:
    return MemoryReading(bytes_per_s=round(gb_per_s * 1e9), read_at=DAY, others_ratio=others)


def known(*readings: MemoryReading) -> KnownBandwidth:
    first = KnownBandwidth(machine=make_machine(), n_threads=2, n_cores_usable=2, best=readings[0])
    for each in readings:
        first = with_reading(first, each)
    return first


READINGS = st.lists(
    st.builds(reading, st.floats(0.1, 3000), st.one_of(st.none(), st.floats(0, 1))), min_size=1
)


@given(READINGS)
def test_what_is_known_never_gets_worse_and_does_not_depend_on_the_order(
    readings: list[MemoryReading],
) -> None:
    found = known(*readings)
    assert found.best.bytes_per_s == max(each.bytes_per_s for each in readings)
    assert found.n_quiet == sum(each.is_quiet for each in readings)
    assert known(*reversed(readings)).best.bytes_per_s == found.best.bytes_per_s


def test_a_busy_reading_changes_nothing_of_what_was_read_in_quiet() -> None:
    quiet = known(reading(30))
    busy = with_reading(quiet, reading(3, 0.8))
    assert read_cpu_speed(busy) == read_cpu_speed(quiet)
    assert busy.warnings == ()


@given(others=st.floats(0.06, 1), gb_per_s=st.floats(1, 100))
def test_a_busy_reading_alone_raises_the_upper_bound_and_not_the_lower(
    others: float, gb_per_s: float
) -> None:
    alone, quiet = (read_cpu_speed(known(reading(gb_per_s, each))).decode for each in (others, 0.0))
    assert alone.weights_bytes_per_s == quiet.weights_bytes_per_s
    assert alone.spread.low == quiet.spread.low
    # As if the memory gave what others left of it.
    left = max(0.05, 1 - others)
    assert alone.spread.high - quiet.spread.high == pytest.approx(-math.log(left))


def test_where_others_cannot_be_seen_nobody_is_called_quiet() -> None:
    unseen = known(reading(30, None))
    assert unseen.quiet is None
    assert unseen.others_log == pytest.approx(math.log(10))
    assert "is not told" in unseen.warnings[0]


def test_a_reading_that_says_nothing_of_quiet_names_what_it_was_taken_beside() -> None:
    (warning,) = known(reading(9.1, 0.63)).warnings
    assert "9.10 GB/s on 2026-11-24 while others took 63.0 % of the CPUs" in warning
    assert "`harness machine`" in warning


@pytest.mark.parametrize(
    ("before", "new", "words"),
    [
        ((30.0, 0.0), (15.0, 0.0), "now gives 15.0 GB/s although no other program"),
        ((15.0, 0.0), (30.0, 0.0), "now gives 30.0 GB/s and gave 15.0 GB/s on 2026-11-24"),
        ((30.0, 0.0), (25.0, 0.0), None),
        ((30.0, 0.0), (3.0, 0.7), None),
        ((3.0, 0.7), (30.0, 0.0), None),
    ],
)
def test_a_quiet_reading_far_from_what_was_known_is_explained(
    before: tuple[float, float], new: tuple[float, float], words: str | None
) -> None:
    said = surprise(known(reading(*before)), reading(*new))
    assert (said is None) == (words is None)
    assert (words or "") in (said or "")


@pytest.mark.parametrize("gb_per_s", [0, -3, 1e6])
def test_what_no_memory_gives_is_no_reading(gb_per_s: float) -> None:
    with pytest.raises(ValidationError):
        reading(gb_per_s)


def test_the_memory_of_a_machine_is_taken_for_less_than_it_is_sold_as() -> None:
    decode = read_cpu_speed(known(reading(30))).decode
    assert decode.weights_bytes_per_s == pytest.approx(0.441 * 40e9, rel=0.01)
    assert decode.only_a_range
    assert "30.0 GB/s on 2026-11-24" in decode.only_a_range


@pytest.mark.parametrize(("virtualization", "ceiling"), [(None, 1.2), ("docker in kvm", 1.6)])
def test_weights_may_come_as_fast_as_the_memory_is_read(
    virtualization: str | None, ceiling: float
) -> None:
    read = known(reading(30)).model_copy(
        update={"machine": make_machine(virtualization=virtualization)}
    )
    decode = read_cpu_speed(read).decode
    fastest = decode.weights_bytes_per_s * math.exp(decode.spread.high)
    assert fastest == pytest.approx(ceiling * 30e9)
