"""What stored experiments of several machines say of what more than one of them measured."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.analysis.comparison import was_asked_often
from harness.analysis.courses import (
    Courses,
    Difference,
    alike,
    courses_of,
    differences_of,
    files_of,
)
from harness.analysis.findings import findings
from harness.analysis.measured import Measured
from harness.analysis.roster import Entrant, Roster
from harness.analysis.standings import Entry, Rules, Standings, entries_of, standings_of
from harness.records.listing import StoredConfiguration
from harness.records.store import StoredExperiment
from harness.schema.experiment import Experiment

Read = Callable[[Path], StoredExperiment | None]
"""Reads an experiment whole; None of one that cannot be read, which whoever gives it tells."""


@dataclass(frozen=True, slots=True)
class SideBySide:
    """
    Machines side by side.

    Attributes:
        machines: All that the experiments are of, by their numbers.
        standings: A table for each model, workload and metric.
        courses: What they are made of, and what only one machine has.
        differences: What else than the hardware is not the same on all.
        warnings: Of each machine what its figures may be off by.
        n_older: Experiments that newer ones of their machine stand for.
    """

    machines: tuple[Entrant, ...]
    standings: tuple[Standings, ...]
    courses: Courses
    differences: tuple[Difference, ...]
    warnings: tuple[tuple[int, str], ...]
    n_older: int

    def ranked(self, rules: Rules) -> SideBySide:
        """The same by other rules."""
        return replace(self, standings=tuple(_standings(self.courses, rules)))


def side_by_side(
    newest_first: Iterable[StoredConfiguration],
    order: Iterable[Experiment],
    read: Read,
    rules: Rules,
    across: Collection[str] = (),
    *,
    is_lenient: bool = False,
) -> SideBySide:
    """
    The newest of each machine in each model and workload, set against the baseline.

    Args:
        newest_first: What is meant. Each experiment is read once, and none that adds nothing.
        order: The same experiments in the order in which machines are numbered.
        read: See there.
        rules: Which machine is the baseline, and what is compared.
        across: What beside the machine may differ, as `courses_of` takes it.
        is_lenient: Whether models that no two machines have under the same settings are compared
            under those that there are; the differences tell that.
    """
    roster = Roster(order)
    reader = _Reader(roster, read, across)
    for case in newest_first:
        reader.take(case)
    reader.finish()
    courses = courses_of(reader.entries, across)
    if is_lenient:
        courses = _leniently(courses)
    return SideBySide(
        machines=tuple(roster.machines),
        standings=tuple(_standings(courses, rules)),
        courses=courses,
        differences=(*files_of((*courses.common, *courses.lone)), *differences_of(courses.common)),
        warnings=tuple(reader.warnings),
        n_older=len(reader.older - reader.taken),
    )


def _leniently(courses: Courses) -> Courses:
    """With what differs in settings alone, of models that have nothing else in common."""
    known = {entry.model.key for course in courses.common for entry in course.entries}
    left = [entry for course in courses.lone for entry in course.entries]
    more = courses_of([it for it in left if it.model.key not in known], ("settings",))
    lone = [it for it in courses.lone if it.entries[0].model.key in known]
    return Courses(
        (*courses.common, *more.common),
        (*lone, *more.lone),
        (*courses.ambiguous, *more.ambiguous),
    )


def _standings(courses: Courses, rules: Rules) -> Iterator[Standings]:
    for course in courses.common:
        yield from standings_of(course.name, course.entries, rules)


class _Reader:
    """Takes from each experiment what no newer one of its machine has, one file after another."""

    def __init__(self, roster: Roster, read: Read, across: Collection[str]) -> None:
        self.entries: list[Entry] = []
        self.warnings: list[tuple[int, str]] = []
        self.taken: set[Path] = set()
        self.older: set[Path] = set()
        self._roster, self._read, self._across = roster, read, across
        self._newest: dict[object, Path] = {}
        self._at: tuple[Path, StoredExperiment | None] | None = None
        self._of_file: list[Measured] = []

    def take(self, case: StoredConfiguration) -> None:
        """All that `case` has, unless newer ones have it."""
        machine, workloads = self._roster.number(case.experiment), case.workloads
        if self._is_known(machine, case, workloads):
            self.older.add(case.path)
            return
        stored = self._stored(case.path)
        if stored is None:
            return
        self.taken.add(case.path)
        often = was_asked_often(stored.stops)
        measured = Measured(case.configuration, stored.experiment, stored.runs)
        try:
            found = entries_of(machine, measured, is_asked_often=often)
        except (ArithmeticError, ValueError) as error:
            # Records come from strangers: what follows from their values may be no number at all.
            text = f"{case.experiment.id} holds values that nobody can have measured ({error})"
            self.warnings.append((machine, f"{text}; it is left out."))
            return
        for entry in found:
            self._newest.setdefault(self._key(machine, case, entry.workload), case.path)
        self.entries += found
        self._of_file += [measured] if found else []

    def finish(self) -> None:
        """Closes the file that it is at."""
        if self._of_file:
            machine = self._roster.number(self._of_file[0].experiment)
            told = findings(self._of_file, is_compared=True)
            self.warnings += [(machine, it.text) for it in told if it.level != "info"]
        self._of_file = []

    def _stored(self, path: Path) -> StoredExperiment | None:
        """What lies there; the configurations of one file follow each other."""
        if self._at is None or self._at[0] != path:
            self.finish()
            self._at = path, self._read(path)
        return self._at[1]

    def _is_known(self, machine: int, case: StoredConfiguration, workloads: Sequence[str]) -> bool:
        """Whether newer experiments of the machine have each of these."""
        newest = [self._newest.get(self._key(machine, case, it)) for it in workloads]
        return all(path not in (None, case.path) for path in newest)

    def _key(self, machine: int, case: StoredConfiguration, workload: str) -> object:
        file = case.model.sha256 or case.model.key
        return machine, file, case.model.is_twin, alike(case.settings, self._across), workload
