"""Verdicts as lines of text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.analysis.summary import GroupSummary
from harness.analysis.verdict import Verdict
from harness.analysis.verdict_measured import NoVerdict
from harness.report.text import harmless, wrapped
from harness.schema.figure import Figure
from harness.schema.settings import settings_text


def verdict_lines(verdicts: Sequence[tuple[GroupSummary, Verdict | NoVerdict]]) -> list[str]:
    """
    One sentence for each model and Settings, in 80 columns, with what is to be known of it.

    "smollm2-135m:Q4_1: comfortable (measured): decode 119 tok/s (tg128@d4096)". Settings are
    named where a model has several.
    """
    lines: list[str] = []
    for group, verdict in verdicts:
        others = [other.settings for other, _ in verdicts if other.model.key == group.model.key]
        name = group.model.key
        if len(others) > 1:
            name += f" ({settings_text(group.settings, others)})"
        lines += wrapped(harmless(f"{name}: {_told(verdict)}"))
    return lines


def verdict_entry(group: GroupSummary, verdict: Verdict | NoVerdict) -> dict[str, Any]:
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


def _told(verdict: Verdict | NoVerdict) -> str:
    if isinstance(verdict, NoVerdict):
        return f"no verdict: {verdict.reason}"
    text = f"{verdict.text} ({verdict.evidence}): {verdict.reason}"
    return " ".join([text if text.endswith(".") else f"{text}.", *verdict.notes])


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    return {
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "what": figure.source,
    }
