"""The JSON document of `harness quality`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.analysis.quality import figures_of
from harness.commands.quality.quality import QualityResult, ScoredModel
from harness.schema.experiment import ModelFile


def document(result: QualityResult) -> dict[str, Any]:
    """Everything that was found."""
    return {
        "schema": 1,
        "text": result.text.model_dump(mode="json"),
        "results": [_entry(model) for model in result.models],
        "failures": [asdict(failure) for failure in result.failures],
    }


def _entry(model: ScoredModel) -> dict[str, Any]:
    record, quality = model.record, model.quality
    return {
        "quality": record.id,
        "started_at": record.started_at,
        "stored": str(model.path),
        "machine": record.machine.id,
        "model": _file(record.model),
        "reference": _file(record.reference) if record.reference else None,
        "settings": record.settings.model_dump(mode="json"),
        "tokenization": record.tokenization.model_dump(mode="json"),
        "n_ctx": record.n_ctx,
        "n_chunks_planned": record.n_chunks_planned,
        "n_chunks": quality.n_chunks if quality else len(record.chunks),
        "n_scored": quality.n_scored if quality else None,
        "is_spilled": record.is_spilled,
        "outcome": {
            "status": record.outcome.status,
            "reason": record.outcome.reason,
            "message": record.outcome.message,
        },
        "figures": {
            name: {
                "value": figure.value,
                "error": figure.standard_error,
                "low": figure.low,
                "high": figure.high,
                "unit": figure.unit,
            }
            for name, figure in (figures_of(quality) if quality else {}).items()
        },
    }


def _file(file: ModelFile) -> dict[str, Any]:
    return {
        "model": file.key,
        "quantization": file.quantization,
        "n_bytes": file.n_bytes,
        "file": {"name": file.file_name, "sha256": file.sha256},
    }
