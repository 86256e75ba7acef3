"""`harness fit --json`; docs/reference/json.md describes it for those who read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from harness.commands.fit.audit import AuditResult
from harness.commands.fit.fit import FitResult, PredictedSpeed
from harness.measure.memory import ContextFit, ModelFit
from harness.schema.prediction import Prediction


def fit_document(result: FitResult) -> dict[str, Any]:
    """Everything that was found out, ready for `json.dumps`."""
    return {
        "schema": 1,
        "machine": result.machine.model_dump(mode="json"),
        "memory": {
            "free_bytes": result.capacity.free_bytes,
            "total_bytes": result.capacity.total_bytes,
            "gpu_limit_bytes": result.capacity.gpu_limit_bytes,
        },
        "models": [_model(fit, speeds) for fit, speeds in result.fits],
        "failures": [asdict(failure) for failure in result.failures],
    }


def _model(fit: ModelFit, speeds: Sequence[PredictedSpeed]) -> dict[str, Any]:
    found, plan = fit.found, fit.plan
    figures = [told.figure for told in speeds]
    return {
        "model": found.key,
        "header": {
            "origin": found.origin,
            "source": found.source,
            "note": found.note,
            "n_bytes": sum(len(part.data) for part in found.parts),
            "n_fetched_bytes": found.n_fetched_bytes,
        },
        "file": found.file.model_dump(mode="json"),
        "settings": fit.settings.model_dump(mode="json", exclude={"n_ctx", "type_k", "type_v"}),
        "weights_bytes": plan.weights_bytes,
        "weights_by_device": dict(plan.weights),
        "copied_bytes": plan.copied_bytes,
        "contexts": [_context(each) for each in fit.contexts],
        "largest": [
            {"type_k": each.request.type_k, "type_v": each.request.type_v, "n_ctx": each.n_ctx}
            for each in fit.largest
        ],
        "hints": list(fit.hints),
        "predictions": [it.model_dump() for it in figures if isinstance(it, Prediction)],
        "refusals": [it.model_dump() for it in figures if not isinstance(it, Prediction)],
    }


def _context(each: ContextFit) -> dict[str, Any]:
    request, context = each.context.request, each.context
    facts: dict[str, Any] = {
        "n_ctx": request.n_ctx,
        "type_k": request.type_k,
        "type_v": request.type_v,
        "fits": each.fits,
        "reason": context.reason,
        "message": context.message,
    }
    if each.fits is None:
        return facts
    return facts | {
        "kv_bytes": each.of("kv"),
        "kv_sliding_bytes": each.of("kv-sliding"),
        "recurrent_bytes": each.of("recurrent"),
        "compute_bytes": each.of("compute", "output"),
        "total_bytes": each.total_bytes,
        "by_device": dict(each.by_device),
    }


def audit_document(result: AuditResult) -> dict[str, Any]:
    """The audit with every pair it rests on."""
    return {
        "schema": 1,
        "audit": [asdict(each) for each in result.audits],
        "pairs": [
            {
                **pair.prediction.model_dump(),
                "measured": pair.measured,
                "error": pair.error,
                "is_covered": pair.is_covered,
                "is_rehearsed": pair.is_rehearsed,
            }
            for pair in result.pairs
        ],
        "problems": list(result.problems),
    }
