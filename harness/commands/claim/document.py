"""The claim as one JSON document; docs/reference/json.md describes it for those who read it."""

from __future__ import annotations

from typing import Any

from harness.commands.claim.claim import ClaimResult
from harness.commands.claim.conclusion import Cell, Row, Runnable, Side
from harness.commands.claim.sentences import sentences
from harness.report.verdict import verdict_document


def document(result: ClaimResult) -> dict[str, Any]:
    """Everything the claim's table shows and rests on, ready for `json.dumps`."""
    here, conclusion = result.here, result.conclusion
    return {
        "schema": 1,
        "machine": here.model_dump(mode="json") if here else None,
        "reference_machines": [machine.model_dump(mode="json") for machine in result.machines],
        "rows": [_row(row) for row in result.rows],
        "conclusion": {
            "are_larger": conclusion.are_larger,
            "are_named_runnable": conclusion.are_named_runnable,
            "chinese": _side(conclusion.chinese),
            "american": _side(conclusion.american),
            "named": [_runnable(model) for model in conclusion.named],
            "evidence": dict(conclusion.evidence),
            "sentences": sentences(conclusion),
        },
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "model": row.model,
        "lab": row.lab,
        "country": row.country,
        "n_params": row.n_params,
        "n_params_active": row.n_params_active,
        "variant": row.variant,
        "size_bytes": row.size_bytes,
        "is_size_estimated": row.is_size_estimated,
        "cells": [_cell(cell) for cell in row.cells],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "machine": cell.machine,
        "variant": cell.variant,
        "is_usual_variant": cell.is_usual_variant,
        "verdict": verdict_document(cell.verdict) if cell.verdict else None,
        "reason": cell.reason or None,
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "leading": [row.model for row in side.leading],
        "median_leading_params": side.median_leading,
        "median_params": side.median_all,
        "n_models": len(side.models),
        "n_unknown_size": side.n_unknown,
        "models": [_runnable(model) for model in side.models],
    }


def _runnable(model: Runnable) -> dict[str, Any]:
    cell = model.cell
    return {
        "model": model.row.model,
        "reach": model.reach,
        "machine": cell.machine if cell else None,
        "level": cell.verdict.level if cell and cell.verdict else None,
        "perhaps": [each.machine for each in model.perhaps],
    }
