"""What guessing tokens ahead gains, for programs: the same as the tables of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.speculation import RATE, GuessedTask, Guessing
from harness.report.document_parts import RatioDocument, ratio_document
from harness.schema.figure import Figure
from harness.schema.settings import AnySettings


@dataclass(frozen=True, slots=True)
class GuessedTaskDocument:
    """
    A task with and without guesses.

    Attributes:
        workload: Its name.
        tok_per_s_without: Decode rate without guesses; null where there is no clean trial.
        tok_per_s: The same with guesses.
        accepted_ratio: Of all guessed tokens, those that were right.
        tokens_per_step: Tokens after the first / passes of the model that gave them.
        speed_up: With / without, over the rounds that both have; null where no round has both.
        over_texts: The same ratio of each of the task's texts; `n` counts texts.
        whole_answer: Of the time of whole answers, prompt included.
        predicted: What the accepted share and the cost of batches (verifyN) make of it.
        of_predicted: `speed_up` over `predicted`, over the same rounds.
        as_predicted: Whether these are the same as far as rounds tell; null where they do not.
        same_tokens: Of each text, how many tokens both answers have in common from their beginning.
        note: Why there is no `speed_up`.
    """

    workload: str
    tok_per_s_without: Figure | None
    tok_per_s: Figure | None
    accepted_ratio: Figure | None
    tokens_per_step: Figure | None
    speed_up: RatioDocument | None
    over_texts: RatioDocument | None
    whole_answer: RatioDocument | None
    predicted: RatioDocument | None
    of_predicted: RatioDocument | None
    as_predicted: bool | None
    same_tokens: tuple[int, ...]
    note: str | None


@dataclass(frozen=True, slots=True)
class SpeculationDocument:
    """
    A configuration that guesses tokens ahead, beside itself without guesses.

    Attributes:
        model: Its key.
        settings: Those that guess: `draft` is a model's key or "ngram", `draft_max` how far.
        tasks: What was measured of it.
    """

    model: str
    settings: AnySettings
    tasks: tuple[GuessedTaskDocument, ...]


def speculation_documents(known: Sequence[Guessing]) -> tuple[SpeculationDocument, ...]:
    """One for each."""
    return tuple(
        SpeculationDocument(it.guessed.model.key, it.guessed.settings, tuple(map(_task, it.tasks)))
        for it in known
    )


def _task(task: GuessedTask) -> GuessedTaskDocument:
    figures = task.guessed.metrics
    ratios = {
        name: ratio_document(found) if found else None
        for name, found in (
            ("speed_up", task.speed_up),
            ("over_texts", task.of_texts),
            ("whole_answer", task.whole),
            ("predicted", task.predicted),
            ("of_predicted", task.of_predicted),
        )
    }
    return GuessedTaskDocument(
        workload=task.workload,
        tok_per_s_without=task.plain.metrics.get(RATE),
        tok_per_s=figures.get(RATE),
        accepted_ratio=figures.get("accepted_ratio"),
        tokens_per_step=figures.get("tokens_per_step"),
        as_predicted=task.is_as_predicted,
        same_tokens=task.n_alike,
        note=task.note or None,
        **ratios,
    )
