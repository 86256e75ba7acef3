"""The JSON document of `harness compare --across machine`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.analysis.finding import Finding
from harness.analysis.measured import Absence
from harness.analysis.metrics import METRICS
from harness.analysis.standings import Standing, Standings, machines_in
from harness.analysis.stats.ratio import Pairing, Verdict
from harness.commands.compare.across import AcrossResult
from harness.report.machine_names import machine_text
from harness.report.machines_words import difference_texts, names_of
from harness.report.ratios import ratio_of, verdict_word
from harness.schema.figure import Figure
from harness.schema.settings import AnySettings


@dataclass(frozen=True, slots=True)
class ComparedMachineDocument:
    """
    A machine.

    Attributes:
        host: What whoever measured calls it; null where no record tells.
        title: What it is, in a few words.
    """

    id: str
    host: str | None
    title: str


@dataclass(frozen=True, slots=True)
class StandingDocument:
    """
    One machine in one figure.

    Attributes:
        machine: Its place in `machines`, from 0.
        experiment: Id of what its figure is from.
        state: Whether it has a figure; else why not.
        figure: The median over Runs.
        is_baseline: Whether the others are set against it.
        ratio: Its geometric mean by the baseline's; `n` counts the Runs of the side that has fewer.
        confidence: Of the ratio's interval.
        threshold: The share up to which both are the same.
        verdict: Of the machine, seen from the baseline.
        word: The same for what was measured: "faster", "larger".
        pairing: How both belong together: "unpaired", or "exact" where nothing had to be estimated.
        minimum_detectable_ratio: The least true difference, as a share, that this data would have
            shown as often as not.
        note: Why there is no figure, or no ratio.
    """

    machine: int
    experiment: str
    settings: AnySettings
    n_runs: int
    state: Absence | None
    figure: Figure | None
    is_baseline: bool
    ratio: Figure | None
    confidence: float | None
    threshold: float | None
    verdict: Verdict | None
    word: str | None
    pairing: Pairing | None
    minimum_detectable_ratio: float | None
    note: str | None


@dataclass(frozen=True, slots=True)
class StandingsDocument:
    """
    All machines in one metric of a model and a workload.

    Attributes:
        name: What tells the model from the others: its key, and settings where they differ.
        workload: Null for the model as a whole.
        standings: The best first, those without a figure last.
    """

    name: str
    model: str
    quantization: str | None
    rehearsed: bool
    workload: str | None
    metric: str
    unit: str
    standings: tuple[StandingDocument, ...]


@dataclass(frozen=True, slots=True)
class MachinesDocument:
    """
    Machines side by side.

    Attributes:
        baseline: The place in `machines` of the one that was asked for; null where it is in each
            figure the first that has it.
        findings: What else than the hardware differs.
        n_older_experiments: Of the same machines, which newer ones stand for.
    """

    machines: tuple[ComparedMachineDocument, ...]
    baseline: int | None
    figures: tuple[StandingsDocument, ...]
    findings: tuple[Finding, ...]
    n_older_experiments: int


def across_document(result: AcrossResult) -> MachinesDocument:
    """The same as the page, for programs, and every machine in it."""
    found = result.found
    shown = sorted(machines_in(found.standings))
    place = {at: number for number, at in enumerate(shown)}
    machines = [found.machines[at] for at in shown]
    names = names_of(found, is_wide=True)
    return MachinesDocument(
        machines=tuple(
            ComparedMachineDocument(it.facts.id, it.host or None, machine_text(it.facts))
            for it in machines
        ),
        baseline=None if result.baseline is None else place[result.baseline],
        figures=tuple(_standings(each, place) for each in found.standings),
        findings=tuple(Finding("warning", text) for text in difference_texts(found, names)),
        n_older_experiments=found.n_older,
    )


def _standings(standings: Standings, place: dict[int, int]) -> StandingsDocument:
    return StandingsDocument(
        name=standings.name,
        model=standings.model.key,
        quantization=standings.model.quantization,
        rehearsed=standings.model.is_twin,
        workload=standings.workload or None,
        metric=standings.metric,
        unit=METRICS[standings.metric].unit,
        standings=tuple(_standing(row, standings.metric, place) for row in standings.rows),
    )


def _standing(row: Standing, metric: str, place: dict[int, int]) -> StandingDocument:
    entry, found = row.entry, row.comparison
    least = found.smallest if found else math.inf
    absent = entry.lack.state if entry.lack else "absent"
    return StandingDocument(
        machine=place[entry.machine],
        experiment=entry.source.experiment,
        settings=entry.settings,
        n_runs=entry.n_runs,
        state=None if row.figure else absent,
        figure=row.figure,
        is_baseline=row.is_baseline,
        ratio=ratio_of(found) if found else None,
        confidence=found.confidence if found else None,
        threshold=found.threshold if found else None,
        verdict=found.verdict if found else None,
        word=verdict_word(metric, found) if found else None,
        pairing=found.pairing if found else None,
        minimum_detectable_ratio=least if math.isfinite(least) else None,
        note=row.note or None,
    )
