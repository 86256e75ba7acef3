"""The JSON document of `harness frontier`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.frontier.criteria import CRITERIA
from harness.analysis.frontier.dominance import Option
from harness.commands.frontier.frontier import FrontierResult
from harness.schema.figure import Figure


@dataclass(frozen=True, slots=True)
class OptionDocument:
    """
    One quantization.

    Attributes:
        name: As on the page.
        path: Its file.
        requantized_from: What it was quantized from, if that was quantized itself.
        dominated_by: The name of another that is no worse in any figure and better in one.
        reason_missing: Why it does not run here; null where it does.
        figures: Those that are known.
    """

    name: str
    path: Path | None
    requantized_from: str | None
    dominated_by: str | None
    reason_missing: str | None
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class AdviceDocument:
    """
    Which to take.

    Attributes:
        take: A name; null where that cannot be told.
        text: The sentence.
        rivals: Those it cannot decide between.
        left_out: Those that lack a figure it needs.
    """

    take: str | None
    text: str
    rivals: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FrontierDocument:
    """
    The quantizations of a model, side by side.

    Attributes:
        reference: What qualities are the distance from; null without any.
        options: The most precise first.
        conditions: Under which the figures were taken, a sentence each.
        findings: What else to know, a sentence each.
    """

    model: str
    reference: str | None
    options: tuple[OptionDocument, ...]
    advice: AdviceDocument
    conditions: tuple[str, ...]
    findings: tuple[str, ...]


def document(result: FrontierResult) -> FrontierDocument:
    """Every figure of every option, and what to take."""
    advice, dominated = result.advice, result.dominated
    return FrontierDocument(
        model=result.model,
        reference=result.reference,
        options=tuple(_option(result, it, dominated) for it in result.frontier.options),
        advice=AdviceDocument(advice.choice, advice.text, advice.rivals, advice.left_out),
        conditions=tuple(result.conditions),
        findings=tuple(result.notes),
    )


def _option(result: FrontierResult, option: Option, dominated: Mapping[str, str]) -> OptionDocument:
    return OptionDocument(
        name=option.name,
        path=result.paths.get(option.name),
        requantized_from=result.requantized.get(option.name),
        dominated_by=dominated.get(option.name),
        reason_missing=option.reason_missing,
        figures={
            name: figure for name in CRITERIA if (figure := option.figures.get(name)) is not None
        },
    )
