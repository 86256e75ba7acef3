"""The JSON document of `harness compare`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analysis.comparison import ComparedFigure, Mismatch, State
from harness.analysis.finding import Finding
from harness.analysis.measured import Measured
from harness.analysis.metrics import METRICS
from harness.analysis.stats.ratio import Pairing, Verdict
from harness.commands.compare.page import ComparedPair
from harness.report.document_parts import BuildDocument, FileDocument, build_document, file_document
from harness.report.ratios import ratio_of, verdict_word
from harness.schema.figure import Figure
from harness.schema.settings import AnySettings


@dataclass(frozen=True, slots=True)
class SideDocument:
    """
    What was compared.

    Attributes:
        rehearsed: Whether it was a twin.
        experiment: Id of what it was measured in.
        machine: Its id.
    """

    model: str
    quantization: str | None
    file: FileDocument
    rehearsed: bool
    settings: AnySettings
    experiment: str
    origin: Literal["harness", "llama-bench"]
    started_at: str
    machine: str
    engine: BuildDocument
    n_runs: int


@dataclass(frozen=True, slots=True)
class ComparedFigureDocument:
    """
    One metric of one workload on both sides.

    Attributes:
        workload: Null for the configuration as a whole.
        a: The median over Runs; null where it has none; `a_state` says why.
        a_mean: The geometric mean over what was compared; `ratio` is `b_mean` by `a_mean`, while
            medians may lie the other way round. Null where nothing was compared.
        verdict: Of B, seen from A; null where nothing could be compared.
        word: The same for what was measured: "faster", "larger".
        ratio: B / A; `n` counts rounds, or the Runs of the side that has fewer.
        confidence: Of the ratio's interval.
        threshold: The share up to which both are the same.
        pairing: "turns": in rounds whose trials took turns, by the ratios of neighbouring trials.
            "rounds": by the values of Runs of one round. "unpaired": at different times. "exact":
            the same in every Run, nothing was estimated.
        minimum_detectable_ratio: The least true difference, as a share, that this data would have
            shown as often as not.
        note: Why nothing was compared.
    """

    workload: str | None
    metric: str
    unit: str
    a: Figure | None
    a_state: State
    b: Figure | None
    b_state: State
    a_mean: float | None
    b_mean: float | None
    verdict: Verdict | None
    word: str | None
    ratio: Figure | None
    confidence: float | None
    threshold: float | None
    pairing: Pairing | None
    minimum_detectable_ratio: float | None
    note: str | None


@dataclass(frozen=True, slots=True)
class ComparedPairDocument:
    """
    B, set against A.

    Attributes:
        mismatches: What should be the same on both sides and is not; within one experiment it was
            meant to differ.
        findings: What else to know.
        figures: One for each metric of each workload that either has.
    """

    a: SideDocument
    b: SideDocument
    mismatches: tuple[Mismatch, ...]
    findings: tuple[Finding, ...]
    figures: tuple[ComparedFigureDocument, ...]


@dataclass(frozen=True, slots=True)
class ComparisonDocument:
    """
    Everything that was set against the first.

    Attributes:
        comparisons: One each.
    """

    comparisons: tuple[ComparedPairDocument, ...]


def document(pairs: Sequence[ComparedPair]) -> ComparisonDocument:
    """The same as the page, for programs."""
    return ComparisonDocument(
        tuple(
            ComparedPairDocument(
                a=_side(pair.a),
                b=_side(pair.b),
                mismatches=pair.mismatches,
                findings=pair.findings,
                figures=tuple(map(_figure, pair.figures)),
            )
            for pair in pairs
        )
    )


def _side(side: Measured) -> SideDocument:
    experiment = side.experiment
    return SideDocument(
        model=side.model.key,
        quantization=side.model.quantization,
        file=file_document(side.model),
        rehearsed=side.model.is_twin,
        settings=side.settings,
        experiment=experiment.id,
        origin=experiment.origin,
        started_at=experiment.started_at,
        machine=experiment.machine.id,
        engine=build_document(experiment),
        n_runs=len(side.runs),
    )


def _figure(figure: ComparedFigure) -> ComparedFigureDocument:
    found = figure.comparison
    least = found.smallest if found else math.inf
    return ComparedFigureDocument(
        workload=figure.workload or None,
        metric=figure.metric,
        unit=METRICS[figure.metric].unit,
        a=figure.a,
        a_state=figure.a_state,
        b=figure.b,
        b_state=figure.b_state,
        a_mean=found.means[0] if found else None,
        b_mean=found.means[1] if found else None,
        verdict=found.verdict if found else None,
        word=verdict_word(figure.metric, found) if found else None,
        ratio=ratio_of(found) if found else None,
        confidence=found.confidence if found else None,
        threshold=found.threshold if found else None,
        pairing=found.pairing if found else None,
        minimum_detectable_ratio=least if math.isfinite(least) else None,
        note=figure.note or None,
    )
