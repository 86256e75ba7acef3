"""How many machines of a kind differ, and which of them are far off."""

from __future__ import annotations

import random
from statistics import median

from hypothesis import given, settings
from hypothesis import strategies as st
from make.machines import entries, experiment_on

from harness.analysis.spreads import Spread, spreads_of
from harness.analysis.standings import Entry, Rules, Standings, standings_of


def standings_at(slowdowns: list[float]) -> Standings:
    """Of a machine each that takes so much longer."""
    found: list[Entry] = []
    for at, slowdown in enumerate(slowdowns):
        made = experiment_on(f"m{at}", workloads=("tg128",))
        of_one = entries(made, at, slowdown=slowdown, n_runs=2, noise=0.0)
        found += [it for it in of_one if it.workload]
    (only,) = standings_of("m", found, Rules(metrics=("tok_per_s",)))
    return only


def one_kind(slowdowns: list[float]) -> Spread:
    (spread,) = spreads_of(standings_at(slowdowns), lambda _: "a kind")
    return spread


def test_a_machine_at_half_the_speed_of_its_kind_is_far_off_and_no_other_is() -> None:
    rng = random.Random(3)
    spread = one_kind([*(rng.gauss(0, 0.02) for _ in range(20)), 1.0])
    (outlier,) = spread.outliers
    assert outlier.row.entry.machine == 20
    assert 0.45 < outlier.ratio < 0.55
    assert spread.worst is outlier.row


def test_of_machines_that_are_all_alike_one_percent_is_not_far() -> None:
    assert one_kind([0.0, 0.0, 0.0, 0.0, 0.0, 0.01]).outliers == ()


def test_three_of_a_kind_say_nothing_of_what_is_usual() -> None:
    assert one_kind([0.0, 0.0, 5.0]).outliers == ()


def test_kinds_stand_in_the_order_of_their_middles() -> None:
    kinds = {0: "slow", 1: "fast", 2: "slow", 3: "fast"}
    found = spreads_of(standings_at([1.0, 0.0, 1.2, 0.1]), kinds.__getitem__)
    assert [(it.kind, it.n) for it in found] == [("fast", 2), ("slow", 2)]
    assert found[0].best.entry.machine == 1
    assert found[1].worst.entry.machine == 2


@settings(deadline=None, max_examples=10)
@given(st.lists(st.floats(-0.9, 5), min_size=1, max_size=5))
def test_the_middle_lies_between_the_best_and_the_worst(slowdowns: list[float]) -> None:
    spread = one_kind(slowdowns)
    assert spread.best.figure
    assert spread.worst.figure
    assert spread.worst.figure.value <= spread.low <= spread.median
    assert spread.median <= spread.high <= spread.best.figure.value
    values = [row.figure.value for row in standings_at(slowdowns).rows if row.figure]
    assert spread.median == median(values)
