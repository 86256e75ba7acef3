"""What `harness compare` compares: models measured now, or results that are stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.analysis.comparison import (
    compare,
    confidence_of,
    differences,
    is_decided,
    is_open,
    mismatches,
    shared_workloads,
    was_asked_often,
)
from harness.analysis.measured import Measured, measured_of
from harness.analysis.stats.interval import min_values
from harness.commandline.draft_options import with_drafts
from harness.commandline.output import ANSWERING
from harness.commands.compare.page import ComparedPair
from harness.commands.compare.select import select_pairs
from harness.errors import ExitCode, NotComparable, UsageError
from harness.files import OnProgress
from harness.measure.session import MeasureRequest, Session, SessionObserver, SessionResult
from harness.measure.subjects import find_subjects
from harness.models.catalog.catalog import Catalog
from harness.records.listing import StoredConfiguration
from harness.records.store import StoredExperiment, load
from harness.schema.configuration import configurations_of
from harness.schema.experiment import Experiment, Run
from harness.schema.model import ModelKey

# Of the options, those that --stored has a use for; the rest says how to measure.
_FOR_STORED = {
    *("what", "stored", "threshold", "wanted", "across", "results", "explain"),
    *ANSWERING,
}
# As often as a sweep tries a model that fails.
_ROUNDS_TO_GIVE_UP = 2


@dataclass(frozen=True)
class CompareRequest:
    """What is to be compared, and by which rules."""

    what: tuple[str, ...]
    threshold: float
    metrics: tuple[str, ...]
    across: tuple[str, ...]
    until_decided: bool
    results: Path

    def pair(self, a: Measured, b: Measured) -> ComparedPair:
        """The two sides, compared."""
        return ComparedPair(
            a=a,
            b=b,
            mismatches=tuple(mismatches(a, b)),
            findings=tuple(differences(a, b)),
            figures=tuple(
                compare(
                    a,
                    b,
                    threshold=self.threshold,
                    confidence=confidence_of(is_asked_often=self.until_decided),
                    wanted=self.metrics,
                )
            ),
        )


@dataclass(frozen=True)
class Compared:
    """
    Every pair that was asked for.

    `measured` is what they were taken from, if that was just now; `warnings` say what is missing
    of what was stored.
    """

    pairs: tuple[ComparedPair, ...]
    measured: SessionResult | None = None
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """
        What the command answers with.

        Raises:
            ResultsUnwritable: The record could not be kept whole.
        """
        return self.measured.exit_code if self.measured else ExitCode.DONE


@dataclass(frozen=True)
class Comparison:
    """A session about to measure everything that is to be compared."""

    request: CompareRequest
    session: Session
    paths: Mapping[ModelKey, Path]

    @property
    def title(self) -> str:
        """The models."""
        return ", ".join(model.key for model in self.session.plan.models)

    def measure(self, observer: SessionObserver) -> Compared:
        """
        Measures everything in interleaved rounds; each against the first.

        Raises:
            HarnessError: As `Session.measure`.
        """
        measured = self.session.measure(self.paths, observer, partial(_is_decided, self.request))
        pairs = _pairs(self.request, measured.experiment, measured.result.runs)
        return Compared(tuple(pairs), measured)


def prepare_comparison(
    request: CompareRequest, measure: MeasureRequest, catalog: Catalog, on_progress: OnProgress
) -> Comparison:
    """
    The models that are named, fetched if need be, and how they are to be measured.

    Raises:
        UsageError: Less than two things to compare.
        HarnessError: One cannot be found, fetched or read.
    """
    models = find_subjects(request.what, catalog, on_progress, measure.key_variable)
    found = with_drafts(measure, models, catalog, on_progress)
    session = found.session()
    if len(configurations_of(session.plan)) < 2:
        raise UsageError(
            f"There is nothing to compare {models.models[0].key} with; name another model, sweep a "
            "setting, as in --threads 1,2, or add --draft ngram"
        )
    return Comparison(request, session, found.paths)


def require_selectors(what: Sequence[str], typed: Mapping[str, str]) -> None:
    """
    Nothing, if `what` are two selectors and nothing is said of measuring beside them.

    Args:
        what: The arguments of the command.
        typed: As `options.typed` gives them.

    Raises:
        UsageError: It is otherwise.
    """
    if len(what) != 2:
        raise UsageError(f"--stored compares two selectors, A and B; here are {len(what)}")
    for name, option in typed.items():
        if name not in _FOR_STORED:
            raise UsageError(
                f"{option} is for measuring, and --stored measures nothing; a setting is selected "
                "by its name, as in threads=2"
            )


def compare_stored(request: CompareRequest) -> Compared:
    """
    What the two selectors mean, compared.

    Raises:
        NotComparable: Something that must match does not, and --across does not name it; or
            there is no workload that both have.
        UsageError: A selector that is none.
        ResultsInvalid: A selector that means nothing or too much.
    """
    cases = select_pairs(request.results, *request.what)
    stored = {path: load(path) for path in {case.path: None for pair in cases for case in pair}}
    pairs = [_stored_pair(request, stored, *sides) for sides in cases]
    for pair in pairs:
        _refuse_what_cannot_be_compared(pair, request.across)
    return Compared(tuple(pairs), warnings=tuple(_warnings(stored.values())))


def _stored_pair(
    request: CompareRequest,
    stored: dict[Path, StoredExperiment],
    one: StoredConfiguration,
    other: StoredConfiguration,
) -> ComparedPair:
    """The same verdicts as when it was measured: what ended at an answer was looked at often."""
    ends = [stored[case.path].end for case in (one, other)]
    stops = [stop for end in ends if end for stop in end.stops]
    request = replace(request, until_decided=was_asked_often(stops))
    return request.pair(_side(one, stored), _side(other, stored))


def _warnings(stored: Iterable[StoredExperiment]) -> Iterator[str]:
    for each in stored:
        if each.n_torn or each.end is None:
            yield (
                f"Experiment {each.experiment.id} was cut short; the Runs it finished are compared."
            )


def _refuse_what_cannot_be_compared(pair: ComparedPair, across: Sequence[str]) -> None:
    if pair.a.experiment.id == pair.b.experiment.id:
        return  # measured side by side: what differs was meant to
    if not shared_workloads(pair.a, pair.b):
        why = "; ".join(each.text for each in pair.findings)
        raise NotComparable(
            f"{_title(pair.a)} and {_title(pair.b)} have no workload in common: {why}. Measure "
            "both in the same: `harness compare`."
        )
    blocking = [each for each in pair.mismatches if each.kind not in across]
    if blocking:
        kinds = ",".join(each.kind for each in blocking)
        raise NotComparable(
            f"{_title(pair.a)} and {_title(pair.b)} differ in "
            f"{'; '.join(each.text for each in blocking)}. To compare all the same: "
            f"--across {kinds}"
        )


def _side(case: StoredConfiguration, stored: dict[Path, StoredExperiment]) -> Measured:
    found = stored[case.path]
    return Measured(case.configuration, found.experiment, found.runs)


def _title(side: Measured) -> str:
    return f"{side.model.key} of experiment {side.experiment.id}"


def _pairs(
    request: CompareRequest, experiment: Experiment, runs: Sequence[Run]
) -> list[ComparedPair]:
    """Every configuration of the plan against the first one."""
    first, *others = measured_of(experiment, runs)
    return [request.pair(first, other) for other in others]


def _is_decided(request: CompareRequest, experiment: Experiment, runs: Sequence[Run]) -> bool:
    """
    Whether measuring on would say nothing new: all verdicts are there, or nothing is to compare.

    With `until_decided` request from the sixth round on, the first that also a single figure needs
    for its interval. Each look then has a wider interval (CONFIDENCE_OF_EACH_LOOK), so that all
    of them together err no more often than one would.
    """
    n_rounds = max(run.round for run in runs) + 1
    pairs = [pair.figures for pair in _pairs(request, experiment, runs)]
    comparable = [
        figures for figures in pairs if any(each.comparison or is_open(each) for each in figures)
    ]
    if not comparable:
        return n_rounds >= _ROUNDS_TO_GIVE_UP
    if not request.until_decided or n_rounds < min_values():
        return False
    return all(is_decided(figures) for figures in comparable)
