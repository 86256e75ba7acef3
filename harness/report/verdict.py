"""Verdicts as JSON."""

from __future__ import annotations

from typing import Any

from harness.analysis.measured import Measured
from harness.analysis.verdict import Verdict
from harness.analysis.verdict_measured import NoVerdict
from harness.schema.figure import Figure


def verdict_entry(group: Measured, verdict: Verdict | NoVerdict) -> dict[str, Any]:
    """The verdict on one model under one Settings; `verdict` is null where there is none."""
    return {
        "model": group.model.key,
        "settings": group.settings.model_dump(mode="json"),
        "verdict": verdict_document(verdict) if isinstance(verdict, Verdict) else None,
        "reason": verdict.reason if isinstance(verdict, NoVerdict) else None,
    }


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """One verdict; times in nanoseconds, as everywhere."""
    return {
        "level": verdict.level,
        "best": verdict.best,
        "worst": verdict.worst,
        "is_borderline": verdict.is_borderline,
        "text": verdict.text,
        "evidence": verdict.evidence,
        "reason": verdict.reason,
        "decode_tok_per_s": _figure(verdict.decode),
        "ttft_ns": _figure(verdict.ttft),
        "short_bytes": verdict.short_bytes,
        "notes": list(verdict.notes),
    }


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    return {
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "what": figure.source,
    }
