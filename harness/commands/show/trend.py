"""How the cases of an experiment came out in the experiments before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.measured import Absence, Measured, measured_of
from harness.analysis.metrics import Metric, headline
from harness.errors import ResultsInvalid
from harness.records.listing import (
    Listing,
    configurations_in,
    find_among,
    list_experiments,
    listing_of,
)
from harness.records.store import load
from harness.schema.configuration import Configuration, is_same_model
from harness.schema.experiment import Experiment
from harness.schema.figure import Figure
from harness.schema.workload import parse_workload

MOST = 20
"""As many of the newest experiments are read whole: a page of rows, within a second."""


@dataclass(frozen=True, slots=True)
class Point:
    """
    A case in one experiment.

    `figure` is None where it has none; then `state` says why, in a word.
    """

    experiment: Experiment
    figure: Figure | None
    state: Absence | None = None


@dataclass(frozen=True, slots=True)
class Trend:
    """A workload of a configuration over experiments, the newest last."""

    configuration: Configuration
    workload: str
    points: tuple[Point, ...]

    @property
    def metric(self) -> Metric:
        """The one that the workload is judged by."""
        return headline(parse_workload(self.workload))

    @property
    def known(self) -> list[Point]:
        """Those with a figure."""
        return [point for point in self.points if point.figure]


@dataclass(frozen=True, slots=True)
class TrendResult:
    """The cases of `experiment`, each over all; `n_older` experiments more were not looked into."""

    experiment: Experiment
    trends: tuple[Trend, ...]
    n_older: int
    problems: tuple[str, ...]


def trend(folder: Path, selector: str) -> TrendResult:
    """
    The cases of the experiment that `selector` names over those in `folder` that measured them.

    Only what was measured on the same machine, the same file under the same settings, by the same
    program is of the same case; the engine's build may differ, for that is what one looks for.

    Raises:
        ResultsInvalid: The experiment, or the folder, cannot be read.
    """
    there = list_experiments(folder)
    path = find_among(there, folder, selector)
    this = listing_of(path)
    if this.experiment is None:
        raise ResultsInvalid(this.problem or f"{path} cannot be read.")
    cases = [each.configuration for each in configurations_in(this)]
    wanted = [each for each in _among(there, this) if _has_any(each, this.experiment, cases)]
    found, problems = [], []
    for listing in wanted[-MOST:]:
        try:
            stored = load(listing.path)
        except ResultsInvalid as error:
            problems.append(str(error))
        else:
            found.append((stored.experiment, measured_of(stored.experiment, stored.runs)))
    trends = [
        Trend(case, workload, tuple(_points(case, workload, found)))
        for case in cases
        for workload in case.workloads(this.experiment.plan.workloads)
    ]
    return TrendResult(this.experiment, tuple(trends), len(wanted[:-MOST]), tuple(problems))


def _among(there: Sequence[Listing], this: Listing) -> list[Listing]:
    """All that can be read, the newest last; `this` may lie elsewhere."""
    listings = [each for each in there if each.experiment]
    return listings if this.id in {each.id for each in listings} else [*listings, this]


def _has_any(listing: Listing, this: Experiment, cases: Sequence[Configuration]) -> bool:
    other = listing.experiment
    return (
        other is not None
        and other.origin == this.origin
        and other.machine.is_same_as(this.machine)
        and bool({*other.plan.workloads} & {*this.plan.workloads})
        and any(
            _is_same(case, each.configuration)
            for case in cases
            for each in configurations_in(listing)
        )
    )


def _is_same(one: Configuration, other: Configuration) -> bool:
    """Whether both are the same file, twin or not, under the same settings."""
    return is_same_model(one.model, other.model) and one.settings == other.settings


def _points(
    case: Configuration, workload: str, found: Sequence[tuple[Experiment, Sequence[Measured]]]
) -> Iterator[Point]:
    metric = headline(parse_workload(workload)).name
    for experiment, groups in found:
        group = next((it for it in groups if _is_same(case, it.configuration)), None)
        if group is not None and workload in group.workloads:
            figure = group.figures(workload).get(metric)
            yield Point(experiment, figure, None if figure else group.lack(workload).state)
