"""
How machines stand in what several of them measured: a model in a workload, figure by figure.

Machines never share a round, so all that is set against each other here is unpaired: Welch's
interval of two means (stats/ratio.py), which knows how far the Runs of each differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.comparison import (
    Basis,
    basis_of,
    compared_values,
    confidence_of,
    judged,
    unlike,
)
from harness.analysis.measured import Lack, Measured
from harness.analysis.metrics import COMPARED, METRICS, headline
from harness.analysis.neighbours import ByRound
from harness.analysis.stats.ratio import THRESHOLD, Comparison
from harness.schema.figure import Figure
from harness.schema.model import AnyModel
from harness.schema.settings import AnySettings
from harness.schema.workload import parse_workload

USUAL = ("tok_per_s", "ttft", "joules_per_token", "need", "peak")
"""What machines are compared in unless it is said, beside what each workload is judged by."""


@dataclass(frozen=True, slots=True)
class Source:
    """The experiment that figures are from, as far as machines may differ in it."""

    experiment: str
    started_at: str
    origin: str
    engine: str
    harness: str
    power_source: str | None
    power_mode: str | None
    is_asked_often: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What one machine has of a model in a workload, or with "" of the model as a whole.

    It holds no Run, so that there may be thousands. `machine` is its number in a Roster. The
    mappings have a key for each metric that is compared. `lack` says why there is none.
    """

    machine: int
    model: AnyModel
    settings: AnySettings
    source: Source
    workload: str
    n_runs: int
    figures: Mapping[str, Figure]
    values: Mapping[str, ByRound]
    bases: Mapping[str, Basis]
    lack: Lack | None


@dataclass(frozen=True, slots=True)
class Rules:
    """By what machines are set against each other; `metrics` None are USUAL."""

    threshold: float = THRESHOLD
    metrics: tuple[str, ...] | None = None
    baseline: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """
    One machine in one figure.

    `comparison` is this machine by the baseline, None of the baseline itself and where `note` says
    why not.
    """

    entry: Entry
    figure: Figure | None
    comparison: Comparison | None = None
    note: str = ""
    is_baseline: bool = False


@dataclass(frozen=True, slots=True)
class Standings:
    """All machines in one metric of one model and workload, the best first, those without last."""

    name: str
    model: AnyModel
    workload: str
    metric: str
    rows: tuple[Standing, ...]

    @property
    def known(self) -> tuple[Standing, ...]:
        """Those that have a figure."""
        return tuple(row for row in self.rows if row.figure)

    @property
    def is_headline(self) -> bool:
        """Whether the workload is judged by it."""
        return bool(self.workload) and headline(parse_workload(self.workload)).name == self.metric

    @property
    def is_exactly_alike(self) -> bool:
        """Whether each machine has just the same, of what needs no estimate."""
        found = [row.comparison for row in self.rows if not row.is_baseline]
        return all(it and it.pairing == "exact" and it.ratio == 1 for it in found)

    @property
    def lead(self) -> Comparison | None:
        """The best by the next; None where there are no two, or they must not be compared."""
        best, *others = self.known
        return _against(others[0].entry, best.entry, self.metric, THRESHOLD) if others else None

    def beside_best(self) -> Iterator[tuple[Standing, Comparison | None]]:
        """Each that has a figure, by the best; None of that itself, or where there is no ratio."""
        for at, row in enumerate(self.known):
            best = self.known[0].entry
            yield row, _against(best, row.entry, self.metric, THRESHOLD) if at else None


def entries_of(machine: int, measured: Measured, *, is_asked_often: bool) -> list[Entry]:
    """Every workload of a configuration, and the model as a whole; none of what never ran."""
    experiment = measured.experiment
    source = Source(
        experiment=experiment.id,
        started_at=experiment.started_at,
        origin=experiment.origin,
        engine=measured.engine.title,
        harness=experiment.provenance.harness_version,
        power_source=experiment.conditions.power_source,
        power_mode=experiment.conditions.power_mode,
        is_asked_often=is_asked_often,
    )
    found = []
    for workload in (*measured.workloads, "") if measured.runs else ():
        values = compared_values(measured, workload)
        lack = None if values else measured.lack(workload)
        if lack and (lack.state == "absent" or not workload):
            continue
        figures = measured.figures(workload)
        found.append(
            Entry(
                machine=machine,
                model=measured.model,
                settings=measured.settings,
                source=source,
                workload=workload,
                n_runs=measured.n_runs,
                figures={name: figures[name] for name in COMPARED if name in figures},
                values=values,
                bases={name: basis_of(measured, workload, name) for name in values},
                lack=lack,
            )
        )
    return found


def standings_of(name: str, entries: Sequence[Entry], rules: Rules) -> list[Standings]:
    """
    Every wanted metric that one of `entries` has, all of one model and workload, one a machine.

    The baseline is the machine that `rules` name, or the first of `entries` that has the metric.
    """
    found = []
    for metric in _metrics(entries, rules.metrics):
        able = [it for it in entries if metric in it.values]
        wanted = [it for it in able if rules.baseline in (None, it.machine)]
        baseline = wanted[0] if wanted else None
        rows = [_standing(it, baseline, metric, rules.threshold) for it in entries]
        rows.sort(key=lambda row: _rank(row, metric))
        first = entries[0]
        found.append(Standings(name, first.model, first.workload, metric, tuple(rows)))
    return found


def _metrics(entries: Sequence[Entry], wanted: Sequence[str] | None) -> list[str]:
    workload = entries[0].workload
    if wanted is None:
        usual = [headline(parse_workload(workload)).name] if workload else []
        wanted = (*usual, *USUAL)
    known = [name for name in COMPARED if name in wanted]
    found = [name for name in known if any(name in it.values for it in entries)]
    if found or any(it.values for it in entries):
        return found
    # Where none has any figure, one stands for all that failed.
    return [name for name in known if bool(METRICS[name].of) == bool(workload)][:1]


def _rank(row: Standing, metric: str) -> tuple[bool, float, int]:
    value = row.figure.value if row.figure else 0.0
    return (
        row.figure is None,
        -value if METRICS[metric].is_more_better else value,
        row.entry.machine,
    )


def _standing(entry: Entry, baseline: Entry | None, metric: str, threshold: float) -> Standing:
    figure = entry.figures.get(metric)
    if metric not in entry.values or figure is None:
        return Standing(entry, None, note=entry.lack.why if entry.lack else "has no such figure")
    if baseline is None:
        return Standing(entry, figure, note="the baseline has no such figure")
    if entry is baseline:
        return Standing(entry, figure, is_baseline=True)
    if note := unlike(baseline.bases[metric], entry.bases[metric]):
        return Standing(entry, figure, note=note)
    return Standing(entry, figure, _against(baseline, entry, metric, threshold))


def _against(a: Entry, b: Entry, metric: str, threshold: float) -> Comparison | None:
    """B by A; None where they must not be compared."""
    if unlike(a.bases[metric], b.bases[metric]):
        return None
    often = a.source.is_asked_often or b.source.is_asked_often
    limits = threshold, confidence_of(is_asked_often=often)
    return judged(METRICS[metric], (a.values[metric], b.values[metric]), None, limits)


def machines_in(standings: Iterable[Standings]) -> set[int]:
    """Those that have a row in any."""
    return {row.entry.machine for each in standings for row in each.rows}
