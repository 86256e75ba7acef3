"""The search for the largest load that keeps a service level: each Run is of one load."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from harness.analysis import formulas
from harness.analysis.load_search import RATES, USERS, Scale, next_load
from harness.analysis.requests import slo_values
from harness.analysis.stats.interval import min_values
from harness.errors import UsageError
from harness.measure.sweep import FAILURES_TO_GIVE_UP, State, Sweep, stop_of
from harness.schema.configuration import Configuration
from harness.schema.experiment import Plan, Run, Stop
from harness.schema.model import AnyModel
from harness.schema.request import LoadSearch, ServiceLevel
from harness.schema.workload import parse_workload
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import Chat, Exchange, UserLoad

_SCALES: dict[LoadSearch, Scale] = {"users": USERS, "rate": RATES}
_OPTIONS: dict[LoadSearch, str] = {"users": "--concurrency auto", "rate": "--rate auto"}


def first_load(
    search: LoadSearch,
    workloads: Sequence[str],
    models: Sequence[AnyModel],
    slo: ServiceLevel | None,
) -> str:
    """
    The load that a search begins with.

    Args:
        search: What it is looked for of.
        workloads: What was asked for; nothing is the chat.
        models: Of the plan.
        slo: The service level.

    Raises:
        UsageError: There is nothing to search, or more than one thing.
    """
    option = _OPTIONS[search]
    if slo is None:
        raise UsageError(
            f"{option} looks for the largest load that keeps a service level; add one, as in "
            "--slo ttft=2s,itl=100ms"
        )
    if len(models) != 1 or models[0].served is None:
        raise UsageError(
            f"{option} is for one model of one server; name it: --endpoint URL, and --model NAME "
            "where it has several"
        )
    names = tuple(dict.fromkeys(workloads)) or ("chat",)
    task = parse_workload(names[0])
    if len(names) > 1 or not isinstance(task, Chat | Exchange):
        raise UsageError(f"{option} is for one of chat and ppN+tgM; it names the loads itself")
    return _load(task, search, _SCALES[search].first)


def sweep_of(plan: Plan) -> type[Sweep]:
    """What measures a plan: with a search the LoadSweep."""
    return LoadSweep if plan.search else Sweep


class LoadSweep(Sweep):
    """
    A Sweep whose Runs have one load each, chosen by what the Runs before found.

    It is decided where the largest load that keeps the level is known, with as many Runs of it and
    of the next as an interval needs.
    """

    def live_workloads(self, configuration: Configuration) -> list[str]:  # noqa: ARG002
        """The load that comes next."""
        size = self._next(self._result.runs)
        return [] if size is None else [_load(self._task_of_one, self._search, size)]

    def why_stop(self, configuration: Configuration, state: State) -> Stop | None:
        """Why it ends."""
        if state.n_broken >= FAILURES_TO_GIVE_UP:
            return stop_of(configuration, "failed", len(state.runs))
        if self._next(state.runs) is not None:
            return None
        is_in_vain = not any(run.trials for run in state.runs)
        return stop_of(configuration, "failed" if is_in_vain else "decided", len(state.runs))

    def _next(self, runs: Sequence[Run]) -> float | None:
        shares: dict[float, list[float]] = {}
        for run in runs:
            for name in run.workloads:
                shares.setdefault(_size(name), []).append(self._share(run, name))
        n_runs = min(self._plan.n_runs_max, min_values())
        return next_load(shares, _SCALES[self._search], n_runs)

    def _share(self, run: Run, workload: str) -> float:
        """Of the answers that came in time; of nothing answered none did."""
        if any(failure.workload == workload for failure in run.case_failures):
            return 0.0
        machine = self._experiment.machine
        trials = formulas.filtered_trials(run, workload, machine, "clean")
        told = slo_values(trials or formulas.trials_of(run, workload), self._plan.slo)
        return told.get("within_slo", 0.0)

    @cached_property
    def _search(self) -> LoadSearch:
        assert self._plan.search is not None
        return self._plan.search

    @cached_property
    def _task_of_one(self) -> Workload:
        task = parse_workload(self._plan.workloads[0])
        return task.what if isinstance(task, UserLoad) else task


def _load(task: Workload, search: LoadSearch, size: float) -> str:
    return (task.among(round(size)) if search == "users" else task.at_rate(size)).name


def _size(workload: str) -> float:
    task = parse_workload(workload)
    if not isinstance(task, UserLoad):
        return 1
    return task.n_users or task.per_s
