"""The JSON document of `harness quality`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.quality import figures_of
from harness.commands.quality.quality import QualityResult, ScoredModel
from harness.measure.scoring import ScoreFailure
from harness.report.document_parts import FileDocument, file_document
from harness.schema.figure import Figure
from harness.schema.model import ModelFile
from harness.schema.outcome import Outcome
from harness.schema.quality import TextFacts, Tokenization
from harness.schema.settings import Settings


@dataclass(frozen=True, slots=True)
class ScoredFileDocument:
    """A model whose predictions were scored, or set against."""

    model: str
    quantization: str
    n_bytes: int
    file: FileDocument


@dataclass(frozen=True, slots=True)
class QualityOfModel:
    """
    One model on one text.

    Attributes:
        quality: The record's id.
        path: Where the record lies.
        machine: Its id.
        reference: What it was compared with; null where nothing was.
        n_ctx: Tokens in a chunk, of which the second half is scored.
        n_chunks: Those that the figures stand on.
        n_scored: Tokens that they stand on.
        is_spilled: Whether one model was held at a time.
        figures: Over chunks, with their standard error where every token counts as independent, as
            llama-perplexity has it. A result that failed has none.
    """

    quality: str
    started_at: str
    path: Path
    machine: str
    model: ScoredFileDocument
    reference: ScoredFileDocument | None
    settings: Settings
    tokenization: Tokenization
    n_ctx: int
    n_chunks_planned: int
    n_chunks: int
    n_scored: int | None
    is_spilled: bool
    outcome: Outcome
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class QualityDocument:
    """
    How well models predict a text.

    Attributes:
        text: Which one.
        results: One for each model.
        failures: Models that could not even be asked.
    """

    text: TextFacts
    results: tuple[QualityOfModel, ...]
    failures: tuple[ScoreFailure, ...]


def document(result: QualityResult) -> QualityDocument:
    """The same as the page, for programs."""
    return QualityDocument(result.text, tuple(map(_entry, result.models)), result.failures)


def _entry(model: ScoredModel) -> QualityOfModel:
    record, quality = model.record, model.quality
    return QualityOfModel(
        quality=record.id,
        started_at=record.started_at,
        path=model.path,
        machine=record.machine.id,
        model=_file(record.model),
        reference=_file(record.reference) if record.reference else None,
        settings=record.settings,
        tokenization=record.tokenization,
        n_ctx=record.n_ctx,
        n_chunks_planned=record.n_chunks_planned,
        n_chunks=quality.n_chunks if quality else len(record.chunks),
        n_scored=quality.n_scored if quality else None,
        is_spilled=record.is_spilled,
        outcome=record.outcome,
        figures=figures_of(quality) if quality else {},
    )


def _file(file: ModelFile) -> ScoredFileDocument:
    return ScoredFileDocument(file.key, file.quantization, file.n_bytes, file_document(file))
