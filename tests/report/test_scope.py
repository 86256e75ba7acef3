"""Names on a page: each means one configuration, each machine has its own pictures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from make.gate import make_candidate
from make.records import make_machine, make_model

from harness.analysis.measured import Measured, measured_of
from harness.report.scope import scopes
from harness.schema.settings import Settings

KEYS = ("m:Q4_0", "m:Q8_0", "x" * 300)


def sides(key: str, day: int, threads: tuple[int, ...], machine: str) -> list[Measured]:
    settings = tuple(Settings(n_threads=n) for n in threads)
    model = make_model(key=key)
    made = make_candidate(
        f"{key[0]}{day}{machine}",
        day,
        models=(model,),
        settings=settings,
        machine=make_machine(id=machine),
    )
    return measured_of(made, [])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(KEYS),
            st.integers(1, 3),
            st.sampled_from(((1,), (1, 2))),
            st.sampled_from(("aa", "bb")),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_every_configuration_of_a_machine_has_a_name_of_its_own(
    made: list[tuple[str, int, tuple[int, ...], str]],
) -> None:
    groups = [side for each in made for side in sides(*each)]
    found = scopes(groups)
    assert sum(len(scope.shown) for scope in found) == len(groups)
    for scope in found:
        names = [shown.name for shown in scope.shown]
        assert len(set(names)) == len(names)
        assert {it.group.experiment.machine.id for it in scope.shown} == {scope.machine.id}
    assert {bool(scope.number) for scope in found} == {len(found) > 1}


def test_only_what_differs_within_a_model_is_said_of_it() -> None:
    groups = [*sides("m:Q4_0", 1, (1, 2), "aa"), *sides("m:Q8_0", 1, (4,), "aa")]
    (scope,) = scopes(groups)
    assert [it.name for it in scope.shown] == ["m:Q4_0 · threads 1", "m:Q4_0 · threads 2", "m:Q8_0"]
    assert scope.name == "AMD EPYC, 2 cores, 23.4 GiB"


def test_the_same_at_two_times_is_told_apart_by_its_time() -> None:
    groups = [*sides("m:Q4_0", 1, (1,), "aa"), *sides("m:Q4_0", 2, (1,), "aa")]
    (scope,) = scopes(groups)
    assert [it.name for it in scope.shown] == [
        "m:Q4_0 · 2026-11-01 12:00",
        "m:Q4_0 · 2026-11-02 12:00",
    ]
