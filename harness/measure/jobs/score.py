"""
How well models predict a text: the parent's side. Each model is scored in a worker of its own.

Before any scoring a worker reads nothing but each model's vocabulary: so what must not be
compared is refused within a second.
"""

from __future__ import annotations

import platform
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter

from harness import __version__
from harness.measure import runner
from harness.measure.jobs.score_text import QualityText
from harness.measure.protocol import CommonEvent, Event, Job
from harness.schema.experiment import EngineInfo, Provenance
from harness.schema.machine import Machine
from harness.schema.model import ModelFile
from harness.schema.outcome import Outcome
from harness.schema.quality import ChunkScores, QualityRecord, Tokenization
from harness.schema.settings import Settings

_TOKENIZING_SILENCE_NS = 5 * 60 * 1_000_000_000  # a vocabulary and 100 MB of text take seconds


class TokenizedEvent(Event):
    """What a text becomes in the model's vocabulary."""

    event: Literal["tokenized"] = "tokenized"
    tokenization: Tokenization


class TokenizeJob(Job):
    """Cut the text at `text_path` (UTF-8) into tokens; of the model only its vocabulary is read."""

    EVENTS: ClassVar[TypeAdapter[Any]] = TypeAdapter(
        Annotated[CommonEvent | TokenizedEvent, Field(discriminator="event")]
    )

    job: Literal["tokenize"] = "tokenize"
    model_path: str
    text_path: str


class SpilledEvent(Event):
    """The reference's log-probabilities of a chunk are on the disk."""

    event: Literal["spilled"] = "spilled"
    index: NonNegativeInt

    @property
    def activity(self) -> str:
        """The next chunk."""
        return f"after the reference's chunk {self.index + 1}"


class ChunkEvent(Event):
    """A chunk is scored."""

    event: Literal["chunk"] = "chunk"
    chunk: ChunkScores

    @property
    def activity(self) -> str:
        """The next chunk."""
        return f"after chunk {self.chunk.index + 1}"


class ScoreJob(Job):
    """
    Score a text in chunks of `n_ctx` tokens, `n_chunks` of them at most.

    With a reference both models are held at once, unless there is a `spill_folder`: then the
    reference goes first, and what it gave passes through a nameless file there. `settings` are for
    both. `deadline_ns` is a reading of the system-wide perf_counter; two chunks are always made.
    """

    EVENTS: ClassVar[TypeAdapter[Any]] = TypeAdapter(
        Annotated[CommonEvent | SpilledEvent | ChunkEvent, Field(discriminator="event")]
    )

    job: Literal["score"] = "score"
    model_path: str
    settings: Settings
    text_path: str
    reference_path: str | None = None
    n_ctx: PositiveInt
    n_chunks: PositiveInt
    spill_folder: str | None = None
    deadline_ns: int


@dataclass(frozen=True)
class Subject:
    """A model file and what becomes of the text in it; without a tokenization it failed."""

    file: ModelFile
    path: Path
    outcome: Outcome
    tokenization: Tokenization | None
    engine: EngineInfo | None


@dataclass(frozen=True)
class ScoreSetup:
    """
    How every model of a session is scored: at most `n_chunks` chunks of `n_ctx` tokens.

    `budget_ns` is for each model, `settings` are for both. A `silence_ns` without a word ends a
    worker.
    """

    text: QualityText
    text_path: Path
    n_ctx: int
    n_chunks: int
    settings: Settings
    budget_ns: int
    silence_ns: int


def tokenized(file: ModelFile, path: Path, text_path: Path) -> Subject:
    """
    What the text becomes in the model's vocabulary; about half a second.

    Raises:
        KeyboardInterrupt: The user ended it.
    """
    job = TokenizeJob(model_path=str(path), text_path=str(text_path))
    report = runner.run_unlogged(job, silence_ns=_TOKENIZING_SILENCE_NS)
    report.raise_if_interrupted()
    told = next(iter(report.told(TokenizedEvent)), None)
    return Subject(file, path, report.outcome, told.tokenization if told else None, report.engine)


def n_chunks_of(subject: Subject, setup: ScoreSetup) -> int:
    """How many chunks there will be: those asked for, or those that the text has."""
    assert subject.tokenization is not None
    return min(setup.n_chunks, subject.tokenization.n_tokens // setup.n_ctx)


def score(
    subject: Subject,
    reference: Subject | None,
    setup: ScoreSetup,
    machine: Machine,
    *,
    spill_folder: Path | None = None,
    on_event: Callable[[Event], None] = lambda _: None,
) -> QualityRecord:
    """
    The scores of one model, however its worker ended; chunks complete by then are in it.

    Args:
        subject: What is scored.
        reference: What it is set against.
        setup: On which text, how much of it.
        machine: This one.
        spill_folder: Where the reference's log-probabilities go; None holds both models at once.
        on_event: Told what the worker tells.
    """
    assert subject.tokenization is not None
    assert subject.engine is not None
    started_at, started_ns = datetime.now(UTC).isoformat(timespec="seconds"), perf_counter_ns()
    job = _score_job(subject, reference, setup, spill_folder, started_ns)
    report = runner.run_unlogged(job, on_event=on_event, silence_ns=setup.silence_ns)
    return QualityRecord(
        id=uuid.uuid4().hex[:8],
        started_at=started_at,
        duration_ns=perf_counter_ns() - started_ns,
        machine=machine,
        provenance=Provenance(
            harness_version=__version__,
            python_version=platform.python_version(),
            engine=report.engine or subject.engine,
        ),
        model=subject.file,
        reference=reference.file if reference else None,
        settings=setup.settings,
        text=setup.text.facts,
        tokenization=subject.tokenization,
        n_ctx=setup.n_ctx,
        n_chunks_planned=job.n_chunks,
        is_spilled=spill_folder is not None,
        outcome=report.outcome,
        chunks=tuple(event.chunk for event in report.told(ChunkEvent)),
    )


def _score_job(
    subject: Subject,
    reference: Subject | None,
    setup: ScoreSetup,
    spill_folder: Path | None,
    started_ns: int,
) -> ScoreJob:
    return ScoreJob(
        model_path=str(subject.path),
        settings=setup.settings,
        text_path=str(setup.text_path),
        reference_path=str(reference.path) if reference else None,
        n_ctx=setup.n_ctx,
        n_chunks=n_chunks_of(subject, setup),
        spill_folder=str(spill_folder) if spill_folder else None,
        deadline_ns=started_ns + setup.budget_ns,
    )
