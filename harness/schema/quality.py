"""
The types of a quality result: how a model scored a text, chunk by chunk. Facts only.

One document for each model (and reference) that was scored. Everything that is shown is derived
again from the sums of the chunks; see analysis/quality.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt

from harness.schema.experiment import Provenance
from harness.schema.machine import Machine
from harness.schema.model import ModelFile
from harness.schema.moment import Moment
from harness.schema.outcome import Outcome
from harness.schema.record import Record
from harness.schema.settings import Settings

QUALITY_SCHEMA = 1
# History of the quality document, newest first. When a field changes: raise the number, and let
# records/quality.py still read the older ones.
# 1 (2026-11): the first.


class TextFacts(Record):
    """The text that was scored: what it is called, and what identifies it."""

    name: str
    sha256: str
    n_bytes: PositiveInt


class Tokenization(Record):
    """
    What a text becomes in a model's vocabulary.

    `vocabulary_sha256` is that of all tokens' texts in their order, the kind of tokenizer and
    what begins a text; `tokens_sha256` that of the text's tokens, 4 bytes each, little-endian.
    """

    n_vocab: PositiveInt
    vocabulary_sha256: str
    adds_bos: bool
    n_tokens: NonNegativeInt
    tokens_sha256: str


class Divergence(Record):
    """
    One chunk of a model beside the same chunk of a reference.

    The sums run over the scored positions: the reference's negative log-likelihood of the text's
    own token (nats), its square, its product with the model's; the KL divergence of the
    model's distribution from the reference's (nats) and its square. `kld` are the divergences
    themselves, one a position, to six digits.
    """

    sum_nll: FiniteFloat
    sum_nll_squared: FiniteFloat
    sum_nll_product: FiniteFloat
    sum_kld: FiniteFloat
    sum_kld_squared: FiniteFloat
    n_same_top: NonNegativeInt
    kld: tuple[FiniteFloat, ...]


class ChunkScores(Record):
    """One chunk: the sum of the negative log-likelihoods (nats) of its scored positions."""

    index: NonNegativeInt
    n_scored: PositiveInt
    sum_nll: FiniteFloat
    sum_nll_squared: FiniteFloat
    reference: Divergence | None = None


class QualityRecord(Record):
    """
    One model scored on one text, with or without a reference beside it.

    `n_ctx` is the size of a chunk. `is_spilled`: both models did not fit into memory together, so
    the reference's log-probabilities went through a file in half precision. Chunks that were
    complete before a failure are kept; without one there may be fewer than `n_chunks_planned`
    when the time was spent.
    """

    schema_version: Annotated[int, Field(alias="schema")] = QUALITY_SCHEMA
    kind: Literal["quality"] = "quality"
    id: str
    started_at: Moment
    duration_ns: NonNegativeInt
    machine: Machine
    provenance: Provenance
    model: ModelFile
    reference: ModelFile | None = None
    settings: Settings
    text: TextFacts
    tokenization: Tokenization
    n_ctx: PositiveInt
    n_chunks_planned: PositiveInt
    is_spilled: bool = False
    outcome: Outcome
    chunks: tuple[ChunkScores, ...] = ()
