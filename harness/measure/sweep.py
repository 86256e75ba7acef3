"""
An experiment from its plan to its last Run: rounds, budgets, when to stop, what to keep.

One worker at a time. Every Run is on the disk before the next begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns
from typing import Protocol

import numpy as np

from harness import interrupts
from harness.analysis.measured import Measured
from harness.errors import HarnessError, ResultsUnwritable
from harness.measure import runner, schedule
from harness.measure.bandwidth_here import read_now
from harness.measure.jobs.measure import MeasureJob, measure
from harness.measure.protocol import Event
from harness.records.store import ExperimentWriter, logs_folder
from harness.schema.configuration import Configuration, configurations_of
from harness.schema.experiment import End, Experiment, ModelKey, Plan, Run, Stop
from harness.schema.machine import BandwidthSample, Machine
from harness.schema.model_kind import workloads_of

ATTEMPTS_PER_TRIAL = 3
"""How often a disturbed trial is tried again: with a busy process two thirds of the time, three
attempts still find a quiet one as often as not."""

_FAILURES_TO_GIVE_UP = 2
"""A crash may be chance; the same crash twice is the answer."""

# Two samples this close together would measure the same moment.
_SAME_MOMENT_NS = 2_000_000_000


class Observer(Protocol):
    """Told what happens, while no worker measures."""

    def run_started(self, number: int, configuration: Configuration) -> None:
        """Run `number` (from 1) of the experiment begins."""

    def event(self, event: Event) -> None:
        """The worker told something, and waits."""

    def run_finished(self, run: Run, stop: Stop | None) -> None:
        """A Run is complete and stored; with `stop`, it was the last of its configuration."""


@dataclass
class Result:
    """What a sweep measured. `error` says why the record could not be kept whole."""

    runs: list[Run] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    is_interrupted: bool = False
    error: ResultsUnwritable | None = None


@dataclass
class _State:
    runs: list[Run] = field(default_factory=list)
    dead_workloads: set[str] = field(default_factory=set)
    n_broken: int = 0
    stop: Stop | None = None


class Sweep:
    """
    Measures `experiment.plan` into `writer`.

    Args:
        paths: Where each model of the plan lies.
        silence_ns: A worker that says nothing for so long is ended.
        is_decided: Where configurations are to be compared: asked after each round whether all
            Runs so far answer the question. All of them then stop together, since a round that not
            all of them had compares nothing, and none of them stops for being precise.
    """

    def __init__(
        self,
        experiment: Experiment,
        paths: Mapping[ModelKey, Path],
        writer: ExperimentWriter,
        observer: Observer,
        silence_ns: int = runner.SILENCE_NS,
        is_decided: Callable[[Sequence[Run]], bool] | None = None,
    ) -> None:
        self._experiment = experiment
        self._plan: Plan = experiment.plan
        assert isinstance(experiment.machine, Machine)  # of this machine, so told in full
        self._machine = experiment.machine
        self._paths = paths
        self._writer = writer
        self._observer = observer
        self._silence_ns = silence_ns
        self._is_decided = is_decided
        self._rng = np.random.default_rng(experiment.plan.seed)
        self._result = Result()
        self._states = {each: _State() for each in configurations_of(self._plan)}
        self._spent_ns = dict.fromkeys((file.key for file in self._plan.models), 0)
        self._bandwidth: tuple[int, BandwidthSample] | None = None
        logs_folder(writer.path).mkdir(parents=True, exist_ok=True)

    def measure(self) -> Result:
        """Everything, round by round, until each configuration has its reason to stop."""
        try:
            for round_index in range(self._plan.n_runs_max):
                unfinished = [each for each, state in self._states.items() if state.stop is None]
                if not unfinished:
                    break
                self._measure_round(round_index, unfinished)
        except KeyboardInterrupt:
            self._result.is_interrupted = True
        except ResultsUnwritable as error:
            self._result.error = error
        for configuration, state in self._states.items():
            stop = state.stop or _stop(configuration, "interrupted", len(state.runs))
            self._result.stops.append(stop)
        if self._result.error is None:
            try:
                self._writer.finish(End(finished_at=now(), stops=tuple(self._result.stops)))
            except ResultsUnwritable as error:
                self._result.error = error
        return self._result

    def _measure_round(self, round_index: int, unfinished: Sequence[Configuration]) -> None:
        if self._is_decided and round_index > 0 and not all(map(self._has_time, unfinished)):
            self._stop_all("budget")
            return
        for configuration in schedule.shuffled(unfinished, self._rng):
            state = self._states[configuration]
            if round_index > 0 and not self._is_decided and not self._has_time(configuration):
                state.stop = _stop(configuration, "budget", len(state.runs))
                continue
            started_ns = perf_counter_ns()
            run = self._measure_run(configuration, round_index)
            self._spent_ns[configuration.model.key] += perf_counter_ns() - started_ns
            self._take(configuration, run)
        if self._is_decided and self._is_decided(self._result.runs):
            self._stop_all("decided")

    def _stop_all(self, reason: str) -> None:
        for configuration, state in self._states.items():
            state.stop = state.stop or _stop(configuration, reason, len(state.runs))

    def _has_time(self, configuration: Configuration) -> bool:
        """Whether one more Run, as long as its others have been, fits into the model's budget."""
        durations = [run.duration_ns for run in self._states[configuration].runs]
        expected_ns = int(np.median(durations)) if durations else 0
        return self._spent_ns[configuration.model.key] + expected_ns <= self._plan.budget_ns

    def _take(self, configuration: Configuration, run: Run) -> None:
        state = self._states[configuration]
        state.runs.append(run)
        self._result.runs.append(run)
        is_broken = run.outcome.status == "failed" and not run.case_failures
        state.n_broken += is_broken
        state.dead_workloads |= {failure.workload for failure in run.case_failures}
        if run.outcome.reason != "interrupted":
            state.stop = self._why_stop(configuration, state)
        self._writer.append_run(run)
        self._observer.run_finished(run, state.stop)
        if self._result.is_interrupted:
            raise KeyboardInterrupt

    def _why_stop(self, configuration: Configuration, state: _State) -> Stop | None:
        n_runs = len(state.runs)
        live = self._live_workloads(configuration)
        refused = {"model-invalid", "architecture-unknown", "settings-invalid"}
        last = state.runs[-1].outcome
        if not live or last.reason in refused or state.n_broken >= _FAILURES_TO_GIVE_UP:
            return _stop(configuration, "failed", n_runs)
        measured = Measured(configuration, self._experiment, state.runs)
        if not self._is_decided and measured.is_precise(live, self._plan.precision):
            return _stop(configuration, "precise", n_runs)
        is_in_vain = state.n_broken == n_runs
        if n_runs >= self._plan.n_runs_max:
            return _stop(configuration, "failed" if is_in_vain else "max-runs", n_runs)
        return None

    def _live_workloads(self, configuration: Configuration) -> list[str]:
        dead = self._states[configuration].dead_workloads
        possible = workloads_of(configuration.model.kind, self._plan.workloads)
        return [name for name in possible if name not in dead]

    def _measure_run(self, configuration: Configuration, round_index: int) -> Run:
        interrupts.check()
        self._writer.require_whole()
        index = len(self._result.runs)
        self._observer.run_started(index + 1, configuration)
        bandwidth_before = self._sample_bandwidth(configuration)
        workloads = schedule.shuffled_names(self._live_workloads(configuration), self._rng)
        seed = int(self._rng.integers(2**31))
        log = logs_folder(self._writer.path) / f"run-{index + 1:03}.log"
        started_at, started_ns = now(), perf_counter_ns()
        job = self._job(configuration, workloads, seed, round_index, started_ns)
        report = measure(job, log=log, on_event=self._observer.event, silence_ns=self._silence_ns)
        duration_ns = perf_counter_ns() - started_ns
        self._result.is_interrupted = report.outcome.reason == "interrupted"
        return Run(
            index=index,
            round=round_index,
            model=configuration.model.key,
            settings=configuration.settings,
            workloads=workloads,
            seed=seed,
            started_at=started_at,
            duration_ns=duration_ns,
            outcome=report.outcome,
            case_failures=report.case_failures,
            load=report.load,
            weights=report.weights,
            contexts=report.contexts,
            memory=report.memory,
            devices_before=report.devices_before,
            devices_loaded=report.devices_loaded,
            bandwidth_before=bandwidth_before,
            bandwidth_after=self._sample_bandwidth_after(configuration),
            idle_energy=report.idle_energy,
            energy_reasons_missing=report.energy_reasons_missing,
            counters=report.counters,
            trials=report.trials,
            log=f"{log.parent.name}/{log.name}",
        )

    def _job(
        self,
        configuration: Configuration,
        workloads: tuple[str, ...],
        seed: int,
        round_index: int,
        started_ns: int,
    ) -> MeasureJob:
        left_ns = max(0, self._plan.budget_ns - self._spent_ns[configuration.model.key])
        return MeasureJob(
            model_path=str(self._paths[configuration.model.key]),
            kind=configuration.model.kind,
            settings=configuration.settings,
            workloads=workloads,
            n_trials=self._plan.n_trials,
            n_trials_max=self._plan.n_trials * ATTEMPTS_PER_TRIAL,
            seed=seed,
            is_cold=round_index < self._plan.n_cold_loads,
            reads_energy=True,
            n_cores_logical=self._machine.n_cores_logical,
            n_cores_usable=self._machine.n_cores_usable,
            started_ns=started_ns,
            deadline_ns=started_ns + left_ns,
        )

    def _sample_bandwidth_after(self, configuration: Configuration) -> BandwidthSample | None:
        if self._result.is_interrupted:
            return None
        try:
            return self._sample_bandwidth(configuration)
        except KeyboardInterrupt:
            # The Run is complete, and would be lost with the sample.
            self._result.is_interrupted = True
            return None

    def _sample_bandwidth(self, configuration: Configuration) -> BandwidthSample | None:
        """The bandwidth now: with as many threads as the engine uses; None where it fails."""
        n_threads = configuration.settings.n_threads
        if self._bandwidth is not None:
            taken_ns, sample = self._bandwidth
            if perf_counter_ns() - taken_ns < _SAME_MOMENT_NS and sample.n_threads == n_threads:
                return sample
        try:
            with interrupts.allowed():
                sample, _ = read_now(self._machine, n_threads)
        except HarnessError:
            return None  # a measurement without its ceiling is still a measurement
        self._bandwidth = (perf_counter_ns(), sample)
        return sample


def _stop(configuration: Configuration, reason: str, n_runs: int) -> Stop:
    about = {"model": configuration.model.key, "settings": configuration.settings}
    return Stop.model_validate(about | {"reason": reason, "n_runs": n_runs})


def now() -> str:
    """The present moment, as records keep it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
