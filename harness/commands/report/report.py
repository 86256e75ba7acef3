"""What `harness report` shows: which stored results are meant, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.measured import Measured
from harness.analysis.roster import Roster
from harness.analysis.standings import Rules
from harness.errors import ResultsInvalid
from harness.models.aliases import names_in_records
from harness.records.chosen import Chosen, choose
from harness.records.listing import StoredConfiguration
from harness.records.quality import list_qualities
from harness.records.store import StoredExperiment, load
from harness.report.measured_page import MeasuredResult, measured_result
from harness.report.side_by_side import SideBySide, side_by_side
from harness.schema.quality import QualityRecord

MOST_CASES = 80
"""What one page has room for: four machines with six models each in the usual three workloads. With
every Run as a point it stays below 2 MB."""
# Each is read whole, some 100 kB; a model's whole set of quantizations is ten of them.
_MOST_QUALITIES = 100


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """Whose results are to be shown: those of `selectors`, or where there are none all."""

    selectors: tuple[str, ...]
    results: Path


@dataclass(frozen=True, slots=True)
class ReportResult:
    """
    What the selected results say.

    Attributes:
        measured: The newest first, each with those of its configurations that are meant.
        problems: A sentence for each file that cannot be read, and for what else was passed over.
        folders: Where the results lie.
        qualities: What was scored of models there.
        n_cases: How many cases are shown.
        n_cases_left: Older ones, for which there was no room.
        n_experiments_left: Of how many experiments those are.
        machines: All machines side by side, those of cases without room too; None of one machine.
    """

    measured: tuple[MeasuredResult, ...]
    problems: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    qualities: tuple[QualityRecord, ...] = ()
    n_cases: int = 0
    n_cases_left: int = 0
    n_experiments_left: int = 0
    machines: SideBySide | None = None

    @property
    def groups(self) -> tuple[Measured, ...]:
        """All configurations that are shown."""
        return tuple(group for it in self.measured for group in it.groups)


def report(request: ReportRequest) -> ReportResult:
    """
    The results that are meant, the newest first, as many as a page has room for.

    Raises:
        ResultsInvalid: There is no experiment, or a selector means none; the message says what
            there is, and how to get one.
        UsageError: A selector that is none.
    """
    return _read(choose(request.selectors, request.results, names_in_records))


# ------------------------------------------------------------------ what they say


def _read(chosen: Chosen) -> ReportResult:
    """Reads whole only what there is room for."""
    read = _Reader(list(chosen.problems))
    taken: dict[Path, list[StoredConfiguration]] = {}
    left: list[StoredConfiguration] = []
    n_taken = 0
    for case in chosen.newest_first():
        n = _n_cases(case)
        if left or (n_taken and n_taken + n > MOST_CASES):
            left.append(case)
        elif read(case.path):
            taken.setdefault(case.path, []).append(case)
            n_taken += n
    measured = [it for path, cases in taken.items() for it in _measured(path, cases, read)]
    if not measured:
        raise ResultsInvalid(f"Nothing there can be read: {read.problems[0]}")
    machines = _side_by_side(chosen, read)
    folders = tuple(dict.fromkeys(chosen.folders))
    qualities = [it for folder in folders for it in _qualities(folder, measured, read.problems)]
    return ReportResult(
        measured=tuple(measured),
        problems=tuple(dict.fromkeys(read.problems)),
        folders=folders,
        qualities=tuple(qualities),
        n_cases=n_taken,
        n_cases_left=sum(map(_n_cases, left)),
        n_experiments_left=len({case.path for case in left} - {*taken}),
        machines=machines,
    )


def _side_by_side(chosen: Chosen, read: _Reader) -> SideBySide | None:
    experiments = [case.experiment for case in chosen.cases]
    if len(Roster(experiments).machines) < 2:
        return None
    return side_by_side(chosen.newest_first(), experiments, read.once, Rules(), is_lenient=True)


def _qualities(
    folder: Path, measured: Sequence[MeasuredResult], problems: list[str]
) -> Iterator[QualityRecord]:
    """Of the files that were measured; what cannot be read is a problem."""
    files = {group.model.sha256 for it in measured for group in it.groups}
    for stored in list_qualities(folder, _MOST_QUALITIES):
        if stored.record is not None and stored.record.model.sha256 in files:
            yield stored.record
        if stored.problem:
            problems.append(stored.problem)


def _n_cases(case: StoredConfiguration) -> int:
    return max(1, len(case.workloads))


class _Reader:
    """Reads each experiment once; `problems` says of the others why not."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        self._known: dict[Path, StoredExperiment | None] = {}

    def __call__(self, path: Path) -> StoredExperiment | None:
        self._known[path] = self.once(path)
        return self._known[path]

    def once(self, path: Path) -> StoredExperiment | None:
        """The same, without keeping it: a thousand of them are a gigabyte."""
        if path in self._known:
            return self._known[path]
        try:
            return load(path)
        except ResultsInvalid as error:
            self.problems.append(str(error))
            return None


def _measured(
    path: Path, cases: Sequence[StoredConfiguration], read: _Reader
) -> Iterator[MeasuredResult]:
    stored = read(path)
    assert stored is not None
    try:
        whole = measured_result(stored.experiment, stored.runs, stored.stops, path)
    except (ArithmeticError, ValueError) as error:
        # Each value may be one, and what follows from them nothing that a number can hold.
        read.problems.append(f"{path} holds values that nobody can have measured ({error}).")
        return
    wanted = {case.configuration for case in cases}
    kept = [
        (group, verdict)
        for group, verdict in zip(whole.groups, whole.verdicts, strict=True)
        if group.configuration in wanted
    ]
    yield MeasuredResult(
        experiment=whole.experiment,
        groups=tuple(group for group, _ in kept),
        verdicts=tuple(verdict for _, verdict in kept),
        stops=whole.stops,
        findings=whole.findings,
        path=path,
    )
