"""Which experiments are of one machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from make.records import make_experiment, make_machine

from harness.analysis.roster import Roster
from harness.schema.fleet import FleetPart
from harness.schema.machine import Machine

facts = st.fixed_dictionaries(
    {
        "id": st.sampled_from("abcd"),
        "cpu": st.sampled_from(("AMD EPYC", "Apple M2")),
        "model": st.sampled_from((None, "Zenbook")),
        "n_cores_physical": st.sampled_from((None, 2)),
        "last_level_cache_bytes": st.sampled_from((None, 1 << 25)),
    }
)
machines = facts.map(lambda changes: make_machine(core_levels=(), **changes))


def numbers(of: list[Machine]) -> list[int]:
    experiments = [make_experiment(machine=it) for it in of]
    roster = Roster(experiments)
    return [roster.number(it) for it in experiments]


def one_by_one(of: list[Machine]) -> list[int]:
    """What takes the square of their number: each held against the first of each machine."""
    firsts: list[Machine] = []
    ids: dict[str, int] = {}
    found = []
    for machine in of:
        at = ids.get(machine.id)
        if at is None:
            same = (at for at, first in enumerate(firsts) if first.is_same_as(machine))
            at = next(same, len(firsts))
            if at == len(firsts):
                firsts.append(machine)
            ids[machine.id] = at
        found.append(at)
    return found


@given(st.lists(machines, max_size=8))
def test_machines_are_told_apart_as_one_by_one(of: list[Machine]) -> None:
    assert len(set(numbers(of))) == len(set(one_by_one(of)))


def test_machines_are_numbered_as_they_come() -> None:
    a, b = make_machine(id="a", cpu="A"), make_machine(id="b", cpu="B")
    assert numbers([b, a, b, a]) == [0, 1, 0, 1]


def test_two_of_one_make_are_two_where_a_fleet_calls_them_by_two_names() -> None:
    plain = make_experiment()
    one, other = (
        plain.model_copy(update={"fleet": FleetPart(id="f", host=host)}) for host in ("one", "two")
    )
    roster = Roster([one, other, plain])
    assert [roster.number(it) for it in (one, other, plain)] == [0, 1, 2]
    assert [it.host for it in roster.machines] == ["one", "two", ""]


def test_what_no_fleet_measured_is_of_the_only_host_of_its_id() -> None:
    plain = make_experiment()
    one = plain.model_copy(update={"fleet": FleetPart(id="f", host="one")})
    roster = Roster([plain, one])
    assert [it.host for it in roster.machines] == ["one"]
    assert roster.number(plain) == roster.number(one)
