"""What `harness frontier` is asked, and what is stored of the quantizations it is asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import units
from harness.analysis.frontier.criteria import CRITERIA
from harness.analysis.frontier.dominance import Frontier, Option
from harness.analysis.frontier.figures import (
    SpeedFigures,
    SpeedWorkloads,
    speed_figures,
    speed_pairs,
    speed_workloads,
)
from harness.analysis.frontier.measured_quality import measured_quality
from harness.analysis.frontier.qualities import QualityPage, quality_page
from harness.analysis.measured import Measured
from harness.commands.frontier.advice import Advice, advise
from harness.commands.frontier.candidates import Candidate
from harness.commands.frontier.stored import stored_speeds
from harness.models.precision import is_quantized
from harness.records.listing import some_of
from harness.records.quality import list_qualities
from harness.schema.figure import Figure, exact
from harness.schema.machine import MachineFacts
from harness.schema.settings import settings_text


@dataclass(frozen=True)
class FrontierResult:
    """
    The quantizations of a model side by side.

    `model` is what was asked for. `conditions` says how the figures were taken, `notes` what else
    to know; one sentence each. `requantized` is the name of an option to what it was quantized
    from.
    """

    model: str
    frontier: Frontier
    advice: Advice
    conditions: tuple[str, ...]
    notes: tuple[str, ...]
    requantized: Mapping[str, str]
    reference: str | None
    paths: Mapping[str, Path]

    @property
    def dominated(self) -> dict[str, str]:
        """Name of an option to that which dominates it."""
        return self.frontier.dominators()


def frontier(
    model: str, found: Sequence[Candidate], results: Path, machine: MachineFacts
) -> FrontierResult:
    """
    What is stored of the candidates on one machine, set side by side.

    Args:
        model: What was asked for.
        found: Its quantizations, the most precise first.
        results: The folder of experiment files.
        machine: The one here, with the servers that it computes with.

    Raises:
        ResultsInvalid: The folder cannot be read.
    """
    stored = stored_speeds(found, results, machine)
    sides = stored.sides
    workloads = speed_workloads(sides.values())
    speeds = {name: speed_figures(side, workloads) for name, side in sides.items()}
    qualities = list_qualities(results)
    measured = [measured_quality(it.record) for it in qualities if it.record]
    unreadable = [*stored.problems, *(it.problem for it in qualities if it.problem)]
    quality = quality_page(
        {it.file.sha256: it.name for it in found if it.file.sha256},
        [each for each in measured if each],
    )
    options = tuple(_option(candidate, speeds.get(candidate.name), quality) for candidate in found)
    side_by_side = Frontier(options, speed_pairs(sides, workloads))
    return FrontierResult(
        model=model,
        frontier=side_by_side,
        advice=advise(side_by_side),
        conditions=tuple(_conditions(sides, speeds, quality)),
        notes=(
            *some_of(unreadable),
            *_lacking(sides, speeds, workloads),
            *_notes(found, quality),
        ),
        requantized={it.name: it.requantized_from for it in found if it.requantized_from},
        reference=quality.reference,
        paths={it.name: it.model.weights for it in found},
    )


def _option(candidate: Candidate, speed: SpeedFigures | None, quality: QualityPage) -> Option:
    figures: dict[str, Figure] = {"bytes": exact(candidate.file.n_bytes, CRITERIA["bytes"].unit)}
    figures |= speed.figures if speed else {}
    figures |= quality.figures.get(candidate.name, {})
    known = {name: replace(it, kind="exact") if it.is_exact else it for name, it in figures.items()}
    return Option(candidate.name, known, speed.reason_missing if speed else None)


def _conditions(
    sides: Mapping[str, Measured],
    speeds: Mapping[str, SpeedFigures],
    quality: QualityPage,
) -> list[str]:
    """Under which conditions the figures were taken."""
    lines = []
    if sides:
        side = next(iter(sides.values()))
        engine = side.experiment.provenance.engine
        runs = [speed.n_runs for speed in speeds.values()]
        least = "" if min(runs) == max(runs) else f"{min(runs)} to "
        experiments = {it.experiment.id for it in sides.values()}
        together = "in common rounds" if len(experiments) == 1 else "not all side by side"
        lines.append(
            f"Speeds: {settings_text(side.settings)}, {engine.binding} {engine.binding_version}, "
            f"{least}{units.counted(max(runs), 'Run')} each, {together}."
        )
    if quality.reference:
        lines.append(
            f"Quality: distance from {quality.reference} on the same text "
            f"({', '.join(quality.alike)})."
        )
    return lines


def _lacking(
    sides: Mapping[str, Measured], speeds: Mapping[str, SpeedFigures], workloads: SpeedWorkloads
) -> list[str]:
    """Why a speed that was tried to be measured is not known, though the model runs here."""
    return [
        f"{name}: {workloads.decode} {side.lack(workloads.decode).why}: close other programs and "
        "add --measure."
        for name, side in sides.items()
        if workloads.decode and "decode" not in speeds[name].figures
        if speeds[name].reason_missing is None
    ]


def _notes(found: Sequence[Candidate], quality: QualityPage) -> list[str]:
    """What else to know of the qualities."""
    reference = next((it for it in found if it.name == quality.reference), None)
    if reference is None or not is_quantized(reference.file.tensor_bytes):
        return []
    return [
        f"{reference.name}, which the others are compared with, is quantized itself: what was lost "
        "before it does not show."
    ]
