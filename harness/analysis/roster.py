"""The machines of several experiments, each once: what one is told from another by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.schema.experiment import Experiment
from harness.schema.machine import MachineFacts

_Class = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Entrant:
    """A machine: what it is, and what whoever measured calls it; "" where no record tells that."""

    facts: MachineFacts
    host: str = ""


def are_of_one(a: Experiment, b: Experiment) -> bool:
    """Whether both were measured on one machine: a fleet's two hosts are two, though all alike."""
    hosts = [each.fleet.host for each in (a, b) if each.fleet]
    return len({*hosts}) < 2 and a.machine.is_same_as(b.machine)


class Roster:
    """
    The machines of some experiments in the order in which they came, known by numbers from 0.

    An id is a hash of the hardware: two machines of one make have the same. So those that a fleet
    calls by two names are two. What no fleet measured is of the one that has its id, where only one
    has. Elsewhere `MachineFacts.is_same_as` decides. It never takes two for one that were told the
    same facts, whatever these are; so a thousand of a kind are not each held against each.
    """

    def __init__(self, experiments: Iterable[Experiment]) -> None:
        self.machines: list[Entrant] = []
        self._by_id: dict[tuple[str, str], int] = {}
        self._by_class: dict[_Class, dict[tuple[bool, ...], list[int]]] = {}
        self._hosts: dict[str, set[str]] = {}
        several = [*experiments]
        for each in several:
            if each.fleet:
                self._hosts.setdefault(each.machine.id, set()).add(each.fleet.host)
        for each in several:
            self.number(each)

    def number(self, experiment: Experiment) -> int:
        """That of the machine which `experiment` was measured on."""
        facts, host = experiment.machine, self._host(experiment)
        known = self._by_id.get((facts.id, host))
        if known is None:
            alike = self._by_class.setdefault((host, *facts.always_told), {})
            known = self._same(facts, alike)
            if known is None:
                known = len(self.machines)
                self.machines.append(Entrant(facts, host))
                alike.setdefault(facts.untold, []).append(known)
            self._by_id[facts.id, host] = known
        return known

    def _same(self, facts: MachineFacts, alike: dict[tuple[bool, ...], list[int]]) -> int | None:
        """One that it is under another id, for one of both was not told all."""
        for untold, numbers in alike.items():
            if untold != facts.untold:
                for number in numbers:
                    if self.machines[number].facts.is_same_as(facts):
                        return number
        return None

    def _host(self, experiment: Experiment) -> str:
        """What a fleet calls its machine; "" where none does, or nobody knows which it is."""
        if experiment.fleet:
            return experiment.fleet.host
        hosts = self._hosts.get(experiment.machine.id, set())
        return next(iter(hosts)) if len(hosts) == 1 else ""
