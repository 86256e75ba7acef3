"""What `harness report` shows: which stored results are meant, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.analysis.measured import Measured
from harness.errors import ResultsInvalid
from harness.files import is_file, is_folder
from harness.models.aliases import names_in_records
from harness.records.listing import (
    Listing,
    StoredConfiguration,
    configurations_in,
    list_experiments,
    listing_of,
)
from harness.records.quality import list_qualities
from harness.records.select import Stored, stored_in
from harness.records.store import StoredExperiment, load
from harness.report.measured_page import MeasuredResult, measured_result
from harness.schema.moment import utc_time
from harness.schema.quality import QualityRecord

MOST_CASES = 50
"""What one page has room for: with every Run as a point it stays well below 1.5 MB."""
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
    """

    measured: tuple[MeasuredResult, ...]
    problems: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    qualities: tuple[QualityRecord, ...] = ()
    n_cases: int = 0
    n_cases_left: int = 0
    n_experiments_left: int = 0

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
    chosen = _Chosen()
    if request.selectors:
        _choose(request, chosen)
    else:
        _choose_all(request.results, chosen)
    return _read(chosen)


@dataclass
class _Chosen:
    """What is meant so far."""

    cases: list[StoredConfiguration] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def add(self, listings: Sequence[Listing]) -> None:
        for listing in listings:
            self.cases += configurations_in(listing)
            if listing.problem:
                self.problems.append(listing.problem)


# ------------------------------------------------------------------ which are meant


def _choose_all(folder: Path, chosen: _Chosen) -> None:
    chosen.folders.append(folder)
    chosen.add(list_experiments(folder))
    if not chosen.cases:
        raise _nothing(str(folder), chosen)


def _nothing(where: str, chosen: _Chosen) -> ResultsInvalid:
    unread = f" What is there cannot be read: {chosen.problems[0]}" if chosen.problems else ""
    return ResultsInvalid(
        f"No experiment is stored in {where}. Measure one: `harness run`.{unread}"
    )


def _choose(request: ReportRequest, chosen: _Chosen) -> None:
    words: list[str] = []
    for selector in request.selectors:
        if is_folder(selector):
            before = len(chosen.cases)
            folder = Path(selector)
            chosen.folders.append(folder)
            chosen.add(list_experiments(folder))
            if len(chosen.cases) == before:
                raise _nothing(selector, chosen)
        elif selector.endswith(".jsonl") and is_file(selector):
            chosen.add([listing_of(Path(selector))])
            chosen.folders.append(Path(selector).parent)
        else:
            words.append(selector)
    if words:
        stored = stored_in(request.results, words, names_in_records)
        _choose_by_words(stored, words, chosen)
    if not chosen.cases:
        raise ResultsInvalid(f"Nothing there can be read: {chosen.problems[0]}")


def _choose_by_words(stored: Stored, words: Sequence[str], chosen: _Chosen) -> None:
    if not stored.listings:
        raise stored.nothing
    chosen.folders.append(stored.folder)
    for selector in words:
        found = stored.matching(selector)
        if not found:
            raise stored.no_match(selector)
        chosen.cases += found


# ------------------------------------------------------------------ what they say


def _read(chosen: _Chosen) -> ReportResult:
    """Reads whole only what there is room for."""
    read = _Reader(list(chosen.problems))
    taken: dict[Path, list[StoredConfiguration]] = {}
    left: list[StoredConfiguration] = []
    n_taken = 0
    for case in _newest_first(chosen.cases):
        n = _n_cases(case)
        if left or (n_taken and n_taken + n > MOST_CASES):
            left.append(case)
        elif read(case.path):
            taken.setdefault(case.path, []).append(case)
            n_taken += n
    measured = [it for path, cases in taken.items() for it in _measured(path, cases, read)]
    if not measured:
        raise ResultsInvalid(f"Nothing there can be read: {read.problems[0]}")
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
    )


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


def _newest_first(cases: Sequence[StoredConfiguration]) -> Iterator[StoredConfiguration]:
    """Each once, though it was named twice, or lies in two files of one experiment."""
    files: dict[str, StoredConfiguration] = {}
    seen: set[tuple[Path, object]] = set()
    # Sorting is stable, and keeps what one experiment holds in the order of its plan.
    for case in sorted(cases, key=_age_key, reverse=True):
        first = files.setdefault(case.experiment.id, case)
        is_copy = first.path != case.path and first.experiment == case.experiment
        key = (case.path, case.configuration)
        if not is_copy and key not in seen:
            seen.add(key)
            yield case


def _age_key(case: StoredConfiguration) -> float:
    return utc_time(case.experiment.started_at).timestamp()


def _n_cases(case: StoredConfiguration) -> int:
    return max(1, len(case.configuration.workloads(case.experiment.plan.workloads)))


class _Reader:
    """Reads each experiment once; `problems` says of the others why not."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        self._known: dict[Path, StoredExperiment | None] = {}

    def __call__(self, path: Path) -> StoredExperiment | None:
        if path not in self._known:
            self._known[path] = None
            try:
                self._known[path] = load(path)
            except ResultsInvalid as error:
                self.problems.append(str(error))
        return self._known[path]


def _measured(
    path: Path, cases: Sequence[StoredConfiguration], read: _Reader
) -> Iterator[MeasuredResult]:
    stored = read(path)
    assert stored is not None
    stops = stored.end.stops if stored.end else ()
    try:
        whole = measured_result(stored.experiment, stored.runs, stops, path)
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
