"""A comparison as one JSON document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.analysis.comparison import ComparedFigure, State
from harness.analysis.measured import Measured
from harness.analysis.metrics import METRICS
from harness.commands.compare.page import ComparedPair, verdict_word
from harness.report.text import kind_text
from harness.schema.figure import Figure

_SCHEMA = 1


def comparison_document(pairs: Sequence[ComparedPair]) -> dict[str, Any]:
    """Everything that was found, ready for `json.dumps`; unknown bounds are null."""
    return {
        "schema": _SCHEMA,
        "comparisons": [
            {
                "a": _side_entry(pair.a),
                "b": _side_entry(pair.b),
                "mismatches": [{"kind": each.kind, "text": each.text} for each in pair.mismatches],
                "remarks": [each.text for each in pair.findings],
                "figures": [_figure_entry(figure) for figure in pair.figures],
            }
            for pair in pairs
        ],
    }


def _side_entry(side: Measured) -> dict[str, Any]:
    return {
        "model": side.model.key,
        "quantization": side.model.quantization,
        "file": {"name": side.model.file_name, "sha256": side.model.sha256},
        "rehearsed": side.model.is_twin,
        "settings": side.settings.model_dump(mode="json"),
        "experiment": side.experiment.id,
        "origin": side.experiment.origin,
        "started_at": side.experiment.started_at,
        "machine": side.experiment.machine.id,
        "engine": side.experiment.provenance.engine.model_dump(
            mode="json", include={"binding", "binding_version", "library_commit"}
        ),
        "n_runs": len(side.runs),
    }


def _figure_entry(figure: ComparedFigure) -> dict[str, Any]:
    found = figure.comparison
    entry: dict[str, Any] = {
        "workload": figure.workload or None,
        "metric": figure.metric,
        "unit": METRICS[figure.metric].unit,
        "a": _estimate_entry(figure.a, figure.a_state),
        "b": _estimate_entry(figure.b, figure.b_state),
        "verdict": None,
        "note": figure.note or None,
    }
    if found is None:
        return entry
    return entry | {
        "verdict": found.verdict,
        "word": verdict_word(figure.metric, found),
        "ratio": found.ratio,
        "low": _finite(found.low or math.inf),
        "high": _finite(found.high),
        "confidence": found.confidence,
        "threshold": found.threshold,
        "n": found.n,
        "pairing": found.pairing,
        "smallest": _finite(found.smallest),
    }


def _estimate_entry(estimate: Figure | None, state: State) -> dict[str, Any]:
    if estimate is None:
        return {"state": state}
    return {
        "state": state,
        "median": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
        "kind": kind_text(estimate),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
