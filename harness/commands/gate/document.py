"""A gate's judgement as JSON."""

from __future__ import annotations

from typing import Any

from harness.analysis.metrics import METRICS
from harness.commands.gate.gate import GateResult, JudgedExperiment
from harness.commands.gate.judge import FAMILY_CONFIDENCE, PASS_CONFIDENCE, Check, sure_confidence
from harness.commands.gate.words import sentence
from harness.schema.figure import Figure

DOCUMENT_SCHEMA = 1


def document(result: GateResult) -> dict[str, Any]:
    """Everything that was found, ready for `json.dumps`; what is unknown is null."""
    judgement, limits = result.judgement, result.judgement.limits
    return {
        "schema": DOCUMENT_SCHEMA,
        "verdict": judgement.verdict,
        "exit_code": result.exit_code,
        "text": sentence(judgement),
        "inconclusive": "pass" if result.request.is_lenient else "fail",
        "is_waivable": judgement.is_waivable,
        "asked": result.request.baseline,
        "baseline": _experiment(result.baseline) if result.baseline else None,
        "candidate": _experiment(result.candidate),
        "limits": {
            "max_slowdown": limits.max_slowdown,
            "max_memory": limits.max_memory,
            "max_kl": limits.max_kl,
        },
        "confidence": {
            "pass": PASS_CONFIDENCE,
            "regression": sure_confidence(judgement.n_estimated),
            "family": FAMILY_CONFIDENCE,
            "n_estimated": judgement.n_estimated,
        },
        "checks": [_check(check) for check in judgement.checks],
        "remarks": [finding.text for finding in result.findings],
    }


def _experiment(judged: JudgedExperiment) -> dict[str, Any]:
    experiment = judged.experiment
    return {
        "experiment": experiment.id,
        "path": str(judged.path),
        "started_at": experiment.started_at,
        "origin": experiment.origin,
        "machine": experiment.machine.id,
        "engine": experiment.provenance.engine.model_dump(
            mode="json", include={"binding", "binding_version", "library_commit"}
        ),
        "n_runs": judged.n_runs,
    }


def _check(check: Check) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "verdict": check.verdict,
        "cause": check.cause,
        "model": check.model or None,
        "settings": check.settings.model_dump(mode="json") if check.settings else None,
        "workload": check.workload or None,
        "metric": check.metric or None,
        "unit": METRICS[check.metric].unit if check.metric else None,
        "text": check.text or None,
        "limit": check.limit,
        "n": check.n,
        "baseline": _estimate(check.a),
        "candidate": _estimate(check.b),
        "worse_by": None,
    }
    if check.level:
        level = check.level
        entry["candidate"] = {"value": level.value, "low": level.low, "high": level.high}
    if check.change:
        change = check.change
        entry["worse_by"] = {
            "value": change.value,
            "low": change.low,
            "high": change.high,
            "sure_low": change.sure_low,
            "is_exact": change.is_exact,
        }
    return entry


def _estimate(estimate: Figure | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {"median": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}
