"""The JSON document of `harness frontier`."""

from __future__ import annotations

from typing import Any

from harness.commands.frontier.criteria import CRITERIA
from harness.commands.frontier.dominance import Option
from harness.commands.frontier.frontier import FrontierResult


def document(result: FrontierResult) -> dict[str, Any]:
    """Every figure of every option, and what to take."""
    advice, dominated = result.advice, result.dominated
    return {
        "schema": 1,
        "model": result.model,
        "reference": result.reference,
        "options": [_option(result, it, dominated) for it in result.frontier.options],
        "advice": {
            "take": advice.choice,
            "text": advice.text,
            "rivals": list(advice.rivals),
            "left_out": list(advice.left_out),
        },
        "conditions": [result.model, *result.conditions],
        "notes": list(result.notes),
    }


def _option(result: FrontierResult, option: Option, dominated: dict[str, str]) -> dict[str, Any]:
    path = result.paths.get(option.name)
    return {
        "name": option.name,
        "path": str(path) if path else None,
        "requantized_from": result.requantized.get(option.name),
        "dominated_by": dominated.get(option.name),
        "obstacle": option.obstacle,
        "figures": {
            name: {
                "value": figure.value,
                "low": figure.low,
                "high": figure.high,
                "kind": figure.kind,
            }
            for name in CRITERIA
            if (figure := option.figures.get(name)) is not None
        },
    }
