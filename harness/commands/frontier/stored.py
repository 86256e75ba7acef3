"""What is stored of several files of one model: their speeds, measured alike on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.measured import Measured
from harness.commands.frontier.candidates import Candidate
from harness.errors import ResultsInvalid
from harness.records.listing import StoredConfiguration, configurations_in, list_experiments
from harness.records.store import StoredExperiment, load
from harness.schema.experiment import Experiment
from harness.schema.machine import MachineFacts
from harness.schema.model import ModelFile, ServedModel
from harness.schema.settings import ServedSettings, Settings

# Settings, build of the engine, workloads: what must agree before speeds stand on one page.
_Alike = tuple[Settings, str, frozenset[str]]
_Group = Mapping[str, Sequence[StoredConfiguration]]
"""Name of a candidate to what was measured of it, all alike, oldest first."""


@dataclass(frozen=True)
class StoredSpeeds:
    """
    Name of a candidate to what was measured of it; `cut_short` names those not measured out.

    `problems` say of experiments why they cannot be read; they are left out.
    """

    sides: dict[str, Measured]
    cut_short: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


def stored_speeds(found: Sequence[Candidate], results: Path, machine: MachineFacts) -> StoredSpeeds:
    """
    What was measured of the candidates on this machine, all of it alike.

    Of several settings, builds and sets of workloads those are taken under which most candidates
    have figures, of equals the newest. Of one candidate's experiments one with figures comes before
    one that failed or was disturbed throughout; then that which holds most of the others too, for
    its rounds were side by side; of equals the newest.

    Raises:
        ResultsInvalid: The folder cannot be read.
    """
    groups: dict[_Alike, dict[str, list[StoredConfiguration]]] = {}
    read = _Reader()
    # Oldest first, so that what comes later is newer.
    for listing in list_experiments(results):
        experiment = listing.experiment
        if listing.problem:
            read.problems[listing.path] = listing.problem
        if experiment is None or experiment.origin != "harness":
            continue
        if not experiment.machine.is_same_as(machine):
            continue
        for each in configurations_in(listing):
            model = each.model
            settings = each.settings
            if isinstance(model, ServedModel) or isinstance(settings, ServedSettings):
                continue
            candidate = next((it for it in found if _is_same_file(it.file, model)), None)
            if candidate is None or model.is_twin:
                continue
            alike = _alike(experiment, settings)
            mine = groups.pop(alike, {})
            mine.setdefault(candidate.name, []).append(each)
            groups[alike] = mine  # last, for it is the newest now
    if not groups:
        return StoredSpeeds({}, problems=tuple(read.problems.values()))
    best = max(reversed(groups.values()), key=lambda group: (_n_known(group, read), len(group)))
    return _sides(best, read)


class _Reader:
    """Reads each experiment once; `problems` are those of the files that cannot be read."""

    def __init__(self) -> None:
        self.problems: dict[Path, str] = {}
        self._known: dict[Path, StoredExperiment] = {}

    def __call__(self, path: Path) -> StoredExperiment | None:
        if path not in self._known and path not in self.problems:
            try:
                self._known[path] = load(path)
            except ResultsInvalid as error:
                self.problems[path] = str(error)
        return self._known.get(path)


def _n_known(group: _Group, read: _Reader) -> int:
    """How many candidates have figures in any of their experiments."""
    return sum(any(_is_known(case, read) for case in cases) for cases in group.values())


def _is_known(case: StoredConfiguration, read: _Reader) -> bool:
    """Whether it has figures; a damaged file has none."""
    stored = read(case.path)
    return stored is not None and has_speed(_measured(case, stored))


def _sides(cases: _Group, read: _Reader) -> StoredSpeeds:
    held = Counter(path for each in cases.values() for path in {case.path for case in each})
    sides = {}
    cut_short = set()
    for name, each in cases.items():
        whole = [case for case in each if read(case.path)]
        if not whole:
            continue
        case = max(reversed(whole), key=lambda case: (_is_known(case, read), held[case.path]))
        stored = read(case.path)
        assert stored is not None
        sides[name] = _measured(case, stored)
        if not _is_measured_out(stored, case):
            cut_short.add(name)
    return StoredSpeeds(sides, frozenset(cut_short), tuple(read.problems.values()))


def _measured(case: StoredConfiguration, stored: StoredExperiment) -> Measured:
    return Measured(case.configuration, stored.experiment, stored.runs)


def has_speed(side: Measured) -> bool:
    """Whether any workload has figures: not all failed, nor all of their trials were disturbed."""
    return any(case.metrics for case in side.cases)


def _is_measured_out(stored: StoredExperiment, case: StoredConfiguration) -> bool:
    """Whether measuring stopped by itself: it was neither killed nor interrupted."""
    return any(
        case.configuration.is_of(stop) and stop.reason != "interrupted" for stop in stored.stops
    )


def _alike(experiment: Experiment, settings: Settings) -> _Alike:
    engine = experiment.provenance.engine
    build = f"{engine.binding} {engine.binding_version} {engine.library_commit}"
    return settings, build, frozenset(experiment.plan.workloads)


def _is_same_file(file: ModelFile, other: ModelFile) -> bool:
    if file.sha256 and other.sha256:
        return file.sha256 == other.sha256
    return file.key == other.key
