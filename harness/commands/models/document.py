"""The JSON documents of `harness models`."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.commands.models.models import (
    CatalogList,
    CatalogModel,
    CatalogRow,
    ModelsResult,
    VariantStatus,
)
from harness.models.catalog.spec import ModelSpec, Shape, Source
from harness.models.gguf.companions import PassedOver
from harness.models.model import Model
from harness.models.stores import LocalFile
from harness.report.document_parts import HeaderOrigin, header_origin
from harness.schema.model import ModelFile


@dataclass(frozen=True, slots=True)
class VariantDocument:
    """
    One quantization of a model.

    Attributes:
        model: Its key.
        n_bytes: Exact size of the GGUF, all parts together.
        approx_bytes: Or one that its source rounded.
        sha256: Of the GGUF; null for models in several parts, and where the hub has to be asked.
        n_shards: Parts of a split model; null for one file, or where nobody counted.
        source: Where it comes from.
        path: Where the file lies on this disk; null if it does not.
        fits: Only with --fits; null too where the size is unknown.
    """

    model: str
    quantization: str
    n_bytes: int | None
    approx_bytes: int | None
    sha256: str | None
    n_shards: int | None
    source: Source
    path: Path | None
    fits: bool | None


@dataclass(frozen=True, slots=True)
class ModelDocument:
    """
    One model of the catalogue; what nobody has confirmed is null.

    Attributes:
        original: The lab's own repository.
        aliases: Other names it is found by.
        country: Two letters, several joined by a slash.
        licence: SPDX identifier, or LicenseRef-NAME for terms that have none.
        clause: What bites in them.
        superseded_by: Newer models of the same lab; not all are in the catalogue.
        shape: What memory and speed follow from, in llama.cpp's terms.
        n_params: Weights in all. Figures that end in six zeros are the lab's own, rounded.
        n_params_active: Those one token is multiplied with: in a mixture the experts it is sent to
            and everything dense, without the embedding table.
        variant: The one this answer is about: the usual one, or the largest that fulfils the
            filters.
    """

    name: str
    original: str | None
    aliases: tuple[str, ...]
    lab: str
    country: str | None
    licence: str | None
    clause: str | None
    released: datetime.date | None
    superseded_by: tuple[str, ...]
    architecture: str | None
    kind: Literal["dense", "moe"]
    shape: Shape | None
    n_params: int | None
    n_params_active: int | None
    n_ctx_train: int | None
    variant: str | None
    variants: tuple[VariantDocument, ...]


@dataclass(frozen=True, slots=True)
class CatalogDocument:
    """
    Models of the catalogue.

    Attributes:
        memory_bytes: Only with --fits: what a model can have here.
        models: Those that answer, or the one that is named.
    """

    memory_bytes: int | None
    models: tuple[ModelDocument, ...]


@dataclass(frozen=True, slots=True)
class HeaderDocument:
    """
    A file, or a repository of the hub, by its header.

    Attributes:
        header: Where it is from.
        file: What it says.
    """

    header: HeaderOrigin
    file: ModelFile


@dataclass(frozen=True, slots=True)
class LocalDocument:
    """
    What other programs hold on this machine.

    Attributes:
        files: One for each model.
        passed_over: Files that go with a model and are none, by what their names or headers say.
    """

    files: tuple[LocalFile, ...]
    passed_over: tuple[PassedOver, ...]


def document(result: ModelsResult) -> CatalogDocument | HeaderDocument | LocalDocument:
    """Everything that was found; one model of the catalogue has the form of all."""
    match result:
        case CatalogList():
            return _catalog(result.rows, result.memory_bytes)
        case CatalogModel():
            return _catalog([result.row], result.memory_bytes)
        case Model():
            return HeaderDocument(header_origin(result), result.file)
        case _:
            return LocalDocument(result.files, result.passed_over)


def _catalog(rows: Sequence[CatalogRow], memory_bytes: int | None) -> CatalogDocument:
    return CatalogDocument(memory_bytes, tuple(map(_model, rows)))


def _model(row: CatalogRow) -> ModelDocument:
    spec = row.spec
    return ModelDocument(
        name=spec.name,
        original=spec.original,
        aliases=spec.aliases,
        lab=spec.lab,
        country=spec.country,
        licence=spec.licence,
        clause=spec.clause,
        released=spec.released,
        superseded_by=spec.superseded_by,
        architecture=spec.architecture,
        kind=spec.kind,
        shape=spec.shape,
        n_params=spec.parameters.total,
        n_params_active=spec.parameters.active,
        n_ctx_train=spec.context_trained,
        variant=row.variant.quantization if row.variant else None,
        variants=tuple(_variant(spec, each) for each in row.variants),
    )


def _variant(spec: ModelSpec, status: VariantStatus) -> VariantDocument:
    variant = status.variant
    return VariantDocument(
        model=f"{spec.name}:{variant.quantization}",
        quantization=variant.quantization,
        n_bytes=variant.n_bytes,
        approx_bytes=variant.approx_bytes,
        sha256=variant.sha256,
        n_shards=variant.n_shards,
        source=variant.source,
        path=status.path,
        fits=status.fits,
    )
