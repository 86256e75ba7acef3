"""
An experiment from its plan to its last Run: rounds, budgets, when to stop, what to keep.

One worker measures at a time. Every Run is on the disk before the next round begins.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness import interrupts
from harness.analysis.precision import Precision
from harness.errors import ResultsUnwritable
from harness.measure import schedule
from harness.measure.budget import Budget
from harness.measure.maker import Maker, Task
from harness.measure.rounds import Observer, now
from harness.records.store import ExperimentWriter
from harness.schema.configuration import Configuration, configurations_of
from harness.schema.experiment import End, Experiment, Plan, Run, Stop
from harness.schema.outcome import Reason

FAILURES_TO_GIVE_UP = 2
"""A crash may be chance; the same crash twice is the answer."""

_MAY_PASS: frozenset[Reason] = frozenset(
    (
        *("unreachable", "rate-limited", "http-error", "error-event", "no-event", "cut"),
        *("silent", "late"),
    )
)
"""What of a workload's failures was the server's moment; the engine refuses the same again."""

_REFUSED: frozenset[Reason] = frozenset(
    ("model-invalid", "architecture-unknown", "settings-invalid", "refused", "redirected")
)
"""What a Run ends with that no other Run of it can get beyond."""


@dataclass
class Result:
    """What a sweep measured. `error` says why the record could not be kept whole."""

    runs: list[Run] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    is_interrupted: bool = False
    error: ResultsUnwritable | None = None


@dataclass
class State:
    """How far a configuration is."""

    precision: Precision
    runs: list[Run] = field(default_factory=list)
    n_failed: Counter[str] = field(default_factory=Counter)
    n_broken: int = 0
    stop: Stop | None = None


class Sweep:
    """
    Measures `experiment.plan` into `writer`.

    Args:
        maker: Makes its Runs, one after the other.
        is_decided: Where configurations are to be compared: asked after each round whether all
            Runs so far answer the question. All of them then stop together, since a round that not
            all of them had compares nothing, and none of them stops for being precise.
        is_in_turns: All configurations of a round are alive together, and their trials take turns.
        runs: What an earlier session measured of the plan, in order. A round that it did not come
            to the end of is not completed: its halves would lie hours apart.
        stops: Those of the earlier session; who was interrupted goes on.
    """

    def __init__(
        self,
        experiment: Experiment,
        maker: Maker,
        writer: ExperimentWriter,
        observer: Observer,
        is_decided: Callable[[Sequence[Run]], bool] | None = None,
        *,
        is_in_turns: bool = False,
        runs: Sequence[Run] = (),
        stops: Sequence[Stop] = (),
    ) -> None:
        self._experiment = experiment
        self._plan: Plan = experiment.plan
        self._writer = writer
        self._observer = observer
        self._is_decided = is_decided
        self._is_in_turns = is_in_turns
        self._maker = maker
        seed = experiment.plan.seed
        # Again the same draws would be the tokens of Runs that are there.
        self._rng = np.random.default_rng([seed, len(runs)] if runs else seed)
        self._result = Result(list(runs))
        self._states = {
            each: State(Precision(experiment.machine)) for each in configurations_of(self._plan)
        }
        self._budget = Budget(self._plan)
        self._first_round = 1 + max((run.round for run in runs), default=-1)
        self._go_on(runs, stops)

    @property
    def stops(self) -> list[Stop]:
        """Why configurations stopped so far, without those that go on."""
        return [state.stop for state in self._states.values() if state.stop]

    def measure(self) -> Result:
        """Everything, round by round, until each configuration has its reason to stop."""
        try:
            # Each round gives all who are unfinished a Run or a stop.
            for round_index in itertools.count(self._first_round):
                unfinished = [each for each, state in self._states.items() if state.stop is None]
                if not unfinished:
                    break
                self._measure_round(round_index, unfinished)
        except KeyboardInterrupt:
            self._result.is_interrupted = True
        except ResultsUnwritable as error:
            self._result.error = error
        for configuration, state in self._states.items():
            stop = state.stop or stop_of(configuration, "interrupted", len(state.runs))
            self._result.stops.append(stop)
        if self._result.error is None:
            try:
                self._writer.finish(End(finished_at=now(), stops=tuple(self._result.stops)))
            except ResultsUnwritable as error:
                self._result.error = error
        return self._result

    def _measure_round(self, round_index: int, unfinished: Sequence[Configuration]) -> None:
        n_runs = [self._budget.n_runs(each) for each in unfinished]
        has_time = all(map(self._budget.has_time, unfinished))
        if self._is_decided and all(n_runs) and not has_time:
            self._stop_all("budget")
            return
        if self._is_in_turns:
            late = [each for each in unfinished if self._is_late(each)]
            for configuration in late:
                self._stop(configuration, "budget")
            going = [each for each in unfinished if each not in late]
            if going:
                self._take_turns(round_index, going)
        else:
            for configuration in schedule.shuffled(unfinished, self._rng):
                if self._is_late(configuration):
                    self._stop(configuration, "budget")
                else:
                    self._measure_alone(round_index, configuration)
        if self._is_decided and self._is_decided(self._result.runs):
            self._stop_all("decided")

    def _measure_alone(self, round_index: int, configuration: Configuration) -> None:
        self._require_going_on()
        workloads = schedule.shuffled_names(self.live_workloads(configuration), self._rng)
        is_cold = self._budget.n_runs(configuration) < self._plan.n_cold_loads
        made = self._maker.alone(self._task(0, round_index, configuration, workloads, is_cold))
        self._budget.take(made.run, made.taken_ns)
        self._take([made.run])

    def _take_turns(self, round_index: int, going: Sequence[Configuration]) -> None:
        self._require_going_on()
        keys = [each.model.key for each in going]
        n_rounds = min(map(self._budget.n_runs, going))
        order = schedule.loading_order(keys, n_rounds, self._plan.n_cold_loads, self._rng)
        workloads = schedule.shuffled_names(self._plan.workloads, self._rng)
        tasks: list[Task] = []
        for place, is_cold in order:
            live = self.live_workloads(going[place])
            own = tuple(name for name in workloads if name in live)
            tasks.append(self._task(len(tasks), round_index, going[place], own, is_cold))
        runs = self._maker.in_turns(tasks, workloads, self._rng)
        for run in runs:
            self._budget.take(run)
        self._take(runs)

    def _task(
        self,
        n_before: int,
        round_index: int,
        configuration: Configuration,
        workloads: tuple[str, ...],
        is_cold: bool,
    ) -> Task:
        """The Run that comes `n_before` Runs behind the next one."""
        return Task(
            index=len(self._result.runs) + n_before,
            round_index=round_index,
            configuration=configuration,
            workloads=workloads,
            seed=int(self._rng.integers(2**31)),
            is_cold=is_cold,
            left_ns=self._budget.left_ns(configuration.model.key),
        )

    def _require_going_on(self) -> None:
        interrupts.check()
        self._writer.require_whole()

    def _stop(self, configuration: Configuration, reason: str) -> None:
        state = self._states[configuration]
        state.stop = stop_of(configuration, reason, len(state.runs))

    def _stop_all(self, reason: str) -> None:
        for configuration, state in self._states.items():
            state.stop = state.stop or stop_of(configuration, reason, len(state.runs))

    def _is_late(self, configuration: Configuration) -> bool:
        is_first = not self._budget.n_runs(configuration)
        return not (is_first or self._is_decided or self._budget.has_time(configuration))

    def _take(self, runs: Sequence[Run]) -> None:
        """Keeps the Runs; what else is to be done comes behind that."""
        # Where one cannot be written, all of them are still to be written elsewhere.
        self._result.runs += runs
        for run in runs:
            configuration = self._counted(run)
            state = self._states[configuration]
            if run.outcome.reason != "interrupted":
                state.stop = self.why_stop(configuration, state)
            self._writer.append_run(run)
            self._observer.run_finished(run, state.stop)
        if self._maker.is_interrupted or any(run.outcome.reason == "interrupted" for run in runs):
            raise KeyboardInterrupt

    def _counted(self, run: Run) -> Configuration:
        """The configuration of a Run, which now knows of it."""
        configuration = next(each for each in self._states if each.is_of(run))
        state = self._states[configuration]
        state.runs.append(run)
        state.precision.add(run)
        is_interrupted = run.outcome.reason == "interrupted"
        is_failed = run.outcome.status == "failed" and not is_interrupted
        state.n_broken += is_failed and not run.case_failures
        for failure in run.case_failures:
            may_pass = failure.reason in _MAY_PASS
            state.n_failed[failure.workload] += 1 if may_pass else FAILURES_TO_GIVE_UP
        return configuration

    def _go_on(self, runs: Sequence[Run], stops: Sequence[Stop]) -> None:
        """Everything as it was behind the last of `runs`."""
        self._budget.take_stored(runs)
        for run in runs:
            self._counted(run)
        for configuration, state in self._states.items():
            told = next((stop for stop in stops if configuration.is_of(stop)), None)
            if told and told.reason != "interrupted":
                state.stop = told
            elif self._budget.n_runs(configuration):
                state.stop = self.why_stop(configuration, state)

    def why_stop(self, configuration: Configuration, state: State) -> Stop | None:
        """Why it is measured no more, behind each of its Runs; None: it goes on."""
        n_runs = len(state.runs)
        n_counted = self._budget.n_runs(configuration)
        live = self.live_workloads(configuration)
        last = state.runs[-1].outcome
        if not live or last.reason in _REFUSED or state.n_broken >= FAILURES_TO_GIVE_UP:
            return stop_of(configuration, "failed", n_runs)
        if not self._is_decided and state.precision.is_reached(live, self._plan.precision):
            return stop_of(configuration, "precise", n_runs)
        is_in_vain = state.n_broken == n_counted
        if n_counted >= self._plan.n_runs_max:
            return stop_of(configuration, "failed" if is_in_vain else "max-runs", n_runs)
        return None

    def live_workloads(self, configuration: Configuration) -> list[str]:
        """What its next Run measures."""
        n_failed = self._states[configuration].n_failed
        possible = configuration.workloads(self._plan.workloads)
        return [name for name in possible if n_failed[name] < FAILURES_TO_GIVE_UP]


def stop_of(configuration: Configuration, reason: str, n_runs: int) -> Stop:
    """Why and after how many Runs a configuration stopped."""
    about = {"model": configuration.model.key, "settings": configuration.settings}
    return Stop.model_validate(about | {"reason": reason, "n_runs": n_runs})
