"""Chunks, records and small models for the tests of quality."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from harness.measure.jobs.score_sums import Reference, score_chunk
from harness.schema.machine import Machine
from harness.schema.model import ModelFile
from harness.schema.outcome import Outcome
from harness.schema.quality import ChunkScores, QualityRecord, TextFacts, Tokenization
from harness.schema.settings import Settings
from make.records import make_experiment

TEXT = (
    "The bees of my neighbour live on the roof. Each Saturday she lifts the frames, one after "
    "the other, and counts: brood, honey, and whether the queen is there. In May half of them "
    "left with the old queen and hung in the cherry tree across the street; a box and a brush "
    "brought them home.\n"
)
Logits = NDArray[np.float32]


def make_chunks(
    rng: np.random.Generator,
    n_chunks: int = 4,
    n_scored: int = 31,
    n_vocab: int = 17,
    noise: float = 0.3,
) -> tuple[list[ChunkScores], list[tuple[Logits, Logits, NDArray[np.int32]]]]:
    """Chunks of a model that differs by `noise` from its reference, and what they were made of."""
    chunks, made = [], []
    for index in range(n_chunks):
        base = rng.normal(0, 3, (n_scored, n_vocab)).astype(np.float32)
        own = base + rng.normal(0, noise, base.shape).astype(np.float32)
        targets = rng.integers(0, n_vocab, n_scored).astype(np.int32)
        chunks.append(score_chunk(index, own, targets, Reference(base)))
        made.append((own, base, targets))
    return chunks, made


def make_record(
    chunks: Sequence[ChunkScores],
    *,
    model: str = "a.gguf",
    reference: str | None = "b.gguf",
    outcome: Outcome | None = None,
    started_at: str = "2026-11-24T01:00:00+00:00",
    identity: str = "0123abcd",
    text: str = "t" * 64,
) -> QualityRecord:
    experiment = make_experiment()
    assert isinstance(experiment.machine, Machine)
    file = experiment.plan.models[0]
    assert isinstance(file, ModelFile)
    return QualityRecord(
        id=identity,
        started_at=started_at,
        duration_ns=1,
        machine=experiment.machine,
        provenance=experiment.provenance,
        model=_named(file, model),
        reference=_named(file, reference) if reference else None,
        settings=Settings(n_threads=1),
        text=TextFacts(name="bees.txt", sha256=text, n_bytes=300),
        tokenization=Tokenization(
            n_vocab=17,
            vocabulary_sha256="v" * 64,
            adds_bos=True,
            n_tokens=300,
            tokens_sha256="k" * 64,
        ),
        n_ctx=64,
        n_chunks_planned=len(chunks) or 4,
        outcome=outcome or Outcome(status="ok"),
        chunks=tuple(chunks),
    )


def _named(file: ModelFile, name: str) -> ModelFile:
    return file.model_copy(update={"key": name, "file_name": name, "sha256": name * 4})


def perturbed(source: Path, target: Path, mask: int = 0x0F) -> Path:
    """A copy of a Q8_0 model whose layers have other low bits: as if it were quantized coarser."""
    shutil.copy(source, target)
    reader = gguf.GGUFReader(target, "r+")
    for tensor in reader.tensors:
        if tensor.name.startswith("blk.") and tensor.data.dtype == np.uint8:
            blocks = tensor.data.reshape(-1, 34)
            blocks[:, 2:] &= np.uint8(0xFF ^ mask)
    reader.data.flush()
    return target


def without_numbers(source: Path, target: Path) -> Path:
    """A copy of a model whose last norm is NaN, and so all that comes out of it."""
    shutil.copy(source, target)
    reader = gguf.GGUFReader(target, "r+")
    (norm,) = (tensor for tensor in reader.tensors if tensor.name == "output_norm.weight")
    norm.data[:] = np.nan
    reader.data.flush()
    return target


def other_vocabulary(source: Path, target: Path) -> Path:
    """A copy of tiny-random in which one token is called something else."""
    data = source.read_bytes()
    assert data.count(b"</s>") == 1
    target.write_bytes(data.replace(b"</s>", b"</e>"))
    return target
