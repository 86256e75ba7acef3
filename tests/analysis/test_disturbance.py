from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import MIB
from make.trials import disturbed_counters, make_counters

from harness.analysis import disturbance
from harness.analysis.disturbance import Disturbance
from harness.schema.machine import Counters

SECOND = 1_000_000_000


def test_a_quiet_trial_is_clean() -> None:
    assert disturbance.why_disturbed(make_counters(), 2, 2, 2) is None


def test_a_busy_process_on_two_cpus_is_seen() -> None:
    reason = disturbance.why_disturbed(disturbed_counters(), 2, 2, 2)
    assert reason
    assert reason.text == "others took 33.3 % of the CPUs"


def test_of_many_the_commonest_reason_is_told_from_the_least_to_the_most() -> None:
    found = [Disturbance("others", 0.2), Disturbance("waiting", 0.9), Disturbance("others", 0.1)]
    assert disturbance.in_all(found) == "others took 10.0 % to 20.0 % of the CPUs"
    assert disturbance.in_all(found[:1] * 3) == "others took 20.0 % of the CPUs"
    assert disturbance.in_all([]) == ""


@given(
    wall_ns=st.integers(1, 10 * SECOND),
    busy_ns=st.integers(0, 10**12),
    process_ns=st.integers(0, 10**12),
    delay_ns=st.integers(0, 10**12),
)
def test_no_share_that_is_told_is_below_nothing_or_above_all(
    wall_ns: int, busy_ns: int, process_ns: int, delay_ns: int
) -> None:
    counters = make_counters(
        wall_ns, system_busy_ns=busy_ns, process_cpu_ns=process_ns, run_delay_ns=delay_ns
    )
    share = disturbance.others_share([counters] * 5, 2)
    assert share is None or 0 <= share <= 1
    reason = disturbance.why_disturbed(counters, 2, 2, 2)
    assert reason is None or 0 < reason.ratio <= 1


def test_what_the_host_takes_counts_as_others() -> None:
    # Stolen time is a part of the busy time, so it must not be counted twice.
    counters = make_counters(
        process_cpu_ns=1_600_000_000, system_busy_ns=1_980_000_000, steal_ns=380_000_000
    )
    assert disturbance.others_ratio(counters, 2) == pytest.approx(0.19)
    assert disturbance.why_disturbed(counters, 2, 2, 2) is not None


def test_the_noise_of_ticks_in_a_short_trial_is_no_load() -> None:
    # 30 ms on two CPUs are six ticks: three more than ours look like half of the machine.
    counters = make_counters(30_000_000, process_cpu_ns=58_000_000, system_busy_ns=90_000_000)
    share = disturbance.others_ratio(counters, 2)
    assert share is not None
    assert share > 0.5
    assert disturbance.why_disturbed(counters, 2, 2, 2) is None


def test_waiting_for_a_cpu_shows_even_in_a_short_trial() -> None:
    counters = make_counters(30_000_000, run_delay_ns=10_000_000)
    reason = disturbance.why_disturbed(counters, 2, 2, 2)
    assert reason
    assert reason.text == "threads waited for a CPU, 33.3 % of the time"


def test_waiting_for_each_other_is_no_fault_of_others() -> None:
    counters = make_counters(run_delay_ns=SECOND)
    assert disturbance.why_disturbed(counters, 2, 4, 2) is None


def test_many_threads_may_wait_a_little_each() -> None:
    counters = make_counters(run_delay_ns=80_000_000)
    assert disturbance.why_disturbed(counters, 16, 16, 16) is None
    assert disturbance.why_disturbed(counters, 16, 2, 16) is not None


@given(wall_ns=st.integers(1, 10**12), n_threads=st.integers(1, 64))
def test_a_system_that_tells_nothing_disturbs_nothing(wall_ns: int, n_threads: int) -> None:
    counters = Counters(wall_ns=wall_ns, process_cpu_ns=0, reference_ns=1)
    assert disturbance.others_ratio(counters, 2) is None
    assert disturbance.waiting_ratio(counters) is None
    assert disturbance.why_disturbed(counters, 2, n_threads, 64) is None
    assert disturbance.labels(counters, None) == ()


@given(st.integers(0, 4 * SECOND), st.integers(0, 4 * SECOND))
def test_more_load_never_looks_cleaner(first: int, second: int) -> None:
    light, heavy = (
        disturbance.why_disturbed(make_counters(system_busy_ns=1_960_000_000 + load), 2, 2, 2)
        for load in sorted((first, second))
    )
    assert heavy is not None or light is None


@pytest.mark.parametrize("field", ["swap_in_bytes", "swap_out_bytes", "disk_read_bytes"])
def test_paging_is_seen_in_swap_and_in_reads_of_weights(field: str) -> None:
    assert disturbance.is_paging(make_counters(**{field: 5 * MIB}))
    assert not disturbance.is_paging(make_counters(**{field: 4096}))


def test_labels_name_what_slowed_a_trial() -> None:
    slowed = make_counters(
        reference_ns=1_200_000, n_thermal_throttles=3, quota_throttled_ns=20_000_000
    )
    found = disturbance.labels(slowed, usual_reference_ns=1_000_000)
    assert found == ("slow host", "thermal throttling", "quota throttling")
    assert disturbance.labels(make_counters(quota_throttled_ns=5_000_000), 1_000_000) == ()
    assert disturbance.labels(make_counters(reference_ns=1_100_000), 1_000_000) == ()
