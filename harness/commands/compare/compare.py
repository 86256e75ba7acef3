"""What `harness compare` compares: models measured now, or results that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import click

from harness.analysis.advice import trust_lines
from harness.analysis.sides import (
    Side,
    compare_sides,
    is_decided,
    mismatches,
    remarks,
    shared_workloads,
    side_of,
)
from harness.analysis.stats.interval import min_values
from harness.analysis.stats.ratio import CONFIDENCE, CONFIDENCE_OF_EACH_LOOK
from harness.analysis.summary import summarize
from harness.commands.compare.page import ComparedPair
from harness.commands.compare.select import StoredCase, select_pairs
from harness.errors import ExitCode, NotComparable, UsageError
from harness.measure.session import exit_code, prepare, take, undisturbed
from harness.models.catalog.catalog import load_catalog
from harness.models.local import local_models, model_file
from harness.records.store import StoredExperiment, load
from harness.report import terminal
from harness.report.progress.fetching import Fetching
from harness.report.progress.measuring import STOPS, Progress
from harness.report.text import wrapped
from harness.schema.experiment import Experiment, Run

# Wanted of a measurement for its own sake; a comparison stops by other rules.
_PRECISION = 0.02
# As often as a sweep tries a model that fails.
_ROUNDS_TO_GIVE_UP = 2


@dataclass(frozen=True)
class Asked:
    """What is to be compared, and by which rules."""

    what: tuple[str, ...]
    threshold: float
    metrics: tuple[str, ...]
    across: tuple[str, ...]
    until_decided: bool
    results: Path

    def pair(self, a: Side, b: Side) -> ComparedPair:
        """The two sides, compared."""
        return ComparedPair(
            a=a,
            b=b,
            mismatches=tuple(mismatches(a, b)),
            remarks=tuple(remarks(a, b)),
            figures=tuple(
                compare_sides(
                    a,
                    b,
                    threshold=self.threshold,
                    confidence=CONFIDENCE_OF_EACH_LOOK if self.until_decided else CONFIDENCE,
                    wanted=self.metrics,
                )
            ),
        )


def compare_now(asked: Asked, given: dict[str, Any]) -> tuple[list[ComparedPair], int]:
    """
    Measures everything in interleaved rounds; each against the first, and the exit code.

    Raises:
        UsageError: Less than two things to compare.
        HarnessError: As for `harness run`.
    """
    console = terminal.console(is_quiet=given["quiet"])
    catalogs, results = given.pop("catalogs"), given.pop("results")
    with Fetching(console) as fetching:
        found = local_models(asked.what, load_catalog(catalogs), fetching.report)
        files = [model_file(local, fetching.report) for local in found.values()]
    measurement = prepare(given | {"precision": _PRECISION}, files)
    if len(files) * len(measurement.plan.settings) < 2:
        raise UsageError(
            f"There is nothing to compare {files[0].key} with; name another model, or sweep a "
            "setting, as in --threads 1,2"
        )
    paths = {key: local.path for key, local in found.items()}

    with undisturbed(", ".join(paths), given, console.print):
        observer = partial(Progress, console)
        taken = take(measurement, paths, given, results, observer, partial(_is_decided, asked))
    runs = taken.result.runs
    if not given["quiet"]:
        for line in trust_lines(
            taken.experiment, summarize(taken.experiment, runs), is_compared=True
        ):
            click.echo("\n".join(wrapped(line)), err=True)
        n_rounds = max((run.round for run in runs), default=-1) + 1
        ended = {STOPS[stop.reason] for stop in taken.result.stops}
        click.echo(f"Rounds: {n_rounds}, then {' and '.join(sorted(ended))}", err=True)
        click.echo(f"Record: {taken.path}", err=True)
    return _pairs(asked, taken.experiment, runs), exit_code(taken.result)


def compare_stored(asked: Asked) -> tuple[list[ComparedPair], int]:
    """
    What the two selectors mean, compared, and the exit code.

    Raises:
        NotComparable: Something that must match does not, and --across does not name it; or
            there is no workload that both have.
        UsageError: A selector that is none.
        ResultsInvalid: A selector that means nothing or too much.
    """
    cases = select_pairs(asked.results, *asked.what)
    stored = {path: load(path) for path in {case.path: None for pair in cases for case in pair}}
    for each in stored.values():
        _warn_of_what_is_missing(each)
    pairs = [_stored_pair(asked, stored, *sides) for sides in cases]
    for pair in pairs:
        _refuse_what_cannot_be_compared(pair, asked.across)
    return pairs, ExitCode.DONE


def _stored_pair(
    asked: Asked, stored: dict[Path, StoredExperiment], one: StoredCase, other: StoredCase
) -> ComparedPair:
    """The same verdicts as when it was measured: what ended at an answer was looked at often."""
    ends = [stored[case.path].end for case in (one, other)]
    is_decided = any(stop.reason == "decided" for end in ends if end for stop in end.stops)
    asked = replace(asked, until_decided=is_decided)
    return asked.pair(_side(one, stored), _side(other, stored))


def _warn_of_what_is_missing(stored: StoredExperiment) -> None:
    if stored.n_torn or stored.end is None:
        id = stored.experiment.id
        click.echo(f"Experiment {id} was cut short; the Runs it finished are compared.", err=True)


def _refuse_what_cannot_be_compared(pair: ComparedPair, across: Sequence[str]) -> None:
    if pair.a.experiment.id == pair.b.experiment.id:
        return  # measured side by side: what differs was meant to
    if not shared_workloads(pair.a, pair.b):
        raise NotComparable(
            f"{pair.a.title} and {pair.b.title} have no workload in common: "
            f"{'; '.join(remarks(pair.a, pair.b))}. Measure both in the same: `harness compare`."
        )
    blocking = [each for each in pair.mismatches if each.kind not in across]
    if blocking:
        kinds = ",".join(each.kind for each in blocking)
        raise NotComparable(
            f"{pair.a.title} and {pair.b.title} differ in "
            f"{'; '.join(each.text for each in blocking)}. To compare all the same: "
            f"--across {kinds}"
        )


def _side(case: StoredCase, stored: dict[Path, StoredExperiment]) -> Side:
    experiment = stored[case.path].experiment
    title = f"{case.model.key} of experiment {experiment.id}"
    return side_of(title, experiment, case.model, case.settings, stored[case.path].runs)


def _pairs(asked: Asked, experiment: Experiment, runs: Sequence[Run]) -> list[ComparedPair]:
    """Every cell of the plan against the first one."""
    plan = experiment.plan
    sides = [
        side_of(model.key, experiment, model, settings, runs)
        for model, settings in product(plan.models, plan.settings)
    ]
    return [asked.pair(sides[0], other) for other in sides[1:]]


def _is_decided(asked: Asked, experiment: Experiment, runs: Sequence[Run]) -> bool:
    """
    Whether measuring on would say nothing new: all verdicts are there, or nothing is to compare.

    With `until_decided` asked from the sixth round on, the first that also a single figure needs
    for its interval. Each look then has a wider interval (CONFIDENCE_OF_EACH_LOOK), so that all
    of them together err no more often than one would.
    """
    n_rounds = max(run.round for run in runs) + 1
    pairs = [pair.figures for pair in _pairs(asked, experiment, runs)]
    open_pairs = [figures for figures in pairs if any(each.comparison for each in figures)]
    if not open_pairs:
        return n_rounds >= _ROUNDS_TO_GIVE_UP
    if not asked.until_decided or n_rounds < min_values():
        return False
    return all(is_decided(figures) for figures in open_pairs)
