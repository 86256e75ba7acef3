"""
The Runs of a round: fresh workers, one after the other or with their trials in turns, and what is
kept of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from typing import Protocol

from numpy.random import Generator

from harness.analysis.bandwidth import is_worth_reading
from harness.measure import runner
from harness.measure.also_served import Running, Servers
from harness.measure.bandwidth_here import RecentBandwidth
from harness.measure.jobs.measure import MeasureJob, MeasureReport, TrialsJob, measure
from harness.measure.jobs.request import RequestJob, patience_ns
from harness.measure.maker import Made, Task
from harness.measure.protocol import Event
from harness.measure.turns import Side, measure_in_turns
from harness.records.store import logs_folder
from harness.schema.configuration import Configuration
from harness.schema.experiment import Experiment, Plan, Run, Stop
from harness.schema.machine import BandwidthSample, Machine
from harness.schema.model import ModelKey, ServedModel
from harness.schema.settings import ServedSettings, Settings

ATTEMPTS_PER_TRIAL = 3
"""How often a disturbed trial is tried again: with a busy process two thirds of the time, three
attempts still find a quiet one as often as not."""


class Observer(Protocol):
    """Told what happens, while no worker measures."""

    def run_started(self, number: int, configuration: Configuration) -> None:
        """Run `number` (from 1) of the experiment begins."""

    def event(self, number: int, event: Event) -> None:
        """The worker of Run `number` told something, and waits."""

    def run_finished(self, run: Run, stop: Stop | None) -> None:
        """A Run is complete and stored; with `stop`, it was the last of its configuration."""


class RunMaker:
    """
    Makes the Runs of an experiment; none of them is kept here.

    Attributes:
        is_interrupted: A signal came behind the last Run, which is whole.

    Args:
        paths: Where each model of the plan lies.
        record: The experiment's file; the workers' logs lie beside it.
        observer: Told what happens.
        silence_ns: A worker that says nothing for so long is ended.
        command: The workers' command line.
        key_variable: What holds the servers' key in the environment.
        servers: Starts those of the plan that have to be.
    """

    def __init__(
        self,
        experiment: Experiment,
        paths: Mapping[ModelKey, Path],
        record: Path,
        observer: Observer,
        silence_ns: int = runner.SILENCE_NS,
        command: Sequence[str] = runner.WORKER,
        key_variable: str | None = None,
        servers: Servers | None = None,
    ) -> None:
        self._plan: Plan = experiment.plan
        assert isinstance(experiment.machine, Machine)  # of this machine, so told in full
        self._machine = experiment.machine
        self._paths = paths
        self._logs = logs_folder(record)
        self._observer = observer
        self._silence_ns = silence_ns
        self._command = command
        self._key_variable = key_variable
        self._servers = servers
        self._bandwidth = RecentBandwidth(self._machine)
        self.is_interrupted = False
        self._logs.mkdir(parents=True, exist_ok=True)

    def alone(self, task: Task) -> Made:
        """One worker, and nothing beside it."""
        begun_ns = perf_counter_ns()
        self._observer.run_started(task.index + 1, task.configuration)
        before = self._sample_bandwidth(task.configuration)
        started_at, started_ns = now(), perf_counter_ns()
        report = self._measured(task, started_ns)
        duration_ns = perf_counter_ns() - started_ns
        after = self._sample_bandwidth_after([report], task.configuration)
        run = self._run(task, report, started_at, duration_ns, (before, after))
        return Made(run, perf_counter_ns() - begun_ns)

    def in_turns(
        self, tasks: Sequence[Task], workloads: Sequence[str], rng: Generator
    ) -> list[Run]:
        """As maker.py says: a worker for each task, all alive together."""
        befores = []
        for task in tasks:
            self._observer.run_started(task.index + 1, task.configuration)
            befores.append(self._sample_bandwidth(task.configuration))
        started_at = now()
        sides = [
            Side(
                self._job(task, perf_counter_ns(), is_in_turns=True),
                self.log(task),
                partial(self._observer.event, task.index + 1),
                self._command,
            )
            for task in tasks
        ]
        silence_ns = max(patience_ns(side.job, self._silence_ns) for side in sides)
        turns = measure_in_turns(sides, workloads, rng, silence_ns=silence_ns)
        reports = [each.report for each in turns]
        return [
            self._run(
                task,
                each.report,
                started_at,
                each.active_ns,
                (before, self._sample_bandwidth_after(reports, task.configuration)),
                is_in_turns=True,
            )
            for task, each, before in zip(tasks, turns, befores, strict=False)
        ]

    def _measured(self, task: Task, started_ns: int) -> MeasureReport:
        """What one worker measured; with the server behind it that is there for this Run alone."""
        served = task.configuration.model.served
        if self._servers is None or served is None or served.started_for is None:
            return self._by_worker(task, self._job(task, started_ns))
        return self._servers.behind(
            served,
            self.log(task).with_suffix(".server.log"),
            lambda running: self._by_worker(task, self._job(task, started_ns, running=running)),
        )

    def _by_worker(self, task: Task, job: TrialsJob) -> MeasureReport:
        return measure(
            job,
            log=self.log(task),
            on_event=partial(self._observer.event, task.index + 1),
            silence_ns=patience_ns(job, self._silence_ns),
            command=self._command,
        )

    def log(self, task: Task) -> Path:
        """Where the log of its worker is written."""
        return self._logs / f"run-{task.index + 1:03}.log"

    def _run(
        self,
        task: Task,
        report: MeasureReport,
        started_at: str,
        duration_ns: int,
        bandwidths: tuple[BandwidthSample | None, BandwidthSample | None],
        *,
        is_in_turns: bool = False,
    ) -> Run:
        return Run(
            index=task.index,
            round=task.round_index,
            model=task.configuration.model.key,
            settings=task.configuration.settings,
            workloads=task.workloads,
            seed=task.seed,
            started_at=started_at,
            duration_ns=duration_ns,
            is_in_turns=is_in_turns,
            outcome=report.outcome,
            case_failures=report.case_failures,
            load=report.load,
            weights=report.weights,
            contexts=report.contexts,
            memory=report.memory,
            devices_before=report.devices_before,
            devices_loaded=report.devices_loaded,
            bandwidth_before=bandwidths[0],
            bandwidth_after=bandwidths[1],
            idle_energy=report.idle_energy,
            energy_reasons_missing=report.energy_reasons_missing,
            counters=report.counters,
            trials=report.trials,
            log=f"{self._logs.name}/{self.log(task).name}",
        )

    def _job(
        self,
        task: Task,
        started_ns: int,
        *,
        is_in_turns: bool = False,
        running: Running | None = None,
    ) -> TrialsJob:
        model, settings = task.configuration.model, task.configuration.settings
        common = {
            "workloads": task.workloads,
            "n_trials": self._plan.n_trials,
            "n_trials_max": self._plan.n_trials * ATTEMPTS_PER_TRIAL,
            "seed": task.seed,
            "is_in_turns": is_in_turns,
            "reads_energy": model.served is None or model.served.is_local,
            "n_cores_logical": self._machine.n_cores_logical,
            "n_cores_usable": self._machine.n_cores_usable,
            "started_ns": started_ns,
            "deadline_ns": started_ns + task.left_ns,
        }
        if model.served is not None:
            return RequestJob(
                served=running.served if running else model.served,
                ready_ns=running.ready_ns if running else None,
                key_variable=self._key_variable,
                silence_ns=self._silence_ns,
                **common,
            )
        assert isinstance(settings, Settings)
        return MeasureJob(
            model_path=str(self._paths[model.key]),
            kind=model.kind,
            settings=settings,
            draft_path=str(self._paths[draft]) if (draft := settings.draft_model) else None,
            is_cold=task.is_cold,
            **common,
        )

    def _sample_bandwidth_after(
        self, reports: Sequence[MeasureReport], configuration: Configuration
    ) -> BandwidthSample | None:
        if any(report.outcome.reason == "interrupted" for report in reports):
            return None
        try:
            return self._sample_bandwidth(configuration)
        except KeyboardInterrupt:
            # The Run is complete, and would be lost with the sample.
            self.is_interrupted = True
            return None

    def _sample_bandwidth(self, configuration: Configuration) -> BandwidthSample | None:
        """With as many threads as the engine uses; None where it fails, or would tell nothing."""
        model, settings = configuration.model, configuration.settings
        if isinstance(model, ServedModel) or isinstance(settings, ServedSettings):
            return None
        if settings.rpc:  # the memory is other machines'
            return None
        if not is_worth_reading(model, self._machine, self._plan.workloads):
            return None
        return self._bandwidth.sample(settings.n_threads)


def now() -> str:
    """The present moment, as records keep it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
