"""
How well models predict a text: the parent's side. Each model is scored in a worker of its own.

Before any scoring a worker reads nothing but each model's vocabulary: so what must not be
compared is refused within a second.
"""

from __future__ import annotations

import platform
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter_ns

from harness import __version__
from harness.errors import NotComparable
from harness.files import require_space
from harness.measure import runner
from harness.measure.fits import room_of
from harness.measure.jobs.plan import MemoryPlan, plan_memory
from harness.measure.jobs.score_sums import spill_bytes
from harness.measure.jobs.score_text import QualityText
from harness.measure.protocol import Event, Job
from harness.models.headers import local_headers
from harness.schema.experiment import EngineInfo, ModelFile, Outcome, Provenance
from harness.schema.machine import Machine
from harness.schema.planned import SYSTEM, ContextWish, is_within, limits_of
from harness.schema.quality import QualityRecord, Tokenization
from harness.schema.scored import Scoring, Tokenizing
from harness.schema.settings import Settings

_TOKENIZING_SILENCE_NS = 5 * 60 * 1_000_000_000  # a vocabulary and 100 MB of text take seconds


@dataclass(frozen=True)
class Subject:
    """A model file and what becomes of the text in it; without a tokenization it failed."""

    file: ModelFile
    path: Path
    outcome: Outcome
    tokenization: Tokenization | None
    engine: EngineInfo | None


@dataclass(frozen=True)
class Wanted:
    """
    What is to be scored: at most `n_chunks` chunks of `n_ctx` tokens within `budget_ns` a model.

    `settings` are for both models. A `silence_ns` without a word ends a worker.
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
    job = Job(
        model_path=str(path),
        settings=Settings(n_threads=1),
        tokenizing=Tokenizing(text_path=str(text_path)),
        started_ns=perf_counter_ns(),
        deadline_ns=0,
    )
    report = _run(job, _TOKENIZING_SILENCE_NS, lambda _: None)
    if report.outcome.reason == "interrupted":
        raise KeyboardInterrupt
    return Subject(file, path, report.outcome, report.tokenization, report.engine)


def require_same_tokens(subject: Subject, reference: Subject) -> None:
    """
    Nothing, if both models have the same tokens and make the same ones of the text.

    Raises:
        NotComparable: They do not.
    """
    own, other = subject.tokenization, reference.tokenization
    assert own is not None
    assert other is not None
    if own.vocabulary_sha256 != other.vocabulary_sha256:
        how = (
            f"{own.n_vocab} and {other.n_vocab} tokens"
            if own.n_vocab != other.n_vocab
            else f"both of {own.n_vocab} tokens, but not the same ones"
        )
        raise NotComparable(
            f"{subject.file.key} and {reference.file.key} have different vocabularies ({how}): "
            "their probabilities are of different things; take a reference of the same model"
        )
    if own.tokens_sha256 != other.tokens_sha256:
        raise NotComparable(
            f"{subject.file.key} and {reference.file.key} have the same vocabulary but cut this "
            "text into different tokens: one of the files was converted wrongly; take another one"
        )


def fits_together(
    subject: Subject, reference: Subject, wanted: Wanted, machine: Machine, free_bytes: int
) -> bool:
    """
    Whether both models with their contexts go into the memory that is free.

    Args:
        subject: One model.
        reference: The other.
        wanted: With which contexts.
        machine: This one.
        free_bytes: Of system memory.
    """
    assert subject.tokenization is not None
    assert subject.engine is not None
    n_vocab = subject.tokenization.n_vocab
    # The engine keeps the scored rows; of those a copy in doubles is worked on, piece by piece.
    logits = 2 * wanted.n_ctx * n_vocab * 4
    weights = subject.file.weights_bytes + reference.file.weights_bytes
    has_gpu = any(device.is_gpu for device in subject.engine.devices)
    # Mapped weights may lie there twice, rearranged; the compute buffers are no larger than this.
    if not has_gpu and 2 * (weights + logits) < free_bytes / 2:
        return True
    plans = [_plan(each, wanted) for each in (subject, reference)]
    if any(not plan.contexts or plan.contexts[0].n_ctx is None for plan in plans):
        return True  # the engine refuses one: scoring tells why
    taken = {SYSTEM: logits}
    for plan in plans:
        for device, n_bytes in plan.taken(plan.contexts[0]).items():
            taken[device] = taken.get(device, 0) + n_bytes
    room = room_of(machine, free_bytes)
    limits = limits_of(plans[0].devices, room.free_bytes, room.gpu_limit_bytes)
    return is_within(taken, limits)


def _plan(subject: Subject, wanted: Wanted) -> MemoryPlan:
    headers = local_headers(subject.path, subject.file.key).headers
    return plan_memory(subject.path, headers, wanted.settings, [ContextWish(n_ctx=wanted.n_ctx)])


def n_chunks_of(subject: Subject, wanted: Wanted) -> int:
    """How many chunks there will be: those asked for, or those that the text has."""
    assert subject.tokenization is not None
    return min(wanted.n_chunks, subject.tokenization.n_tokens // wanted.n_ctx)


def require_spill_space(subject: Subject, wanted: Wanted, folder: Path) -> None:
    """
    Nothing, if the disk of `folder` can take what the reference gives.

    Raises:
        FetchFailed: It cannot.
    """
    assert subject.tokenization is not None
    n_chunks = n_chunks_of(subject, wanted)
    n_bytes = spill_bytes(wanted.n_ctx, n_chunks, subject.tokenization.n_vocab)
    require_space(folder, n_bytes, f"keeping {n_chunks} chunks of the reference")


def score(
    subject: Subject,
    reference: Subject | None,
    wanted: Wanted,
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
        wanted: On which text, how much of it.
        machine: This one.
        spill_folder: Where the reference's log-probabilities go; None holds both models at once.
        on_event: Told what the worker tells.
    """
    assert subject.tokenization is not None
    assert subject.engine is not None
    started_at, started_ns = datetime.now(UTC).isoformat(timespec="seconds"), perf_counter_ns()
    n_chunks = n_chunks_of(subject, wanted)
    job = Job(
        model_path=str(subject.path),
        settings=wanted.settings,
        scoring=Scoring(
            text_path=str(wanted.text_path),
            reference_path=str(reference.path) if reference else None,
            n_ctx=wanted.n_ctx,
            n_chunks=n_chunks,
            spill_folder=str(spill_folder) if spill_folder else None,
        ),
        started_ns=started_ns,
        deadline_ns=started_ns + wanted.budget_ns,
    )
    report = _run(job, wanted.silence_ns, on_event)
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
        settings=wanted.settings,
        text=wanted.text.facts,
        tokenization=subject.tokenization,
        n_ctx=wanted.n_ctx,
        n_chunks_planned=n_chunks,
        is_spilled=spill_folder is not None,
        outcome=report.outcome,
        chunks=tuple(report.chunks),
    )


def _run(job: Job, silence_ns: int, on_event: Callable[[Event], None]) -> runner.Report:
    with tempfile.TemporaryDirectory(prefix="harness-quality-") as folder:
        log = Path(folder) / "quality.log"
        return runner.run_worker(job, log=log, on_event=on_event, silence_ns=silence_ns)
