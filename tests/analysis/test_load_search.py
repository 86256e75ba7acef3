"""The search for the largest load: that it finds it, in few steps, whatever chance does."""

from __future__ import annotations

import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.load_search import RATES, USERS, Scale, limit, next_load
from harness.schema.workload_requests import Chat

GOOD, BAD = 1.0, 0.5


def searched(
    share: Callable[[float, int], float], scale: Scale, n_runs: int = 1
) -> dict[float, list[float]]:
    """All loads that it asks for; `share` is told how often it was asked for one before."""
    found: dict[float, list[float]] = {}
    while (size := next_load(found, scale, n_runs)) is not None:
        of_size = found.setdefault(size, [])
        of_size.append(share(size, len(of_size)))
        assert sum(map(len, found.values())) < 100, "it does not end"
    return found


@given(threshold=st.integers(0, 512))
def test_the_largest_number_of_users_is_found_in_few_steps(threshold: int) -> None:
    found = searched(lambda size, _: GOOD if size <= threshold else BAD, USERS)
    kept, lost = limit(found)
    assert kept == (threshold or None)
    assert lost == (threshold + 1 if threshold < USERS.most else None)
    n_doubled = math.ceil(math.log2(threshold + 1)) + 1
    assert sum(map(len, found.values())) <= 3 * n_doubled


@given(threshold=st.floats(0.001, 200))
def test_the_largest_rate_is_found_to_a_tenth(threshold: float) -> None:
    found = searched(lambda size, _: GOOD if size <= threshold else BAD, RATES)
    kept, lost = limit(found)
    assert kept is None or kept <= threshold
    assert lost is None or lost > threshold
    if kept and lost:
        assert lost <= kept * 1.1 or lost - kept < 0.0025
    elif kept:
        assert kept == RATES.most
    else:
        assert lost == RATES.least
    for size in found:
        # What is asked for is what the workload is called.
        assert Chat().at_rate(size).name == f"chat@r{size:g}"


@given(threshold=st.integers(1, 200), unlucky=st.sets(st.integers(1, 400)), turn=st.booleans())
def test_one_bad_run_of_a_load_changes_nothing(
    threshold: int, unlucky: set[int], turn: bool
) -> None:
    def share(size: float, n_before: int) -> float:
        is_good = size <= threshold
        if is_good and size in unlucky and n_before == 0:
            return BAD
        # Of a lost load the second Run may look good, and the third decides.
        if not is_good and turn and n_before == 1:
            return GOOD
        return GOOD if is_good else BAD

    assert limit(searched(share, USERS)) == (threshold, threshold + 1)


@given(scale=st.sampled_from([USERS, RATES]), n_runs=st.integers(1, 12))
def test_it_ends_where_all_loads_are_alike(scale: Scale, n_runs: int) -> None:
    always = searched(lambda _size, _n: GOOD, scale, n_runs)
    assert limit(always) == (scale.most, None)
    assert len(always[scale.most]) == n_runs
    never = searched(lambda _size, _n: BAD, scale, n_runs)
    assert limit(never) == (None, scale.least)
    assert len(never[scale.least]) == max(2, n_runs)


@given(threshold=st.integers(1, 100), n_runs=st.integers(1, 12))
def test_both_loads_beside_the_limit_get_their_runs(threshold: int, n_runs: int) -> None:
    found = searched(lambda size, _: GOOD if size <= threshold else BAD, USERS, n_runs)
    assert len(found[threshold]) == n_runs
    assert len(found[threshold + 1]) == max(2, n_runs)


@given(st.lists(st.floats(0, 1), min_size=80, max_size=80))
def test_it_ends_whatever_is_found(shares: list[float]) -> None:
    each = iter(shares)
    found = searched(lambda _size, _n: next(each, BAD), USERS, 3)
    kept, lost = limit(found)
    assert kept is None or lost is None or kept < lost


def test_a_load_of_which_nothing_comes_in_time_is_not_measured_for_an_interval() -> None:
    found = searched(lambda size, _: GOOD if size <= 3 else 0.0, USERS, 6)
    assert {size: len(runs) for size, runs in found.items()} == {1: 1, 2: 1, 3: 6, 4: 2}
