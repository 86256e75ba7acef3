"""What the Runs of an experiment say so far, and how long the rest may take: a line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness import units
from harness.analysis import formulas
from harness.analysis.metrics import METRICS, Metric, headline
from harness.analysis.stats.interval import estimate
from harness.measure.budget import Budget
from harness.report.cells import bounds_of
from harness.report.terminal import shortened
from harness.schema.configuration import Configuration, configurations_of
from harness.schema.experiment import Experiment, Plan, Run, Stop
from harness.schema.figure import Figure
from harness.schema.settings import difference_text
from harness.schema.workload import Decode, parse_workload

_MOST_LINES = 6
"""More than these would push the lines of finished Runs off a small screen."""
_LEAST_NAME = 8


@dataclass
class _Case:
    """A configuration in one workload: what each Run says, by its headline metric."""

    configuration: Configuration
    workload: str
    metric: Metric
    values: list[float] = field(default_factory=list)


class SoFar:
    """
    The figures of `experiment` as its Runs come.

    Of one configuration each workload has a line, of several each configuration.

    Args:
        experiment: Line 1 of its file.
        runs: What an earlier session measured of it.
        stops: Why configurations stopped there.
    """

    def __init__(
        self, experiment: Experiment, runs: Sequence[Run] = (), stops: Sequence[Stop] = ()
    ) -> None:
        self._experiment = experiment
        self._budget = Budget(experiment.plan)
        self._unfinished = list(configurations_of(experiment.plan))
        self._cases = _cases(self._unfinished, experiment.plan.workloads)
        self._budget.take_stored(runs)
        for run in runs:
            self._keep(run)
        for stop in stops:
            self._finish(stop)

    @property
    def most_left_ns(self) -> int:
        """How long the Runs that are still to be made take at most."""
        return self._budget.most_ns(self._unfinished)

    def round_of(self, configuration: Configuration) -> int:
        """In which round, from 1, its next Run is."""
        return self._budget.n_runs(configuration) + 1

    def take(self, run: Run, stop: Stop | None, taken_ns: int | None = None) -> None:
        """A Run is over, with `stop` as the last of its configuration; the rest as of Budget."""
        self._budget.take(run, taken_ns)
        if stop is not None:
            self._finish(stop)
        self._keep(run)

    def _keep(self, run: Run) -> None:
        """What it says goes with the figures."""
        if self._experiment.plan.search:
            self._add(run)
        for case in self._cases:
            if case.configuration.is_of(run):
                found = formulas.run_values(run, case.workload, self._experiment.machine)
                case.values += [found[name] for name in (case.metric.name,) if name in found]

    def _add(self, run: Run) -> None:
        """What a search went on to stands above what it had before."""
        known = {case.workload for case in self._cases}
        (configuration,) = configurations_of(self._experiment.plan)
        new = [name for name in run.workloads if name not in known]
        self._cases[:0] = [_Case(configuration, it, headline(parse_workload(it))) for it in new]

    def _finish(self, stop: Stop) -> None:
        self._unfinished = [each for each in self._unfinished if not each.is_of(stop)]

    def lines(self, width: int) -> list[str]:
        """The figures so far, each in one line of `width` columns."""
        shown = self._cases[:_MOST_LINES]
        found = [self._line(case, width) for case in shown]
        n_more = len(self._cases) - len(shown)
        return [*found, f"  and {n_more} more"] if n_more else found

    def _line(self, case: _Case, width: int) -> str:
        told = f"  {case.workload} {_told(case)}"
        if all(each.configuration == case.configuration for each in self._cases):
            return told
        name = f"  {told_apart(case.configuration, self._experiment.plan)}"
        return shortened(name, max(_LEAST_NAME, width - len(told))) + told


def told_apart(configuration: Configuration, plan: Plan) -> str:
    """Its name where room is short: without the model, if the settings tell it from the others."""
    difference = difference_text(configuration.settings, plan.settings)
    has_key = len(plan.models) > 1 or not difference
    return " · ".join(filter(None, (configuration.model.key * has_key, difference)))


def _cases(configurations: Sequence[Configuration], workloads: Sequence[str]) -> list[_Case]:
    cases = []
    for each in configurations:
        names = list(each.workloads(workloads))
        if len(configurations) > 1:
            names = _first(names)
        cases += [_Case(each, name, headline(parse_workload(name))) for name in names]
    return cases


def _first(names: Sequence[str]) -> list[str]:
    """The workload that one waits for most: of a model that writes, how fast it does."""
    decoding = [name for name in names if isinstance(parse_workload(name), Decode)]
    return [*decoding, *names][:1]


def _told(case: _Case) -> str:
    if not case.values:
        return "no figure yet"
    figure = estimate(case.values, case.metric.unit)
    return f"{_value(case.metric, figure)}{_bounds(figure)}, n = {figure.n}"


def _value(metric: Metric, figure: Figure) -> str:
    text = units.quantity(figure.value, figure.unit)
    return f"{text} {metric.label}" if metric is METRICS["tok_per_s"] else f"{metric.label} {text}"


def _bounds(figure: Figure) -> str:
    """Where it lies, with what that is: fewer Runs than an interval needs have a range."""
    if figure.n < 2:
        return ""
    what = "95 %" if figure.kind == "interval" else "range"
    return f", {what}: {bounds_of(figure).removesuffix(' *')}"
