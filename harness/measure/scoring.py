"""
From a text and models to how well they predict it: what `quality` and `frontier` share.

First it is found out what may be compared at all; then each model is scored in a worker of its
own, and its record kept before the next begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness import interrupts, scratch
from harness.errors import ExitCode, HarnessError, NotComparable, UsageError
from harness.machine.probe import default_threads, probe_machine
from harness.measure import runner
from harness.measure.jobs.score import ScoreSetup, Subject, n_chunks_of, score, tokenized
from harness.measure.jobs.score_text import QualityText
from harness.measure.protocol import Event
from harness.measure.score_memory import spill_place
from harness.models.model import Model
from harness.records.quality import save_quality
from harness.schema.machine import Machine
from harness.schema.quality import QualityRecord
from harness.schema.settings import Settings


@dataclass(frozen=True)
class ScoreRequest:
    """
    What the user asked to be scored, how much of it, and where it is to be kept.

    At most `n_chunks` chunks of `n_ctx` tokens, for at most `budget_ns` a model. `settings` are
    values of the fields of Settings; what is left out is as the machine or llama-bench has it. With
    `is_spilling` one model is held at a time, wherever both would fit.
    """

    text: QualityText
    n_ctx: int
    n_chunks: int
    budget_ns: int
    results: Path
    settings: Mapping[str, object]
    silence_ns: int = runner.SILENCE_NS
    is_spilling: bool = False


class ScoreObserver(Protocol):
    """Told what happens, while no worker computes."""

    def tell(self, message: str) -> None:
        """Something that the user should know before it is waited for."""

    def shown(self, title: str, n_chunks: int) -> AbstractContextManager[None]:
        """In force for as long as one model is scored."""

    def event(self, event: Event) -> None:
        """The worker told something, and waits."""

    def finished(self, record: QualityRecord) -> None:
        """A model is scored."""


@dataclass(frozen=True)
class ScoreFailure:
    """A model that could not even be asked."""

    model: str
    message: str


@dataclass(frozen=True)
class Scored:
    """What came of it: the records, each with where it is kept, and the models without one."""

    text: QualityText
    kept: tuple[tuple[QualityRecord, Path], ...]
    failures: tuple[ScoreFailure, ...]

    @property
    def exit_code(self) -> int:
        """What the command answers with."""
        outcomes = [record.outcome for record, _ in self.kept]
        if any(outcome.reason == "interrupted" for outcome in outcomes):
            return ExitCode.INTERRUPTED
        has_failed = any(outcome.status == "failed" for outcome in outcomes)
        return ExitCode.ERROR if has_failed or self.failures else ExitCode.DONE


def score_models(
    request: ScoreRequest,
    models: Sequence[Model],
    reference: Model | None,
    observer: ScoreObserver,
) -> Scored:
    """
    Scores and stores. The machine should be held meanwhile (lock.py).

    Raises:
        NotComparable: A model has other tokens than the reference.
        UsageError: The text is too short for one chunk.
        HarnessError: The reference cannot be used, or there is no space to spill to.
        ResultsUnwritable: A record cannot be kept.
    """
    machine = probe_machine()
    with scratch.own_folder("harness-text") as folder:
        # A copy: what the workers read must be what the record names.
        text_path = folder / "text.txt"
        text_path.write_bytes(request.text.data)
        scoring = _Scoring(request, _setup(request, text_path, machine), machine, observer)
        base = _reference(reference, text_path) if reference else None
        subjects: list[Subject] = []
        failures: list[ScoreFailure] = []
        for each in models:
            subject = tokenized(each.file, each.weights, text_path)
            if subject.tokenization is None:
                failures.append(_failure(subject))
                continue
            if base:
                require_same_tokens(subject, base)
            _require_length(subject, request)
            subjects.append(subject)
        kept = tuple(
            # What was removed meanwhile is in memory still.
            (record, path if path.is_file() else save_quality(request.results, record))
            for record, path in tuple(scoring.kept(subjects, base))
        )
    return Scored(request.text, kept, tuple(failures))


def _setup(request: ScoreRequest, text_path: Path, machine: Machine) -> ScoreSetup:
    n_ctx = request.n_ctx
    defaults = {"n_threads": default_threads(machine)}
    of_chunks = {"n_batch": n_ctx, "n_ubatch": n_ctx, "n_ctx": n_ctx}
    return ScoreSetup(
        text=request.text,
        text_path=text_path,
        n_ctx=n_ctx,
        n_chunks=request.n_chunks,
        settings=Settings.model_validate({**defaults, **request.settings, **of_chunks}),
        budget_ns=request.budget_ns,
        silence_ns=request.silence_ns,
    )


def _reference(reference: Model, text_path: Path) -> Subject:
    found = tokenized(reference.file, reference.weights, text_path)
    if found.tokenization is None:
        raise HarnessError(
            f"The reference {reference.key} cannot be used: {found.outcome.message}; choose "
            "another one"
        )
    return found


def _failure(subject: Subject) -> ScoreFailure:
    message = subject.outcome.message or "the engine gave no reason"
    return ScoreFailure(subject.file.key, f"cannot be used: {message}")


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


def _require_length(subject: Subject, request: ScoreRequest) -> None:
    assert subject.tokenization is not None
    n_tokens = subject.tokenization.n_tokens
    if n_tokens < request.n_ctx:
        raise UsageError(
            f"{request.text.name} has {n_tokens} tokens for {subject.file.key} and one chunk takes "
            f"{request.n_ctx}; take a longer text, or a smaller --ctx"
        )


@dataclass(frozen=True)
class _Scoring:
    request: ScoreRequest
    setup: ScoreSetup
    machine: Machine
    observer: ScoreObserver

    def kept(
        self, subjects: Sequence[Subject], reference: Subject | None
    ) -> Iterable[tuple[QualityRecord, Path]]:
        """
        Every record and where it is, until all are there or the user has enough.

        Raises:
            KeyboardInterrupt: He had before a model was begun; what is complete is kept.
        """
        with interrupts.held():
            for subject in subjects:
                interrupts.check()
                record = self._score(subject, reference)
                yield record, save_quality(self.request.results, record)
                if record.outcome.reason == "interrupted":
                    return

    def _score(self, subject: Subject, reference: Subject | None) -> QualityRecord:
        folder, title = None, subject.file.key
        if reference:
            title += f" against {reference.file.key}"
            place = spill_place(
                subject,
                reference,
                self.setup,
                self.machine,
                is_forced=self.request.is_spilling,
            )
            if place:
                folder = place.folder
                self.observer.tell(place.sentence)
        with self.observer.shown(title, n_chunks_of(subject, self.setup)):
            record = score(
                subject,
                reference,
                self.setup,
                self.machine,
                spill_folder=folder,
                on_event=self.observer.event,
            )
        self.observer.finished(record)
        return record
