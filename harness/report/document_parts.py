"""What documents of several commands hold: which file, build and header, and a verdict."""

from __future__ import annotations

from dataclasses import dataclass

from harness.analysis.stats.ratio import Comparison
from harness.analysis.stats.ratio import Verdict as Standing
from harness.analysis.verdict import Evidence, Level, Verdict
from harness.models.model import Model, Origin
from harness.report.ratios import ratio_of
from harness.schema.experiment import Experiment
from harness.schema.figure import Figure
from harness.schema.model import ModelFile, ServedModel
from harness.schema.model_kind import ModelKind


@dataclass(frozen=True, slots=True)
class FileDocument:
    """
    Which file it was.

    Attributes:
        kind: What its model does. Of any but one that "generates" there is no decoding, perplexity
            or verdict, and pp is the rate at which it reads a text at once.
    """

    name: str
    sha256: str | None
    kind: ModelKind


@dataclass(frozen=True, slots=True)
class HeaderOrigin:
    """
    Where a header is from.

    Attributes:
        source: In words.
        note: Why it is not the file's own; null where it is.
        n_bytes: Of the header.
        n_fetched_bytes: What it cost.
    """

    origin: Origin
    source: str
    note: str | None
    n_bytes: int
    n_fetched_bytes: int


@dataclass(frozen=True, slots=True)
class BuildDocument:
    """Which build of the engine."""

    binding: str
    binding_version: str
    library_commit: str


@dataclass(frozen=True, slots=True)
class VerdictDocument:
    """
    How well a model runs.

    Attributes:
        level: By the figures as they are.
        best: At the optimistic bounds of all intervals.
        worst: At their pessimistic bounds.
        is_borderline: Whether these differ from `level`.
        text: The same in words: "usable, perhaps comfortable".
        evidence: What it stands on.
        reason: The number that decided, or why it does not run.
        decode: Tokens a second, with what it was taken from as `source`; null where unknown.
        ttft: Time to the first token, the same.
        short_bytes: Memory that is missing, where that is known.
        findings: What else to know, a sentence each.
    """

    level: Level
    best: Level
    worst: Level
    is_borderline: bool
    text: str
    evidence: Evidence
    reason: str
    decode: Figure | None
    ttft: Figure | None
    short_bytes: int | None
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RatioDocument:
    """
    How one figure stands to another over the rounds that both have.

    Attributes:
        ratio: The geometric mean of the ratios of single rounds; `n` counts rounds.
        confidence: Of its interval.
        threshold: The share up to which both are the same.
        verdict: Of the other one, seen from the first.
    """

    ratio: Figure
    confidence: float
    threshold: float
    verdict: Standing


def file_document(model: ModelFile | ServedModel) -> FileDocument:
    """Which file a model is."""
    return FileDocument(model.file_name, model.sha256, model.kind)


def build_document(experiment: Experiment) -> BuildDocument:
    """Which build an experiment was measured with."""
    engine = experiment.provenance.engine
    return BuildDocument(engine.binding, engine.binding_version, engine.library_commit)


def header_origin(model: Model) -> HeaderOrigin:
    """Where the header of a model is from."""
    n_bytes = sum(len(part.data) for part in model.parts)
    return HeaderOrigin(model.origin, model.source, model.note, n_bytes, model.n_fetched_bytes)


def verdict_document(verdict: Verdict) -> VerdictDocument:
    """One verdict."""
    return VerdictDocument(
        level=verdict.level,
        best=verdict.best,
        worst=verdict.worst,
        is_borderline=verdict.is_borderline,
        text=verdict.text,
        evidence=verdict.evidence,
        reason=verdict.reason,
        decode=verdict.decode,
        ttft=verdict.ttft,
        short_bytes=verdict.short_bytes,
        findings=verdict.notes,
    )


def ratio_document(comparison: Comparison) -> RatioDocument:
    """How one figure stands to another."""
    return RatioDocument(
        ratio_of(comparison), comparison.confidence, comparison.threshold, comparison.verdict
    )
