"""What `harness models` finds: the catalogue, one model of it, a header, or files that are here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.files import OnProgress
from harness.machine.memory import available_memory_bytes
from harness.machine.probe import probe_machine
from harness.models.catalog.catalog import Catalog
from harness.models.catalog.choice import Choice, ChoiceRequest, choose, fits
from harness.models.catalog.spec import ModelSpec, Variant
from harness.models.download import local_path
from harness.models.find import find
from harness.models.model import Model
from harness.models.stores import LocalFile, find_local
from harness.schema.machine import Machine


@dataclass(frozen=True)
class ModelsRequest:
    """`name` asks for one model, `is_local` for files; the others filter the catalogue."""

    name: str | None
    has_fits: bool
    country: str | None
    lab: str | None
    max_bytes: int | None
    is_local: bool

    @property
    def has_filters(self) -> bool:
        """Whether a part of the catalogue is asked for."""
        return (self.country, self.lab, self.max_bytes) != (None, None, None)


@dataclass(frozen=True)
class VariantStatus:
    """A variant, where it lies if it is here, and whether it should run; None if unknown."""

    variant: Variant
    path: Path | None
    fits: bool | None


@dataclass(frozen=True)
class CatalogRow:
    """A model of the catalogue with all its variants, and the one to take."""

    spec: ModelSpec
    variant: Variant | None
    fits: bool | None
    variants: tuple[VariantStatus, ...]

    @property
    def is_here(self) -> bool:
        """Whether a file of it is on this disk."""
        return any(each.path for each in self.variants)


@dataclass(frozen=True)
class CatalogList:
    """The models that answer; `memory_bytes` is what they were set against, if they were."""

    rows: tuple[CatalogRow, ...]
    n_left_out: int
    memory_bytes: int | None


@dataclass(frozen=True)
class CatalogModel:
    """One model of the catalogue."""

    row: CatalogRow
    memory_bytes: int | None


ModelsResult = CatalogList | CatalogModel | Model | Sequence[LocalFile]


def find_models(request: ModelsRequest, catalog: Catalog, on_progress: OnProgress) -> ModelsResult:
    """
    What answers to the request.

    Raises:
        UsageError: One model is to be filtered.
        ModelNotFound: There is no such model.
        HarnessError: Its header cannot be had, as `find`.
    """
    if request.is_local:
        return find_local()
    name = request.name
    if name and request.has_filters:
        raise UsageError(f"{name} is one model, there is nothing to filter; leave one of them away")
    memory = _memory_bytes(probe_machine(), available_memory_bytes()) if request.has_fits else None
    if not name:
        wanted = ChoiceRequest(request.country, request.lab, request.max_bytes, memory)
        choices = choose(catalog.models, wanted)
        rows = tuple(_row(choice, memory) for choice in choices)
        return CatalogList(rows, len(catalog.models) - len(rows), memory)
    # A variant may stand behind the name, as `run` takes it; it is on the page anyway.
    key = name.partition(":")[0]
    if "/" in name and not catalog.knows(key):
        return find(name, catalog, on_progress=on_progress)
    spec = catalog.spec(key)
    usual = spec.variants[0] if spec.variants else None
    return CatalogModel(_row(Choice(spec, usual), memory), memory)


def _row(choice: Choice, memory_bytes: int | None) -> CatalogRow:
    spec = choice.spec
    variants = tuple(
        VariantStatus(
            each,
            local_path(spec, each),
            None if memory_bytes is None else fits(each, memory_bytes),
        )
        for each in spec.variants
    )
    return CatalogRow(spec, choice.variant, choice.fits, variants)


def _memory_bytes(machine: Machine, available_bytes: int) -> int:
    """What a model can have: on a Mac at most Metal's limit, else the larger of RAM and GPUs."""
    if machine.gpu_limit_bytes is not None:
        return min(available_bytes, machine.gpu_limit_bytes)
    return max(available_bytes, sum(card.memory_bytes or 0 for card in machine.accelerators))
