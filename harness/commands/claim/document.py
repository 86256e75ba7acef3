"""The JSON document of `harness claim`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.analysis.speed.known_bandwidth import KnownBandwidth
from harness.analysis.verdict import Evidence, Level
from harness.commands.claim.claim import ClaimResult
from harness.commands.claim.conclusion import Answer, Cell, Conclusion, Reach, Row, Runnable, Side
from harness.commands.claim.sentences import sentences
from harness.models.catalog.reference_machines import ReferenceMachine
from harness.report.document_parts import VerdictDocument, verdict_document
from harness.schema.machine import Machine


@dataclass(frozen=True, slots=True)
class CellDocument:
    """
    A model on a machine.

    Attributes:
        machine: "here", or a reference machine; all of them, also those that are not shown.
        variant: The one that was judged.
        verdict: Null where there is none.
        reason: Then why.
    """

    machine: str
    variant: str | None
    is_usual_variant: bool
    verdict: VerdictDocument | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class RowDocument:
    """
    A model on every machine.

    Attributes:
        variant: The usual one.
        size_bytes: Of its file.
        is_size_estimated: Whether nobody published it, so that it is what its shape comes to.
    """

    model: str
    lab: str
    country: str | None
    n_params: int | None
    n_params_active: int | None
    variant: str | None
    size_bytes: int | None
    is_size_estimated: bool
    cells: tuple[CellDocument, ...]


@dataclass(frozen=True, slots=True)
class RunnableDocument:
    """
    Where a model runs.

    Attributes:
        reach: What kind of machine it takes.
        machine: The smallest that will surely do; null where none will.
        level: How well it runs there.
        perhaps: Smaller ones that perhaps will do.
    """

    model: str
    reach: Reach
    machine: str | None
    level: Level | None
    perhaps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SideOfClaim:
    """
    The models of one country.

    Attributes:
        leading: The largest model of each lab.
        n_unknown_size: Models of which nobody knows the number of parameters.
    """

    leading: tuple[str, ...]
    median_leading_params: float | None
    median_params: float | None
    n_models: int
    n_unknown_size: int
    models: tuple[RunnableDocument, ...]


@dataclass(frozen=True, slots=True)
class ConclusionDocument:
    """
    What follows from the rows.

    Attributes:
        are_larger: Whether the leading Chinese models are larger than the American ones.
        are_named_runnable: Whether a consumer can run those that the claim names.
        named: Those.
        evidence: What verdicts stand on, to how many of them.
        sentences: All of it in words.
    """

    are_larger: Answer
    are_named_runnable: Answer
    chinese: SideOfClaim
    american: SideOfClaim
    named: tuple[RunnableDocument, ...]
    evidence: Mapping[Evidence, int]
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClaimDocument:
    """
    The claim, put to the test.

    Attributes:
        machine: The machine at hand; null if it was not asked for.
        reference_machines: Those shown, with their sources.
        rows: One for each model of the catalogue that writes.
        left_out: The others, a sentence each.
        conclusion: What follows from the rows.
        bandwidth: What is known of the speed of this machine's memory, where predictions for it
            follow from that.
        notes: What to know of predictions for this machine, a sentence each.
        like: The reference machine that this one is like; null where it is like none of them.
    """

    machine: Machine | None
    reference_machines: tuple[ReferenceMachine, ...]
    rows: tuple[RowDocument, ...]
    left_out: tuple[str, ...]
    conclusion: ConclusionDocument
    bandwidth: KnownBandwidth | None
    notes: tuple[str, ...]
    like: str | None


def document(result: ClaimResult) -> ClaimDocument:
    """Everything the claim's table shows and rests on."""
    return ClaimDocument(
        machine=result.here,
        reference_machines=tuple(result.machines),
        rows=tuple(map(_row, result.rows)),
        left_out=result.left_out,
        conclusion=_conclusion(result.conclusion),
        bandwidth=result.bandwidth,
        notes=result.notes,
        like=result.like,
    )


def _conclusion(conclusion: Conclusion) -> ConclusionDocument:
    return ConclusionDocument(
        are_larger=conclusion.are_larger,
        are_named_runnable=conclusion.are_named_runnable,
        chinese=_side(conclusion.chinese),
        american=_side(conclusion.american),
        named=tuple(map(_runnable, conclusion.named)),
        evidence=conclusion.evidence,
        sentences=tuple(sentences(conclusion)),
    )


def _row(row: Row) -> RowDocument:
    return RowDocument(
        model=row.model,
        lab=row.lab,
        country=row.country,
        n_params=row.n_params,
        n_params_active=row.n_params_active,
        variant=row.variant,
        size_bytes=row.size_bytes,
        is_size_estimated=row.is_size_estimated,
        cells=tuple(map(_cell, row.cells)),
    )


def _cell(cell: Cell) -> CellDocument:
    verdict = verdict_document(cell.verdict) if cell.verdict else None
    return CellDocument(
        cell.machine, cell.variant, cell.is_usual_variant, verdict, cell.reason or None
    )


def _side(side: Side) -> SideOfClaim:
    return SideOfClaim(
        leading=tuple(row.model for row in side.leading),
        median_leading_params=side.median_leading,
        median_params=side.median_all,
        n_models=len(side.models),
        n_unknown_size=side.n_unknown,
        models=tuple(map(_runnable, side.models)),
    )


def _runnable(model: Runnable) -> RunnableDocument:
    cell = model.cell
    return RunnableDocument(
        model=model.row.model,
        reach=model.reach,
        machine=cell.machine if cell else None,
        level=cell.verdict.level if cell and cell.verdict else None,
        perhaps=tuple(each.machine for each in model.perhaps),
    )
