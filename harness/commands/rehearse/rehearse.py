"""What `harness rehearse` measures: random-weight twins of models, made of their headers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import units
from harness.analysis.device_memory import fits
from harness.errors import HarnessError, UsageError
from harness.files import OnProgress
from harness.measure.jobs.plan import MemoryPlan
from harness.measure.memory import capacity_here, memory_settings, most_needed, plan_workloads
from harness.measure.session import MeasureRequest, Session, prepare
from harness.models.catalog.catalog import Catalog
from harness.models.find import find
from harness.models.model import Model
from harness.models.twin.stub import header_stub
from harness.models.twin.twin import twin_file, twin_of
from harness.schema.model import ModelKey
from harness.schema.model_kind import workloads_of


@dataclass(frozen=True)
class RehearseRequest:
    """
    Twins of which models, measured how.

    They are written to `folder`, and left there if it `keeps` them. `is_forced`: also those whose
    weights cannot fit into memory.
    """

    models: tuple[str, ...]
    measure: MeasureRequest
    folder: Path
    keeps: bool
    is_forced: bool
    asks_hub: bool


@dataclass(frozen=True)
class Rehearsal:
    """A session about to measure twins of `found`."""

    request: RehearseRequest
    found: tuple[Model, ...]
    session: Session

    @property
    def title(self) -> str:
        """Whose twins they are."""
        return ", ".join(each.key for each in self.found)

    @property
    def warnings(self) -> Iterator[str]:
        """What is special about these twins, before anybody waits for them."""
        for each in self.found:
            if each.note:
                yield f"{each.key}: header from {each.source} ({each.note})"
            if each.origin != "shape":
                continue
            if each.variant and each.stand_in:
                yield (
                    f"{each.key}: nobody published which types {each.variant.quantization} gives "
                    f"to which tensor; {each.stand_in} stands for it"
                )
            if "chat" in workloads_of(each.file.kind, self.session.plan.workloads):
                yield f"{each.key}: this twin has no tokenizer; chat runs on random tokens"

    @contextlib.contextmanager
    def twins(self, on_progress: OnProgress) -> Iterator[Mapping[ModelKey, Path]]:
        """Where they lie, for as long as the block runs; each is written first if need be."""
        with contextlib.ExitStack() as stack:
            yield {
                each.key: stack.enter_context(
                    twin_of(each, self.request.folder, on_progress, keeps=self.request.keeps)
                )
                for each in self.found
            }


def prepare_rehearsal(
    request: RehearseRequest, catalog: Catalog, on_progress: OnProgress
) -> Rehearsal:
    """
    The headers of the models, and how their twins are to be measured.

    Raises:
        UsageError: Two of one name, or settings that cannot be.
        HarnessError: A header cannot be had, or its weights cannot fit and that is not forced.
    """
    found = _find(request, catalog, on_progress)
    session = prepare(request.measure, [twin_file(each) for each in found])
    if not request.is_forced:
        _require_memory(found, session)
    return Rehearsal(request, tuple(found), session)


def _find(request: RehearseRequest, catalog: Catalog, on_progress: OnProgress) -> Sequence[Model]:
    found: dict[str, Model] = {}
    for name in request.models:
        each = find(name, catalog, on_progress=on_progress, asks_hub=request.asks_hub)
        if each.key in found and found[each.key].source != each.source:
            raise UsageError(
                f"Two models are both called {each.key}: from {found[each.key].source} and from "
                f"{each.source}. Rehearse them one after the other."
            )
        found[each.key] = each
    return list(found.values())


def _require_memory(found: Sequence[Model], session: Session) -> None:
    """
    Nothing, if each model can lie in this machine's memory under some of the settings.

    Raises:
        HarnessError: One cannot, not even with every program closed.
    """
    for model in found:
        idle = [
            (need, capacity_here(session.machine, plan.devices).idle)
            for plan in _plans(model, session)
            if (need := most_needed(plan))
        ]
        if idle and all(fits(need, capacity) == "no" for need, capacity in idle):
            need, capacity = min(idle, key=lambda pair: pair[0].n_bytes)
            raise HarnessError(
                f"{model.key} needs {units.memory_size(need.n_bytes)} of memory and this machine "
                f"has {units.memory_size(capacity.fast_bytes + capacity.slow_bytes)}; choose a "
                "smaller variant, or rehearse it all the same with --force"
            )


def _plans(model: Model, session: Session) -> Sequence[MemoryPlan]:
    """What it takes under each of the settings that make a difference to that."""
    names = workloads_of(model.file.kind, session.plan.workloads)
    with header_stub(model) as path:
        return [
            plan_workloads(path, model, settings, names)
            for settings in dict.fromkeys(map(memory_settings, session.plan.engine_settings))
        ]
