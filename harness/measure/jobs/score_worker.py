"""
Scoring a text in the worker: one model alone, two side by side, or one after the other.

Two models are streamed chunk by chunk and no logits are kept. Where both do not fit into memory
at once, the reference's log-probabilities go through a file that has no name: it is gone with
this process, however that ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import IO

from harness.engine.context import Context
from harness.engine.failure import EngineFailed
from harness.engine.library import Engine
from harness.engine.model import load_model
from harness.engine.vocabulary import Vocabulary, vocabulary_alone
from harness.files import cannot
from harness.measure.jobs.score import (
    ChunkEvent,
    ScoreJob,
    SpilledEvent,
    TokenizedEvent,
    TokenizeJob,
)
from harness.measure.jobs.score_sums import (
    Chunks,
    Reference,
    Rows,
    is_finite,
    score_chunk,
    spill,
    spilled,
)
from harness.measure.protocol import Send
from harness.schema.quality import Tokenization

# However little time there is: below two chunks there is no interval.
_LEAST_CHUNKS = 2


def tokenize_job(engine: Engine, job: TokenizeJob, send: Send) -> None:
    """
    What the text of `job` becomes in the model's vocabulary.

    Raises:
        EngineFailed: Damaged file, unknown architecture, no tokenizer.
    """
    text = _text(job.text_path)
    with vocabulary_alone(engine, job.model_path) as vocabulary:
        tokens = vocabulary.tokens_of(text)
        told = Tokenization(
            n_vocab=vocabulary.n_tokens,
            vocabulary_sha256=vocabulary.sha256(),
            adds_bos=vocabulary.bos is not None,
            n_tokens=len(tokens),
            tokens_sha256=hashlib.sha256(tokens.astype("<i4").tobytes()).hexdigest(),
        )
    send(TokenizedEvent(tokenization=told))


def score_job(engine: Engine, job: ScoreJob, send: Send) -> None:
    """
    The chunks that `job` asks for, each sent as soon as it is complete.

    Raises:
        EngineFailed: A model cannot be loaded, or gives logits that are no numbers; or the disk
            does not take what has to be spilled.
    """
    if job.reference_path is None:
        with _side(engine, job.model_path, "the model", job) as side:
            for index in _indices(job, side.chunks.n):
                _send_scores(send, side, index, None)
    elif job.spill_folder is None:
        with (
            _side(engine, job.reference_path, "the reference", job) as base,
            _side(engine, job.model_path, "the model", job) as side,
        ):
            for index in _indices(job, side.chunks.n):
                _send_scores(send, side, index, Reference(base.logits(index)))
    else:
        _score_by_way_of_disk(engine, job, send)


def _score_by_way_of_disk(engine: Engine, job: ScoreJob, send: Send) -> None:
    assert job.reference_path is not None
    with _nameless_file(job.spill_folder) as file:
        n_spilled = 0
        with _side(engine, job.reference_path, "the reference", job) as base:
            # Half of the time is the other model's.
            for index in _indices(job, base.chunks.n, share=0.5):
                with _disk_errors(job.spill_folder):
                    spill(file, base.logits(index), base.chunks.targets(index))
                n_spilled += 1
                send(SpilledEvent(index=index))
        with _disk_errors(job.spill_folder):
            file.seek(0)
        with _side(engine, job.model_path, "the model", job) as side:
            for index in _indices(job, n_spilled):
                with _disk_errors(job.spill_folder):
                    base_chunk = spilled(file, len(side.chunks.scored), side.n_vocab)
                _send_scores(send, side, index, base_chunk)


@dataclass(frozen=True)
class _Side:
    """A loaded model with a context for one chunk."""

    name: str
    context: Context
    chunks: Chunks
    n_vocab: int

    def logits(self, index: int) -> Rows:
        """The logits of a chunk's scored positions; overwritten by the next call."""
        chunks = self.chunks
        rows = self.context.logits(chunks.decoded(index), chunks.scored, self.n_vocab)
        if not is_finite(rows):
            raise EngineFailed(
                "decode-failed",
                f"{self.name} gave logits that are no numbers (NaN or infinite) in chunk "
                f"{index + 1}: its weights are damaged, or this engine computes them wrongly",
            )
        return rows


@contextlib.contextmanager
def _side(engine: Engine, path: str, name: str, job: ScoreJob) -> Iterator[_Side]:
    n_ctx = job.n_ctx
    model = load_model(engine, path, job.settings)
    try:
        vocabulary: Vocabulary = model.vocabulary()
        tokens = vocabulary.tokens_of(_text(job.text_path))
        with model.context(n_ctx) as context:
            chunks = Chunks(tokens, n_ctx, vocabulary.bos)
            yield _Side(name, context, chunks, vocabulary.n_tokens)
    finally:
        model.close()


def _indices(job: ScoreJob, n_there: int, share: float = 1.0) -> Iterator[int]:
    """The chunks to do, until there are enough, or that share of the time left is spent."""
    now = perf_counter_ns()
    until_ns = now + (job.deadline_ns - now) * share
    for index in range(min(job.n_chunks, n_there)):
        if index >= _LEAST_CHUNKS and perf_counter_ns() > until_ns:
            return
        yield index


def _send_scores(send: Send, side: _Side, index: int, reference: Reference | None) -> None:
    scores = score_chunk(index, side.logits(index), side.chunks.targets(index), reference)
    send(ChunkEvent(chunk=scores))


def _text(path: str) -> bytes:
    # As llama-perplexity reads a file: without the line break at its end.
    return Path(path).read_bytes().removesuffix(b"\n")


@contextlib.contextmanager
def _nameless_file(folder: str | None) -> Iterator[IO[bytes]]:
    with _disk_errors(folder):
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed below
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):  # closing writes what is left, which nobody needs
            file.close()


@contextlib.contextmanager
def _disk_errors(folder: str | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = "make room, or set HARNESS_CACHE to another folder"
        message = cannot(f"kept in {folder}", "what the reference gave", error, advice)
        raise EngineFailed("worker-error", message) from error
