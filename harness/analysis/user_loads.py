"""
The loads of a configuration: the same work of one user, of several at once, and as they come.

With a service level the largest load that keeps it is asked for, and without one the last that
still gets more tokens a second than all smaller ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.analysis import formulas
from harness.analysis.cases import Case, estimates
from harness.analysis.measured import Measured
from harness.analysis.requests import load_values, slo_values
from harness.schema.figure import Figure
from harness.schema.request import ServiceLevel
from harness.schema.workload import (
    Decode,
    ParallelDecode,
    ParallelPrefill,
    Prefill,
    parse_workload,
)
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import Chat, Exchange, UserLoad

LEAST_IN_TIME = 0.9
"""Share of the answers that must come within the service level for a load to keep it."""


@dataclass(frozen=True, slots=True)
class Load:
    """
    A case and how many are served in it.

    Attributes:
        size: Users at once, or of an open loop requests a second.
        figures: Those of the case, from disturbed trials where there are no others; of one user of
            a server also those that only several have, by the same formulas.
    """

    case: Case
    size: float
    figures: dict[str, Figure]

    @property
    def in_time(self) -> float | None:
        """Share of the answers within the service level; None where nothing is known of it."""
        if "within_slo" in self.figures:
            return self.figures["within_slo"].value
        return 0.0 if self.is_refused else None

    @property
    def is_refused(self) -> bool:
        """Whether nothing at all was answered."""
        return not self.figures and self.case.outcome.status == "failed"


@dataclass(frozen=True, slots=True)
class LoadSeries:
    """
    At least two loads of the same work, the smallest first; of a search there may be one.

    Attributes:
        what: The work of each: "chat", "tg128".
        is_open: Whether they come by themselves, and `size` is requests a second.
        level: What answers were held against; None where nothing was asked for.
    """

    group: Measured
    what: str
    is_open: bool
    loads: tuple[Load, ...]
    level: ServiceLevel | None

    @property
    def kept(self) -> tuple[Load | None, Load | None]:
        """
        The largest load up to which all keep the service level, and the first that does not.

        What comes behind the first that does not is left out: who has as many users has had fewer.
        """
        if self.level is None:
            return None, None
        known = [load for load in self.loads if load.in_time is not None]
        for at, load in enumerate(known):
            if (load.in_time or 0.0) < LEAST_IN_TIME:
                return (known[at - 1] if at else None), load
        return (known[-1] if known else None), None

    @property
    def growth(self) -> tuple[Load | None, Load | None]:
        """
        The load up to which all together get more and more, and the next, which does not.

        Where intervals of both are known, more is what lies above the other's interval.
        """
        known = [load for load in self.loads if "tok_per_s" in load.figures]
        for before, load in pairwise(known):
            if not _is_more(load.figures["tok_per_s"], before.figures["tok_per_s"]):
                return before, load
        return (known[-1] if known else None), None


def load_series(group: Measured) -> tuple[LoadSeries, ...]:
    """What a configuration has of several loads, in the order of its workloads."""
    found: dict[tuple[str, bool], list[Load]] = {}
    for case in group.cases:
        placed = _place(parse_workload(case.workload))
        if placed is not None:
            what, is_open, size = placed
            found.setdefault((what, is_open), []).append(Load(case, size, _figures(group, case)))
    return tuple(
        LoadSeries(
            group,
            what,
            is_open,
            tuple(sorted(loads, key=lambda load: load.size)),
            group.experiment.plan.slo,
        )
        for (what, is_open), loads in found.items()
        if len(loads) > 1 or group.experiment.plan.search
    )


def _place(task: Workload) -> tuple[str, bool, float] | None:
    """Of which work it is, whether of an open loop, and of how many; None: of no such kind."""
    match task:
        case UserLoad():
            is_open = not task.n_users
            return task.what.name, is_open, task.per_s if is_open else task.n_users
        case Chat() | Exchange():
            return task.name, False, 1
        case Prefill() | Decode() | ParallelPrefill() | ParallelDecode():
            return task.alone.name, False, task.n_sequences
        case _:
            return None


def _figures(group: Measured, case: Case) -> dict[str, Figure]:
    figures = case.metrics or case.disturbed
    if isinstance(parse_workload(case.workload), Chat | Exchange):
        return _of_one_user(group, case) | figures
    if isinstance(parse_workload(case.workload), Prefill | Decode) and "tok_per_s" in figures:
        return figures | {"tok_per_s_per_user": figures["tok_per_s"]}
    return figures


def _of_one_user(group: Measured, case: Case) -> dict[str, Figure]:
    """What the requests of one user say by the formulas of several."""
    machine = group.experiment.machine
    values = []
    for run in case.runs:
        trials = [trial for trial in formulas.trials_of(run, case.workload) if trial.requests]
        if case.metrics:
            trials = [it for it in trials if not formulas.why_disturbed(it, run, machine)]
        if trials:
            values.append(load_values(trials) | slo_values(trials, group.experiment.plan.slo))
    return estimates(values)


def _is_more(figure: Figure, than: Figure) -> bool:
    if figure.is_decisive and than.is_decisive:
        return figure.bounds[0] > than.bounds[1]
    return figure.value > than.value


def is_less_than_alone(series: LoadSeries) -> Sequence[Load]:
    """Loads of several that get less together than one alone gets, where that is known."""
    first = series.loads[0]
    alone = first.figures.get("tok_per_s")
    if series.is_open or first.size != 1 or alone is None:
        return ()
    return [
        load
        for load in series.loads[1:]
        if (figure := load.figures.get("tok_per_s")) and _is_more(alone, figure)
    ]
