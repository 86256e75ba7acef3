"""The JSON document of `harness gate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.analysis.finding import Finding
from harness.analysis.gate.judge import (
    FAMILY_CONFIDENCE,
    PASS_CONFIDENCE,
    Cause,
    Change,
    Check,
    Limits,
    Verdict,
    sure_confidence,
)
from harness.analysis.metrics import METRICS
from harness.commands.gate.gate import GateResult, JudgedExperiment
from harness.report.document_parts import BuildDocument, build_document
from harness.report.gate_words import sentence
from harness.schema.figure import Figure
from harness.schema.settings import AnySettings


@dataclass(frozen=True, slots=True)
class GatedExperiment:
    """
    One side of a gate.

    Attributes:
        experiment: Its id.
        machine: The machine's id.
    """

    experiment: str
    path: Path
    started_at: str
    origin: Literal["harness", "llama-bench"]
    machine: str
    engine: BuildDocument
    n_runs: int


@dataclass(frozen=True, slots=True)
class ConfidenceDocument:
    """
    Of which intervals.

    Attributes:
        of_pass: Of the one that must lie within the limit.
        of_regression: Of the one that must lie beyond it.
        of_family: Of all `n_estimated` together that show regressions.
    """

    of_pass: float
    of_regression: float
    of_family: float
    n_estimated: int


@dataclass(frozen=True, slots=True)
class CheckDocument:
    """
    One figure, or one thing that stands in the way of judging.

    Attributes:
        cause: Why it is inconclusive; null where it is not.
        model: Null where the whole experiment is meant; so with `settings`, `workload`, `metric`.
        text: What is to be said of it.
        limit: What it was held to: a share, or nats.
        n: Runs of the side that has fewer, rounds, or chunks of text.
        baseline: The median over Runs; null for what is held to its limit by itself, and where it
            has none.
        baseline_mean: The geometric mean over what was compared; `worse_by` is the change from it
            to `candidate_mean`. Null where nothing was compared.
        worse_by: A share, above 0 for more time or memory, with the interval for a pass.
        worse_by_surely: The lower bound of the interval for a regression.
    """

    verdict: Verdict
    cause: Cause | None
    model: str | None
    settings: AnySettings | None
    workload: str | None
    metric: str | None
    unit: str | None
    text: str | None
    limit: float | None
    n: int
    baseline: Figure | None
    candidate: Figure | None
    baseline_mean: float | None
    candidate_mean: float | None
    worse_by: Figure | None
    worse_by_surely: float | None


@dataclass(frozen=True, slots=True)
class GateDocument:
    """
    Whether an experiment is worse than a baseline by more than is allowed.

    Attributes:
        exit_code: What the command answers with.
        text: The sentence that says why.
        inconclusive: What --inconclusive asks for.
        waived_by: The option that lets an inconclusive verdict pass; empty where none does.
        is_waivable: Whether `--inconclusive pass` lets this verdict pass.
        asked: What --baseline said.
        baseline: Null if there is none.
        limits: What is allowed.
        confidence: Of the intervals that decide.
        checks: One for each figure and for each thing that stands in the way.
        findings: What else to know.
    """

    verdict: Verdict
    exit_code: int
    text: str
    inconclusive: Literal["fail", "pass"]
    waived_by: str
    is_waivable: bool
    asked: str
    baseline: GatedExperiment | None
    candidate: GatedExperiment
    limits: Limits
    confidence: ConfidenceDocument
    checks: tuple[CheckDocument, ...]
    findings: tuple[Finding, ...]


def document(result: GateResult) -> GateDocument:
    """Everything that was found; what is unknown is null."""
    judgement = result.judgement
    return GateDocument(
        verdict=judgement.verdict,
        exit_code=int(result.exit_code),
        text=sentence(judgement),
        inconclusive="pass" if result.request.is_lenient else "fail",
        waived_by=result.waived_by,
        is_waivable=judgement.is_waivable,
        asked=result.request.baseline,
        baseline=_experiment(result.baseline) if result.baseline else None,
        candidate=_experiment(result.candidate),
        limits=judgement.limits,
        confidence=ConfidenceDocument(
            PASS_CONFIDENCE,
            sure_confidence(judgement.n_estimated),
            FAMILY_CONFIDENCE,
            judgement.n_estimated,
        ),
        checks=tuple(map(_check, judgement.checks)),
        findings=tuple(result.findings),
    )


def _experiment(judged: JudgedExperiment) -> GatedExperiment:
    experiment = judged.experiment
    return GatedExperiment(
        experiment=experiment.id,
        path=judged.path,
        started_at=experiment.started_at,
        origin=experiment.origin,
        machine=experiment.machine.id,
        engine=build_document(experiment),
        n_runs=judged.n_runs,
    )


def _check(check: Check) -> CheckDocument:
    return CheckDocument(
        verdict=check.verdict,
        cause=check.cause,
        model=check.model or None,
        settings=check.settings,
        workload=check.workload or None,
        metric=check.metric or None,
        unit=METRICS[check.metric].unit if check.metric else None,
        text=check.text or None,
        limit=check.limit,
        n=check.n,
        baseline=check.a,
        candidate=check.level or check.b,
        baseline_mean=check.means[0] if check.means else None,
        candidate_mean=check.means[1] if check.means else None,
        worse_by=_worse_by(check.change, check.n) if check.change else None,
        worse_by_surely=check.change.sure_low if check.change else None,
    )


def _worse_by(change: Change, n: int) -> Figure:
    kind: Literal["exact", "interval"] = "exact" if change.is_exact else "interval"
    return Figure(change.value, change.low, change.high, "ratio", kind, n)
