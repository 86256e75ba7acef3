"""What `harness rehearse` measures: random-weight twins of models, made of their headers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import units
from harness.errors import HarnessError, UsageError
from harness.files import OnProgress
from harness.measure.session import MeasureRequest, Session, prepare
from harness.models.catalog.catalog import Catalog
from harness.models.find import find
from harness.models.model import Model
from harness.models.twin.twin import twin_file, twin_of
from harness.schema.experiment import ModelKey


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
            if "chat" in self.session.plan.workloads:
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
        _require_memory(session)
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


def _require_memory(session: Session) -> None:
    """
    Nothing, if the weights of each model can lie in this machine's memory.

    Raises:
        HarnessError: They cannot, not even with every program closed.
    """
    machine = session.machine
    room = machine.usable_bytes
    if any(settings.n_gpu_layers for settings in session.plan.settings):
        # A GPU's own memory holds what is not in the system's; Apple's is the same memory.
        room += sum(
            gpu.memory_bytes or 0 for gpu in machine.accelerators if not machine.gpu_limit_bytes
        )
    for file in session.plan.models:
        if file.weights_bytes > room:
            raise HarnessError(
                f"{file.key} has {units.memory_size(file.weights_bytes)} of weights and this "
                f"machine has {units.memory_size(room)} of memory; choose a smaller variant, or "
                "rehearse it all the same with --force"
            )
