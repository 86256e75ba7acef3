"""Which experiments are of one machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from make.records import make_experiment, make_machine

from harness.analysis.roster import Roster
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
    roster = Roster()
    return [roster.number(make_experiment(machine=it)) for it in of]


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
