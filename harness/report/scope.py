"""Configurations on one page, of one machine each: what tells them from the others there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness import units
from harness.analysis.measured import Measured
from harness.report.columns import cut
from harness.report.picture import Evidence
from harness.schema.machine import MachineFacts
from harness.schema.moment import utc_time
from harness.schema.settings import AnySettings, difference_text

# What tells configurations apart stands behind the model's name, and must not be cut off.
_MOST_NAME = 80


@dataclass(frozen=True, slots=True)
class Shown:
    """A configuration of an experiment under a name that no other of its page has."""

    name: str
    group: Measured

    @property
    def evidence(self) -> Evidence:
        """Whether it was the model or its twin."""
        return "rehearsed" if self.group.model.is_twin else "measured"


@dataclass(frozen=True, slots=True)
class Scope:
    """
    What was measured on one machine: figures of two machines never stand in one picture.

    Attributes:
        name: The machine in a few words.
        shown: Of this machine, in the order of the page.
        number: Of the machine, from 1; 0 where the page has no other.
    """

    machine: MachineFacts
    name: str
    shown: tuple[Shown, ...]
    number: int = 0

    def title(self, text: str) -> str:
        """`text` as a title, with the machine where there are several."""
        return f"{text} · {self.name}" if self.number else text

    def file_name(self, text: str) -> str:
        """`text` as the name of a picture that no other machine's has."""
        return f"{text}-{self.number}" if self.number else text

    def row(self, shown: Shown, *more: str) -> str:
        """What stands beside a mark: the configuration where there are several, and `more`."""
        own = (shown.name,) if len(self.shown) > 1 or not any(more) else ()
        return " · ".join((*own, *filter(None, more)))


def scopes(groups: Sequence[Measured]) -> tuple[Scope, ...]:
    """All of `groups`, machine by machine, in their order."""
    machines: list[list[Measured]] = []
    for group in groups:
        machine = group.experiment.machine
        same = (it for it in machines if it[0].experiment.machine.is_same_as(machine))
        found = next(same, None)
        if found is None:
            machines.append(found := [])
        found.append(group)
    facts = [it[0].experiment.machine for it in machines]
    names = _apart([machine_text(it) for it in facts], [lambda i: facts[i].id])
    return tuple(
        Scope(machine, name, _named(of_machine), number if len(machines) > 1 else 0)
        for number, (machine, name, of_machine) in enumerate(
            zip(facts, names, machines, strict=True), start=1
        )
    )


def machine_text(machine: MachineFacts) -> str:
    """A machine in a few words: "AMD EPYC, 2 cores, 23.4 GiB"."""
    cores = machine.n_cores_physical or machine.n_cores_logical
    parts = [
        machine.cpu,
        *(f"{name} x {n}" if n > 1 else name for name, n in _cards(machine).items()),
        f"{cores} cores" if cores else "",
        units.memory_size(machine.usable_bytes) if machine.usable_bytes else "",
        f"with {len(machine.rpc)} RPC server{'s'[: len(machine.rpc) - 1]}" if machine.rpc else "",
    ]
    return ", ".join(filter(None, parts))


def _cards(machine: MachineFacts) -> Counter[str]:
    # What a chip has in itself bears its name: nobody wants to read "Apple M2" twice.
    return Counter(it.name for it in machine.accelerators if it.name != machine.cpu)


def _named(groups: Sequence[Measured]) -> tuple[Shown, ...]:
    settings: dict[str, list[AnySettings]] = {}
    for group in groups:
        settings.setdefault(group.model.key, []).append(group.settings)
    plain = [_plain(group, settings[group.model.key]) for group in groups]
    names = _apart(
        plain,
        [
            lambda i: moment_text(groups[i].experiment.started_at),
            lambda i: groups[i].experiment.id,
            lambda i: f"no. {i + 1}",
        ],
    )
    return tuple(Shown(name, group) for name, group in zip(names, groups, strict=True))


def _plain(group: Measured, settings: Sequence[AnySettings]) -> str:
    """Its model, what kind of one, and the settings in which others of the same model differ."""
    key = cut(group.model.key, _MOST_NAME)
    return " · ".join(filter(None, (key, *group.marks, difference_text(group.settings, settings))))


def moment_text(started_at: str) -> str:
    """A time of a record to the minute, in UTC."""
    return utc_time(started_at).strftime("%Y-%m-%d %H:%M")


def _apart(names: Sequence[str], more: Sequence[Callable[[int], str]]) -> list[str]:
    """`names`, those that are alike with what tells them apart, as far as that is needed."""
    found = list(names)
    for each in more:
        counts = Counter(found)
        if len(counts) == len(found):
            break
        found = [
            f"{name} · {each(i)}" if counts[name] > 1 else name for i, name in enumerate(found)
        ]
    return found
