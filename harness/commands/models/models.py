"""What `harness models` finds: the catalogue, one model of it, a header, or files that are here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.analysis.device_memory import MemoryCapacity, fits
from harness.commands.models.choose import Choice, ChoiceRequest, IsFitting, choose
from harness.errors import UsageError
from harness.files import OnProgress
from harness.machine.probe import probe_machine
from harness.measure.catalog_needs import CatalogNeeds, least_bytes
from harness.measure.memory import capacity_here
from harness.measure.runner import describe_engine
from harness.models.catalog.catalog import Catalog, Entry
from harness.models.catalog.spec import ModelSpec, Variant
from harness.models.download import local_path
from harness.models.find import find
from harness.models.model import Model
from harness.models.resolve import resolve
from harness.models.stores import LocalModels, find_local


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


ModelsResult = CatalogList | CatalogModel | Model | LocalModels


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
    is_entry = name is not None and _is_entry(name, catalog)
    if name and request.has_fits and not is_entry:
        raise UsageError(
            f"--fits is for the catalogue; `harness fit {name}` tells whether that model fits"
        )
    capacity = _capacity() if request.has_fits else None
    is_fitting = _is_fitting(capacity, catalog) if capacity else None
    memory = capacity.fast_bytes + capacity.slow_bytes if capacity else None
    if name is None:
        wanted = ChoiceRequest(request.country, request.lab, request.max_bytes)
        choices = choose(catalog.models, wanted, is_fitting)
        rows = tuple(_row(choice, is_fitting) for choice in choices)
        return CatalogList(rows, len(catalog.models) - len(rows), memory)
    if not is_entry:
        return find(name, catalog, on_progress=on_progress)
    spec = catalog.spec(catalog.split(name)[0])
    usual = spec.variants[0] if spec.variants else None
    return CatalogModel(_row(Choice(spec, usual), is_fitting), memory)


def _is_entry(name: str, catalog: Catalog) -> bool:
    """Whether the catalogue has a page of it; a variant behind the name must be one."""
    _, quantization = catalog.split(name)
    return catalog.knows(name) and (not quantization or isinstance(resolve(name, catalog), Entry))


def _row(choice: Choice, is_fitting: IsFitting | None) -> CatalogRow:
    spec = choice.spec
    variants = tuple(
        VariantStatus(
            each,
            local_path(spec, each),
            is_fitting(spec, each) if is_fitting else None,
        )
        for each in spec.variants
    )
    return CatalogRow(spec, choice.variant, choice.fits, variants)


def _capacity() -> MemoryCapacity:
    return capacity_here(probe_machine(), describe_engine().devices)


def _is_fitting(capacity: MemoryCapacity, catalog: Catalog) -> IsFitting:
    """Whether a variant fits now; beside a card that is too small also with a part of it there."""
    needs = CatalogNeeds(catalog, capacity)

    def is_fitting(spec: ModelSpec, variant: Variant) -> bool | None:
        need = needs.need(spec, variant, capacity)
        if need is not None:
            return fits(need, capacity) in ("yes", "split")
        least = least_bytes(spec, variant)
        there = capacity.fast_bytes + capacity.slow_bytes
        return False if least is not None and least > there else None

    return is_fitting
