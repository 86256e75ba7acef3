"""The machines of several experiments, each once: what one is told from another by."""

from __future__ import annotations

from dataclasses import dataclass

from harness.schema.experiment import Experiment
from harness.schema.machine import MachineFacts

_Class = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Entrant:
    """A machine: what it is, and what whoever measured calls it; "" where no record tells that."""

    facts: MachineFacts
    host: str = ""


class Roster:
    """
    The machines in the order in which they came, known by their numbers from 0.

    An id is a hash of the hardware: two machines of one make have the same. So those that whoever
    measured called by two names are two. Elsewhere `MachineFacts.is_same_as` decides. It never
    takes two for one that were told the same facts, whatever these are; so a thousand of a kind
    are not each held against each.
    """

    def __init__(self) -> None:
        self.machines: list[Entrant] = []
        self._by_id: dict[tuple[str, str], int] = {}
        self._by_class: dict[_Class, dict[tuple[bool, ...], list[int]]] = {}

    def number(self, experiment: Experiment) -> int:
        """That of the machine which `experiment` was measured on, a new one for a new machine."""
        facts, host = experiment.machine, host_of(experiment)
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


def host_of(_experiment: Experiment) -> str:
    """What whoever measured calls its machine; "" where the record does not tell."""
    return ""
