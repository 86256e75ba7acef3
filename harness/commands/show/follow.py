"""An experiment followed while another process measures it: its Runs as they come."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.analysis import formulas
from harness.errors import ResultsInvalid
from harness.measure.holder import Holder
from harness.measure.lock import machine_holder
from harness.records.following import FollowedExperiment
from harness.records.listing import find, listing_of
from harness.report.run_line import STOPS, named, run_line, to_go_on
from harness.schema.configuration import configurations_of
from harness.schema.experiment import Experiment, Run, Stop
from harness.schema.settings import settings_text

# Seldom enough to take nothing from who measures, and sooner than one looks up.
_PAUSE_S = 0.5
# Some file systems keep times of two seconds, and the note whole ones.
_SAME_MOMENT_S = 2.0
_SUFFIX = ".jsonl"


@dataclass(frozen=True, slots=True)
class FollowedRun:
    """
    A Run that is over.

    Attributes:
        experiment: The experiment's id.
        run: Its number, from 1.
        round: The round it belongs to, from 1.
        model: What was measured.
        settings: Under which settings.
        status: How it ended.
        message: What went wrong; null where nothing did.
        figures: Workload to metric to what this Run alone says by its clean trials; a workload
            without any has none.
        duration_ns: How long it took.
    """

    experiment: str
    run: int
    round: int
    model: str
    settings: str
    status: str
    message: str | None
    figures: dict[str, dict[str, float]]
    duration_ns: int


@dataclass(frozen=True, slots=True)
class FollowedEnd:
    """
    The end of the experiment; the last line.

    Attributes:
        experiment: The experiment's id.
        stops: Why measuring each case stopped.
    """

    experiment: str
    stops: tuple[Stop, ...]


@dataclass(frozen=True, slots=True)
class News:
    """What came, as a line for people and as a document for programs."""

    line: str
    document: FollowedRun | FollowedEnd


def follow(
    results: Path,
    selector: str | None,
    tell: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[News]:
    """
    Each Run of an experiment as it comes, those that are there first, then its end.

    Args:
        results: The results folder.
        selector: As `listing.find` takes it, also a file that is to come; None: what is being
            measured now.
        tell: Told what is followed, and what is waited for.
        pause: Waits for so many seconds.

    Raises:
        ResultsInvalid: There is no such experiment, or nobody measures it any more and it has no
            end.
    """
    holder = machine_holder()
    path = _named(results, selector, holder) if selector else _found(results, tell, pause)
    pid = holder.pid if (holder := machine_holder()) and _may_measure(holder, path) else None
    file = FollowedExperiment(path)
    is_over = False
    while True:
        is_begun = file.experiment is not None
        runs = file.new_runs()
        if file.experiment is None:
            if is_over:
                raise ResultsInvalid(f"{path} did not come: whoever measured is gone.")
        else:
            if not is_begun:
                tell(_greeting(file.experiment))
            for run in runs:
                yield _news_of_run(run, file.experiment)
            if file.end:
                yield from _news_of_end(file.end.stops, file.experiment)
                return
            if is_over:
                raise ResultsInvalid(_gone(file.experiment, file.n_runs))
        # Asked before the file is read for the last time: it may write an end, and go.
        is_over = pid is None or (now := machine_holder()) is None or now.pid != pid
        if not is_over:
            pause(_PAUSE_S)


def _named(results: Path, selector: str, holder: Holder | None) -> Path:
    """The file that is meant; one that is not there, if somebody measures who may write it."""
    try:
        return find(results, selector, may_lack_result=True)
    except ResultsInvalid:
        if selector.endswith(_SUFFIX) and holder:
            return Path(selector)
        raise


def _found(results: Path, tell: Callable[[str], None], pause: Callable[[float], None]) -> Path:
    """The record of what is being measured, as soon as it is there."""
    waited_for: Holder | None = None
    while holder := machine_holder():
        if path := _being_measured(results, holder):
            return path
        if waited_for is None:
            waited_for = holder
            tell(f"Process {holder.pid} holds the machine; waiting for its record in {results}.")
        pause(_PAUSE_S)
    if waited_for:
        raise ResultsInvalid(
            f"Process {waited_for.pid} ended without a record in {results}; is it in another "
            "folder (--results DIR)?"
        )
    raise ResultsInvalid(
        "Nothing is being measured on this machine. `harness show` lists what is stored."
    )


def _being_measured(results: Path, holder: Holder) -> Path | None:
    """The newest experiment without an end that was written to since the machine is held."""
    try:
        paths = [Path(each.path) for each in os.scandir(results) if each.name.endswith(_SUFFIX)]
    except OSError:
        return None  # the folder may come with the record
    listings = [listing_of(path) for path in paths if _may_measure(holder, path)]
    going = [each for each in listings if each.started_at and not each.is_complete]
    newest = max(going, key=lambda each: (each.started_at, each.path.name), default=None)
    return newest.path if newest else None


def _may_measure(holder: Holder, path: Path) -> bool:
    """Whether the file was written to since the machine is held; one that is to come may be."""
    try:
        written_s = path.stat().st_mtime
    except OSError:
        return True
    return written_s >= holder.since.timestamp() - _SAME_MOMENT_S


def _greeting(experiment: Experiment) -> str:
    plan = experiment.plan
    n_cases = len(configurations_of(plan))
    each = "" if n_cases == 1 else f" of each of {n_cases} models and settings"
    names = ", ".join(model.key for model in plan.models)
    return f"Following {experiment.id}: {names}, at most {plan.n_runs_max} Runs{each}."


def _gone(experiment: Experiment, n_runs: int) -> str:
    kept = "its only Run is kept" if n_runs == 1 else f"its {n_runs} Runs are kept"
    return (
        f"{experiment.id} was cut short: no process measures it any more; "
        f"{kept if n_runs else 'it has no Run'}. {to_go_on(experiment)}"
    ).rstrip()


def _news_of_run(run: Run, experiment: Experiment) -> News:
    values = {
        workload: formulas.run_values(run, workload, experiment.machine)
        for workload in run.workloads
    }
    return News(
        run_line(run, experiment),
        FollowedRun(
            experiment=experiment.id,
            run=run.index + 1,
            round=run.round + 1,
            model=run.model,
            settings=settings_text(run.settings, experiment.plan.settings),
            status=run.outcome.status,
            message=run.outcome.message,
            figures={workload: of for workload, of in values.items() if of},
            duration_ns=run.duration_ns,
        ),
    )


def _news_of_end(stops: tuple[Stop, ...], experiment: Experiment) -> Iterator[News]:
    """One document, and for people a line for each model and settings."""
    told = [
        f"{named(stop.model, stop.settings, experiment.plan)}: {STOPS[stop.reason]} after "
        f"{stop.n_runs} {'Run' if stop.n_runs == 1 else 'Runs'}"
        for stop in stops
    ]
    yield News("\n".join(told), FollowedEnd(experiment.id, stops))
