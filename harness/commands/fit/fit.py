"""
What `harness fit` finds out of models: memory by the engine's planner, speed as it is predicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from harness.analysis.device_memory import MemoryCapacity
from harness.analysis.speed.known_bandwidth import KnownBandwidth
from harness.commands.fit.speeds import PredictedSpeed, Predictor
from harness.errors import ExitCode, HarnessError, LayoutUnknown
from harness.files import OnProgress
from harness.machine.conditions import core_limit_warning
from harness.machine.probe import default_threads, probe_machine
from harness.measure.catalog_needs import OnPlanning
from harness.measure.fitting import fit_model
from harness.measure.memory import DEFAULT_CONTEXT, ModelFit, capacity_here
from harness.measure.rpc import machine_with, open_connections
from harness.models.catalog.catalog import Catalog
from harness.models.find import find
from harness.models.model import Model
from harness.schema.machine import Machine
from harness.schema.settings import Settings

_OVERVIEW_CONTEXT = (DEFAULT_CONTEXT,)
_MOST_WORKERS = 8  # each takes about 100 MB


@dataclass(frozen=True)
class FitRequest:
    """
    Which models are to be fitted, at which contexts, into this machine.

    No `models` are all of the catalogue that have a shape, offline. No `lengths` are the usual
    ones. `cache_types` are pairs, of keys and of values; `settings` values of the other fields of
    Settings. In `results` lie experiments that tell of this machine's speed.
    """

    models: tuple[str, ...]
    asks_hub: bool
    lengths: tuple[int, ...]
    cache_types: tuple[tuple[str, str], ...]
    settings: Mapping[str, object]
    results: Path


@dataclass(frozen=True)
class FitFailure:
    """A model of which nothing can be said, and why."""

    model: str
    message: str


@dataclass(frozen=True)
class FitResult:
    """
    What every model takes here, and how fast it will be.

    `notes` are about how speeds were predicted and with how many cores, `bandwidth` is what they
    follow from on a CPU that nobody calibrated. `is_overview`: of the whole catalogue, without
    speeds; `n_left_out` of its entries cannot be laid out.
    """

    machine: Machine
    capacity: MemoryCapacity
    fits: tuple[tuple[ModelFit, Sequence[PredictedSpeed]], ...]
    failures: tuple[FitFailure, ...]
    notes: tuple[str, ...] = ()
    is_overview: bool = False
    n_left_out: int = 0
    bandwidth: KnownBandwidth | None = None

    @property
    def exit_code(self) -> ExitCode:
        """What the command answers with."""
        return ExitCode.ERROR if self.failures else ExitCode.DONE


def fit(
    request: FitRequest,
    catalog: Catalog,
    on_progress: OnProgress,
    on_planning: OnPlanning = lambda *_: None,
) -> FitResult:
    """
    The models here; of one that cannot be found or read, why.

    Args:
        request: Which models, and how.
        catalog: What names are looked up in.
        on_progress: Told how far the fetching of headers is.
        on_planning: Of the whole catalogue, told which model was planned.

    Raises:
        HarnessError: This machine cannot be looked at.
    """
    machine = probe_machine()
    settings = Settings.model_validate({"n_threads": default_threads(machine), **request.settings})
    machine = machine_with(machine, settings.rpc)
    here = _Here(request, machine, capacity_here(machine), settings)
    found = here.named(catalog, on_progress) if request.models else here.all(catalog, on_planning)
    limited = core_limit_warning(machine)
    notes = (*([limited] if limited else ()), *open_connections(settings.rpc))
    return replace(found, notes=(*notes, *found.notes))


@dataclass(frozen=True)
class _Here:
    request: FitRequest
    machine: Machine
    capacity: MemoryCapacity
    settings: Settings

    def named(self, catalog: Catalog, on_progress: OnProgress) -> FitResult:
        """Those that are named, with their speeds."""
        results: list[ModelFit | FitFailure] = []
        for name in self.request.models:
            try:
                found = find(name, catalog, on_progress=on_progress, asks_hub=self.request.asks_hub)
            except HarnessError as error:
                results.append(FitFailure(name, str(error)))
                continue
            results.append(self._fit(found, self.request.lengths))
        predictor = Predictor(self.machine, self.settings, self.request.results)
        fits = [(it, predictor.speeds(it)) for it in results if isinstance(it, ModelFit)]
        failures = [it for it in results if isinstance(it, FitFailure)]
        return FitResult(
            self.machine,
            self.capacity,
            tuple(fits),
            tuple(failures),
            tuple(predictor.notes),
            bandwidth=predictor.bandwidth,
        )

    def all(self, catalog: Catalog, on_planning: OnPlanning) -> FitResult:
        """Every variant whose header is here or can be made; the others are counted."""
        keys = [entry.key for entry in catalog.entries() if entry.spec.shape is not None]
        # A server has one client at a time.
        most = 1 if self.machine.rpc else _MOST_WORKERS
        pool = ThreadPoolExecutor(min(most, self.machine.n_cores_usable))
        results: list[ModelFit | FitFailure | None] = []
        try:
            for result in pool.map(lambda key: self._offline(key, catalog), keys):
                on_planning(len(results) + 1, len(keys), keys[len(results)])
                results.append(result)
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C only those that are under way
        return FitResult(
            self.machine,
            self.capacity,
            tuple((it, ()) for it in results if isinstance(it, ModelFit)),
            tuple(it for it in results if isinstance(it, FitFailure)),
            is_overview=True,
            n_left_out=results.count(None),
        )

    def _offline(self, key: str, catalog: Catalog) -> ModelFit | FitFailure | None:
        """None where no layout came with the harness: known of the catalogue, and no failure."""
        try:
            found = find(key, catalog, asks_hub=False)
        except LayoutUnknown:
            return None
        except HarnessError as error:
            return FitFailure(key, str(error))
        return self._fit(found, self.request.lengths or _OVERVIEW_CONTEXT)

    def _fit(self, found: Model, lengths: Sequence[int]) -> ModelFit | FitFailure:
        """One model, or why the engine refuses it."""
        types = self.request.cache_types
        try:
            fitted = fit_model(
                found, self.settings, self.capacity, lengths=lengths, cache_types=types
            )
        except HarnessError as error:
            return FitFailure(found.key, str(error))
        if fitted.plan.outcome.status == "failed":
            message = fitted.plan.outcome.message or "the engine gave no reason"
            return FitFailure(found.key, f"the engine refuses it: {message}")
        return fitted
