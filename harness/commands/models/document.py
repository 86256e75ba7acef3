"""The JSON documents of `harness models`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.commands.models.models import (
    CatalogList,
    CatalogModel,
    CatalogRow,
    ModelsResult,
    VariantStatus,
)
from harness.models.catalog.spec import ModelSpec
from harness.models.model import Model
from harness.models.stores import LocalFile


def document(result: ModelsResult) -> dict[str, Any]:
    """Everything that was found; one model of the catalogue has the form of all."""
    match result:
        case CatalogList():
            return _catalog(result.rows, result.memory_bytes)
        case CatalogModel():
            return _catalog([result.row], result.memory_bytes)
        case Model():
            return _header(result)
        case _:
            return {"schema": 1, "files": [_file(each) for each in result]}


def _catalog(rows: Sequence[CatalogRow], memory_bytes: int | None) -> dict[str, Any]:
    memory = {} if memory_bytes is None else {"memory_bytes": memory_bytes}
    return {"schema": 1, **memory, "models": [_model(row, memory_bytes) for row in rows]}


def _model(row: CatalogRow, memory_bytes: int | None) -> dict[str, Any]:
    spec = row.spec
    facts = spec.model_dump(mode="json", exclude={"parameters", "context_trained", "variants"})
    return facts | {
        "n_params": spec.parameters.total,
        "n_params_active": spec.parameters.active,
        "n_ctx_train": spec.context_trained,
        "variant": row.variant.quantization if row.variant else None,
        "variants": [_variant(spec, each, memory_bytes) for each in row.variants],
    }


def _variant(spec: ModelSpec, status: VariantStatus, memory_bytes: int | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "model": f"{spec.name}:{status.variant.quantization}",
        **status.variant.model_dump(mode="json"),
        "path": str(status.path) if status.path else None,
    }
    return facts if memory_bytes is None else facts | {"fits": status.fits}


def _header(found: Model) -> dict[str, Any]:
    return {
        "schema": 1,
        "header": {
            "origin": found.origin,
            "source": found.source,
            "n_bytes": sum(len(part.data) for part in found.parts),
            "n_fetched_bytes": found.n_fetched_bytes,
        },
        "file": found.file.model_dump(mode="json"),
    }


def _file(file: LocalFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "origin": file.origin,
        "quantization": file.quantization,
        "n_bytes": file.n_bytes,
        "path": str(file.path),
    }
