"""Configurations on one page, of one machine each: what tells them from the others there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.measured import Measured
from harness.analysis.roster import Roster
from harness.report.columns import cut
from harness.report.machine_names import apart, machine_names
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
    roster = Roster(group.experiment for group in groups)
    of_machines: dict[int, list[Measured]] = {}
    for group in groups:
        of_machines.setdefault(roster.number(group.experiment), []).append(group)
    names = machine_names(roster.machines)
    return tuple(
        Scope(machine.facts, names[at], _named(of_machines[at]), at + 1 if len(names) > 1 else 0)
        for at, machine in enumerate(roster.machines)
    )


def _named(groups: Sequence[Measured]) -> tuple[Shown, ...]:
    settings: dict[str, list[AnySettings]] = {}
    for group in groups:
        settings.setdefault(group.model.key, []).append(group.settings)
    plain = [_plain(group, settings[group.model.key]) for group in groups]
    names = apart(
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
