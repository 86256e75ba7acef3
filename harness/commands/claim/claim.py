"""The claim put to the test: every model of the catalogue on every machine, and what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.speed.known_bandwidth import KnownBandwidth
from harness.commands.claim.conclusion import HERE, Conclusion, Row, conclude
from harness.commands.claim.host import look_here
from harness.commands.claim.stored import StoredVerdicts, measured_here
from harness.commands.claim.table import NamedHost, reference_host, rows
from harness.measure.catalog_needs import CatalogNeeds, OnPlanning
from harness.models.catalog.catalog import Catalog
from harness.models.catalog.reference_machines import (
    ReferenceMachine,
    chosen,
    load_reference_machines,
)
from harness.schema.machine import Machine
from harness.schema.model_kind import MODEL_KINDS


@dataclass(frozen=True)
class ClaimRequest:
    """Which machines are to be shown, by name and in any case; without names all of them."""

    machines: tuple[str, ...]
    results: Path

    @property
    def names(self) -> list[str]:
        """The names as machines have them."""
        return [name.lower() for name in self.machines]

    @property
    def is_of_here(self) -> bool:
        """Whether the machine at hand is one of them."""
        return not self.machines or HERE in self.names

    def shown(self, references: tuple[ReferenceMachine, ...]) -> tuple[ReferenceMachine, ...]:
        """
        The reference machines among them.

        Raises:
            UsageError: A name is none of these.
        """
        others = [name for name in self.names if name != HERE]
        return chosen(references, others) if others or not self.machines else ()


@dataclass(frozen=True)
class ClaimResult:
    """
    What was found.

    Attributes:
        here: The machine at hand; None if it was not asked for.
        machines: The reference machines that were asked for.
        hosts: All that was asked for, in the order shown.
        rows: A row a model, with cells of more machines than were asked for.
        conclusion: What follows from all reference machines, whichever are shown.
        bandwidth: What is known of the speed of this machine's memory, where it matters.
        notes: What to know of predictions for this machine.
        left_out: Why other models of the catalogue have no row, a sentence each.
        like: The reference machine that the machine at hand is like, if it is like one.
        is_chosen: Whether the machines were asked for by name.
    """

    here: Machine | None
    machines: tuple[ReferenceMachine, ...]
    hosts: tuple[NamedHost, ...]
    rows: tuple[Row, ...]
    conclusion: Conclusion
    bandwidth: KnownBandwidth | None = None
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    like: str | None = None
    is_chosen: bool = False

    @property
    def featured(self) -> list[NamedHost]:
        """Those to be told of in full: as named, else the one at hand and the one it is like."""
        if self.is_chosen:
            return list(self.hosts)
        return [host for host in self.hosts if host.name in (HERE, self.like)]


def examine(
    request: ClaimRequest,
    catalog: Catalog,
    warn: Callable[[str], None],
    on_planning: OnPlanning = lambda *_: None,
) -> ClaimResult:
    """
    The verdict on every model on every machine, offline; takes some seconds.

    Args:
        request: What is asked for.
        catalog: The models.
        warn: Is told of results that cannot be read, and of a calibration that does not count.
        on_planning: Told which model is planned.

    Raises:
        UsageError: No such machine.
        HarnessError: The engine does not start, or the folder of results cannot be read.
    """
    references = load_reference_machines()
    shown = request.shown(references)
    here = look_here(request.results) if request.is_of_here else None
    measured = measured_here(request.results, here.machine, catalog) if here else StoredVerdicts()
    for problem in (*measured.problems, *(here.notes if here else ())):
        warn(problem)
    hosts = [*([here.host] if here else []), *map(reference_host, references)]
    needs = CatalogNeeds(catalog, here.host.host.capacity if here else None)
    kinds = {spec.name: needs.kind(spec) for spec in catalog.models}
    writing = [spec for spec in catalog.models if kinds[spec.name] == "generates"]
    needs.plan_ahead(catalog.models, [host.host.capacity for host in hosts], on_planning)
    table = rows(writing, hosts, needs, measured.cells)
    names_shown = {HERE, *(machine.name for machine in shown)}
    return ClaimResult(
        here=here.machine if here else None,
        machines=shown,
        hosts=tuple(host for host in hosts if host.name in names_shown),
        rows=tuple(table),
        left_out=tuple(
            f"Left out: {name} is {MODEL_KINDS[kind].text}."
            for name, kind in kinds.items()
            if kind != "generates"
        ),
        conclusion=conclude(table, [host.name for host in hosts if host.is_consumer]),
        bandwidth=here.bandwidth if here else None,
        notes=here.notes if here else (),
        like=here.like(references) if here else None,
        is_chosen=bool(request.machines),
    )
