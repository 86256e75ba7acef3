"""Scoring models for `harness quality`: what is asked for, in which order, what comes of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from harness import units
from harness.errors import ExitCode, HarnessError, UsageError
from harness.machine.memory import available_memory_bytes
from harness.machine.probe import default_threads, probe_machine
from harness.measure.jobs import score as quality
from harness.measure.jobs.score import ScoreRequest, Subject
from harness.measure.jobs.score_sums import spill_bytes
from harness.measure.jobs.score_text import QualityText
from harness.measure.score_memory import fits_together, require_spill_space
from harness.models.catalog.catalog import Catalog
from harness.models.digest import cache_dir
from harness.models.local import local_models, model_file
from harness.records.quality import save_quality
from harness.report.progress.fetching import Fetching
from harness.report.progress.scoring import QualityProgress
from harness.schema.experiment import ModelFile
from harness.schema.machine import Machine
from harness.schema.quality import QualityRecord
from harness.schema.settings import Settings


@dataclass(frozen=True)
class Named:
    """A model of the command line, on this disk."""

    file: ModelFile
    path: Path


@dataclass(frozen=True)
class Files:
    """What is scored, and what it is set against."""

    models: tuple[Named, ...]
    reference: Named | None


@dataclass(frozen=True)
class QualityFailure:
    """A model that could not even be asked."""

    model: str
    message: str


@dataclass
class Session:
    """What is asked for, and what has come of it."""

    request: ScoreRequest
    machine: Machine
    results: Path
    console: Console
    is_spilling: bool
    kept: list[tuple[QualityRecord, Path]] = field(default_factory=list)
    failures: list[QualityFailure] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """What the command answers with."""
        outcomes = [record.outcome for record, _ in self.kept]
        if any(outcome.reason == "interrupted" for outcome in outcomes):
            return ExitCode.INTERRUPTED
        has_failed = any(outcome.status == "failed" for outcome in outcomes)
        return ExitCode.ERROR if has_failed or self.failures else ExitCode.DONE


def named_files(
    models: Sequence[str], reference: str | None, catalog: Catalog, n_ctx: int, console: Console
) -> Files:
    """
    The models that are named, fetched if need be.

    Raises:
        UsageError: Two of one name, or a chunk longer than what one was trained for.
        HarnessError: One cannot be found, fetched or read.
    """
    references = () if reference is None else (reference,)
    with Fetching(console) as fetching:
        # Together first: two files must not have the same name.
        described = {
            key: Named(model_file(local, fetching.report), local.path)
            for key, local in local_models([*models, *references], catalog, fetching.report).items()
        }
        own = [described[key] for key in local_models(models, catalog, fetching.report)]
        base = [described[key] for key in local_models(references, catalog, fetching.report)]
    for each in described.values():
        trained = each.file.n_ctx_train
        if trained and n_ctx > trained:
            raise UsageError(
                f"{each.file.key} was trained for {trained} positions; --ctx {n_ctx} is beyond "
                "them, take a smaller one"
            )
    return Files(tuple(own), base[0] if base else None)


def new_session(
    text: QualityText, folder: Path, given: Mapping[str, Any], results: Path, console: Console
) -> Session:
    """A session on `text`, of which a copy goes into `folder`."""
    machine = probe_machine()
    # A copy: what the workers read must be what the record names.
    text_path = folder / "text.txt"
    text_path.write_bytes(text.data)
    n_ctx = given["n_ctx"]
    request = ScoreRequest(
        text=text,
        text_path=text_path,
        n_ctx=n_ctx,
        n_chunks=given["n_chunks"],
        settings=Settings(
            n_threads=given["n_threads"] or default_threads(machine),
            n_batch=n_ctx,
            n_ubatch=n_ctx,
            n_ctx=n_ctx,
            n_gpu_layers=given["n_gpu_layers"],
            n_cpu_moe=given["n_cpu_moe"],
            load_mode=given["load_mode"],
        ),
        budget_ns=given["budget"],
        silence_ns=given["timeout"],
    )
    return Session(request, machine, results, console, given["is_spilling"])


def score_all(session: Session, files: Files) -> None:
    """
    Every model in a worker of its own; first it is found out what may be compared at all.

    Raises:
        NotComparable: A model has other tokens than the reference.
        UsageError: The text is too short for one chunk.
        HarnessError: The reference cannot be used, or there is no room to spill to.
        ResultsUnwritable: A record cannot be kept.
    """
    reference = _reference(session, files.reference) if files.reference else None
    subjects = []
    for each in files.models:
        subject = quality.tokenized(each.file, each.path, session.request.text_path)
        if subject.tokenization is None:
            message = subject.outcome.message or "the engine gave no reason"
            session.failures.append(QualityFailure(each.file.key, f"cannot be used: {message}"))
            continue
        if reference:
            quality.require_same_tokens(subject, reference)
        _require_length(subject, session.request)
        subjects.append(subject)
    for subject in subjects:
        record = _score(session, subject, reference)
        session.kept.append((record, save_quality(session.results, record)))
        if record.outcome.reason == "interrupted":
            return


def _reference(session: Session, named: Named) -> Subject:
    found = quality.tokenized(named.file, named.path, session.request.text_path)
    if found.tokenization is None:
        raise HarnessError(
            f"The reference {named.file.key} cannot be used: {found.outcome.message}; choose "
            "another one"
        )
    return found


def _require_length(subject: Subject, request: ScoreRequest) -> None:
    assert subject.tokenization is not None
    n_tokens = subject.tokenization.n_tokens
    if n_tokens < request.n_ctx:
        raise UsageError(
            f"{request.text.name} has {n_tokens} tokens for {subject.file.key} and one chunk takes "
            f"{request.n_ctx}; take a longer text, or a smaller --ctx"
        )


def _score(session: Session, subject: Subject, reference: Subject | None) -> QualityRecord:
    request = session.request
    n_chunks = quality.n_chunks_of(subject, request)
    folder = _spill_folder(session, subject, reference) if reference else None
    title = subject.file.key
    if reference:
        title += f" against {reference.file.key}"
    progress = QualityProgress(session.console, title, n_chunks)
    with progress.shown():
        record = quality.score(
            subject,
            reference,
            request,
            session.machine,
            spill_folder=folder,
            on_event=progress.event,
        )
    progress.finished(record)
    return record


def _spill_folder(session: Session, subject: Subject, reference: Subject) -> Path | None:
    """Where to spill, said and with its space checked; None where both models fit."""
    request = session.request
    free_bytes = available_memory_bytes()
    if session.is_spilling:
        why = "--spill"
    elif fits_together(subject, reference, request, session.machine, free_bytes):
        return None
    else:
        why = f"both do not fit into the {units.memory_size(free_bytes)} of memory that are free"
    assert subject.tokenization is not None
    folder = cache_dir()
    with contextlib.suppress(OSError):  # what stands in the way is told by the check below
        folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        raise HarnessError(f"{folder} cannot be made; set HARNESS_CACHE to another folder")
    require_spill_space(subject, request, folder)
    n_chunks = quality.n_chunks_of(subject, request)
    n_bytes = spill_bytes(request.n_ctx, n_chunks, subject.tokenization.n_vocab)
    session.console.print(
        f"{subject.file.key} and {reference.file.key} one after the other ({why}): "
        f"{units.file_size(n_bytes)} of the reference's probabilities go to {folder} in half "
        "precision meanwhile",
        soft_wrap=True,
    )
    return folder
