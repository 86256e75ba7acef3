"""What is stored of several files of one model: their speeds, measured alike on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.measured import Measured
from harness.commands.frontier.candidates import Candidate
from harness.records.listing import StoredConfiguration, configurations_in, list_experiments
from harness.records.store import StoredExperiment, load
from harness.schema.experiment import Experiment, ModelFile
from harness.schema.settings import Settings

# Settings, build of the engine, workloads: what must agree before speeds stand on one page.
_Alike = tuple[Settings, str, frozenset[str]]


@dataclass(frozen=True)
class StoredSpeeds:
    """Name of a candidate to what was measured of it; `cut_short` names those not measured out."""

    sides: dict[str, Measured]
    cut_short: frozenset[str] = frozenset()

    @property
    def n_known(self) -> int:
        """How many have figures."""
        return sum(map(has_speed, self.sides.values()))


_NONE = StoredSpeeds({})


def stored_speeds(found: Sequence[Candidate], results: Path, machine_id: str) -> StoredSpeeds:
    """
    What was measured of the candidates on this machine, all of it alike.

    Of several settings, builds and sets of workloads those are taken under which most candidates
    have figures, of equals the newest. Of one candidate's experiments one with figures comes before
    one that failed or was disturbed throughout; then that which holds most of the others too, for
    its rounds were side by side; of equals the newest.

    Raises:
        ResultsInvalid: The folder, or an experiment that is needed, cannot be read.
    """
    groups: dict[_Alike, dict[str, list[StoredConfiguration]]] = {}
    # Oldest first, so that what comes later is newer.
    for listing in list_experiments(results):
        experiment = listing.experiment
        if experiment is None or experiment.origin != "harness":
            continue
        if experiment.machine.id != machine_id:
            continue
        for each in configurations_in(listing):
            candidate = next((it for it in found if _is_same_file(it.file, each.model)), None)
            if candidate is None or each.model.is_twin:
                continue
            alike = _alike(experiment, each.settings)
            mine = groups.pop(alike, {})
            mine.setdefault(candidate.name, []).append(each)
            groups[alike] = mine  # last, for it is the newest now
    loaded = {
        each.path: load(each.path)
        for group in groups.values()
        for cases in group.values()
        for each in cases
    }
    found_sides = [_sides(group, loaded) for group in groups.values()]
    return max(reversed(found_sides), key=lambda it: (it.n_known, len(it.sides)), default=_NONE)


def _sides(
    cases: Mapping[str, Sequence[StoredConfiguration]], loaded: Mapping[Path, StoredExperiment]
) -> StoredSpeeds:
    held = Counter(path for each in cases.values() for path in {case.path for case in each})
    sides = {}
    cut_short = set()
    for name, each in cases.items():
        tried = [(_measured(case, loaded), case) for case in reversed(each)]
        side, case = max(tried, key=lambda it: (has_speed(it[0]), held[it[1].path]))
        sides[name] = side
        if not _is_measured_out(loaded[case.path], case):
            cut_short.add(name)
    return StoredSpeeds(sides, frozenset(cut_short))


def _measured(case: StoredConfiguration, loaded: Mapping[Path, StoredExperiment]) -> Measured:
    stored = loaded[case.path]
    return Measured(case.configuration, stored.experiment, stored.runs)


def has_speed(side: Measured) -> bool:
    """Whether any workload has figures: not all failed, nor all of their trials were disturbed."""
    return any(case.metrics for case in side.cases)


def _is_measured_out(stored: StoredExperiment, case: StoredConfiguration) -> bool:
    """Whether measuring stopped by itself: it was neither killed nor interrupted."""
    stops = stored.end.stops if stored.end else ()
    return any(case.configuration.is_of(stop) and stop.reason != "interrupted" for stop in stops)


def _alike(experiment: Experiment, settings: Settings) -> _Alike:
    engine = experiment.provenance.engine
    build = f"{engine.binding} {engine.binding_version} {engine.library_commit}"
    return settings, build, frozenset(experiment.plan.workloads)


def _is_same_file(file: ModelFile, other: ModelFile) -> bool:
    if file.sha256 and other.sha256:
        return file.sha256 == other.sha256
    return file.key == other.key
