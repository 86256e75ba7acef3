"""The machine's side of a fleet: does one job after the other, as `harness run` would have."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np

from harness.errors import HarnessError, MachineBusy
from harness.files import FetchProgress, OnProgress, untold
from harness.fleet.job import (
    MOST_LOG_CHARACTERS,
    AnyAnswer,
    AnyJob,
    Busy,
    Measure,
    Measured,
    Prepare,
    Prepared,
    Refused,
    progress_text,
    progress_topic,
    read_job,
)
from harness.measure.also_served import Servers
from harness.measure.found import Found
from harness.measure.lock import machine_held
from harness.measure.maker import Made
from harness.measure.protocol import Event
from harness.measure.resume import same_here
from harness.measure.rounds import RunMaker
from harness.process_end import log_end
from harness.records.store import file_name
from harness.schema.configuration import Configuration
from harness.schema.experiment import Experiment, Run, Stop

Find = Callable[[Sequence[str], OnProgress], Found]
"""What words of `harness run` ask for on this machine, its models fetched where needed."""

_TELL_S = 1.0
_ANEW = "measure the plan anew: harness fleet run --again"

_LOCK_NS = 20 * 10**9
"""How long a job waits for another measurement before it is sent again: who waits says so then."""


@dataclass(frozen=True)
class _Begun:
    """An experiment that this process has prepared, and who makes its Runs."""

    found: Found
    maker: RunMaker


class Workplace:
    """
    Does the jobs of a fleet on this machine.

    Args:
        find: Finds what words ask for.
        folder: For the logs of engines, until the Runs are sent.
    """

    def __init__(self, find: Find, folder: Path) -> None:
        self._find = find
        self._folder = folder
        self._begun: dict[str, _Begun] = {}

    def answer(self, text: str) -> str:
        """The answer to a job; whatever is wrong with it is an answer too."""
        received_utc_ns = time.time_ns()
        try:
            job = read_job(text)
            answer = self._done(job)
        except MachineBusy as error:
            answer = _told(Busy, str(error))
        except HarnessError as error:
            answer = _told(Refused, str(error))
        except Exception as error:  # the outermost function of what a job runs in
            answer = _told(Refused, f"the worker failed: {type(error).__name__}: {error}")
        # Between two Runs: within one nothing is looked for.
        gc.collect()
        times = {"received_utc_ns": received_utc_ns, "sent_utc_ns": time.time_ns()}
        return answer.model_copy(update=times).model_dump_json(by_alias=True)

    def _done(self, job: AnyJob) -> AnyAnswer:
        return self._prepared(job) if isinstance(job, Prepare) else self._measured(job)

    def _prepared(self, job: Prepare) -> Prepared:
        found = self._find(job.argv, _Teller().tell)
        if job.experiment is not None:
            return self._again(job.experiment, found)
        session = found.session()
        with machine_held(found.title, _LOCK_NS):
            about = session.prepared(found.paths)
        experiment = about.experiment.model_copy(update={"fleet": job.fleet})
        self._begin(experiment, found, about.servers)
        return Prepared(
            experiment=experiment,
            is_in_turns=about.is_in_turns,
            why_apart=about.why_apart,
            notes=about.notes,
        )

    def _again(self, experiment: Experiment, found: Found) -> Prepared:
        """An experiment that was begun in another process."""
        with machine_held(found.title, _LOCK_NS):
            again = same_here(experiment, found.subjects, found.request.also_served, _ANEW)
        self._begin(experiment, found, again.servers)
        return Prepared(
            experiment=experiment,
            is_in_turns=False,
            why_apart=None,
            notes=again.notes,
        )

    def _begin(self, experiment: Experiment, found: Found, servers: Servers | None) -> None:
        maker = RunMaker(
            experiment,
            found.paths,
            self._folder / file_name(experiment),
            _Nobody(),
            found.request.silence_ns,
            key_variable=found.request.key_variable,
            servers=servers,
        )
        self._begun[experiment.id] = _Begun(found, maker)

    def _measured(self, job: Measure) -> Measured:
        experiment = job.experiment
        if experiment.id not in self._begun:
            self._again(experiment, self._find(job.argv, untold))
        begun = self._begun[experiment.id]
        tasks = [cell.task(experiment.plan) for cell in job.cells]
        with machine_held(begun.found.title, _LOCK_NS):
            if job.turns is None:
                made = [begun.maker.alone(task) for task in tasks]
            else:
                rng = np.random.default_rng(job.turns.seed)
                runs = begun.maker.in_turns(tasks, job.turns.workloads, rng)
                made = [Made(run, run.duration_ns) for run in runs]
        return Measured(
            runs=tuple(each.run for each in made),
            taken_ns=tuple(each.taken_ns for each in made),
            logs=tuple(_log_of(begun.maker.log(task)) for task in tasks[: len(made)]),
        )


class _Teller:
    """Tells the submitter what is fetched, through Dask, as long as a job runs."""

    def __init__(self) -> None:
        from distributed import get_worker

        # Known in the thread of a job alone, and several threads may fetch.
        self._worker = get_worker()
        self._told: tuple[str, str, float] | None = None

    def tell(self, progress: FetchProgress) -> None:
        """Each phase of each file, and how far it is about once a second."""
        before, now_s = self._told, monotonic()
        is_same = before is not None and before[:2] == (progress.name, progress.phase)
        if before and is_same and now_s - before[2] < _TELL_S:
            return
        self._told = progress.name, progress.phase, now_s
        self._worker.log_event(progress_topic(self._worker.name), progress_text(progress))


class _Nobody:
    """An observer that hears nothing: who watches is on another machine."""

    def run_started(self, number: int, configuration: Configuration) -> None: ...

    def event(self, number: int, event: Event) -> None: ...

    def run_finished(self, run: Run, stop: Stop | None) -> None: ...


def _told(kind: type[Busy | Refused], message: str) -> Busy | Refused:
    return kind(message=message)


def _log_of(path: Path) -> str:
    """The end of a log, which is here no longer."""
    text = log_end(path, MOST_LOG_CHARACTERS)
    with contextlib.suppress(OSError):
        path.unlink()
    return text
