"""A gate's judgement as JSON."""

from __future__ import annotations

from typing import Any

from harness.analysis.metrics import METRICS
from harness.commands.gate.judge import FAMILY_CONFIDENCE, PASS_CONFIDENCE, Check, sure_confidence
from harness.commands.gate.words import Gated, sentence
from harness.schema.experiment import Experiment
from harness.schema.figure import Figure

DOCUMENT_SCHEMA = 1


def gate_document(gated: Gated, exit_code: int, *, is_lenient: bool = False) -> dict[str, Any]:
    """Everything that was found, ready for `json.dumps`; what is unknown is null."""
    judgement, limits = gated.judgement, gated.judgement.limits
    baseline = None
    if gated.baseline:
        baseline = _experiment(gated.baseline, gated.n_baseline_runs, gated.baseline_path)
    return {
        "schema": DOCUMENT_SCHEMA,
        "verdict": judgement.verdict,
        "exit_code": exit_code,
        "text": sentence(judgement),
        "inconclusive": "pass" if is_lenient else "fail",
        "is_waivable": judgement.is_waivable,
        "asked": gated.asked,
        "baseline": baseline,
        "candidate": _experiment(gated.candidate, gated.n_candidate_runs, gated.candidate_path),
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
        "remarks": list(gated.remarks),
    }


def _experiment(experiment: Experiment, n_runs: int, path: str | None) -> dict[str, Any]:
    return {
        "experiment": experiment.id,
        "path": path,
        "started_at": experiment.started_at,
        "origin": experiment.origin,
        "machine": experiment.machine.id,
        "engine": experiment.provenance.engine.model_dump(
            mode="json", include={"binding", "binding_version", "library_commit"}
        ),
        "n_runs": n_runs,
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
