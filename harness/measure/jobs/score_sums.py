"""
From logits to the sums of a chunk, by llama-perplexity's definitions, in double precision.

A text is cut into chunks of n_ctx tokens, the first of each replaced by BOS where the model wants
one. Positions n_ctx/2 to n_ctx - 2 are scored: each has at least half a chunk before it, and the
token after it is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from harness.schema.quality import ChunkScores, Divergence

Rows = NDArray[np.float32] | NDArray[np.float16]
Doubles = NDArray[np.float64]
Tokens = NDArray[np.int32]

# Logits that are turned into doubles at a time: the four arrays that are alive stay in the cache,
# which made a chunk of 49,152 x 255 take 70 ms instead of the 175 of ten times as many.
_BLOCK = 200_000
# The lowest half-precision number; a token this unlikely adds nothing to any sum.
_LOWEST = float(np.finfo(np.float16).min)


@dataclass(frozen=True)
class Chunks:
    """A text's tokens in chunks of `n_ctx`; what is left over at its end is not scored."""

    tokens: Tokens
    n_ctx: int
    bos: int | None

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.tokens) // self.n_ctx

    @property
    def scored(self) -> range:
        """The positions in a chunk that are scored."""
        return range(self.n_ctx // 2, self.n_ctx - 1)

    def decoded(self, index: int) -> Tokens:
        """The tokens that go into the model."""
        chunk = self._chunk(index).copy()
        if self.bos is not None:
            chunk[0] = self.bos
        return chunk

    def targets(self, index: int) -> Tokens:
        """The token after each scored position."""
        return self._chunk(index)[self.scored.start + 1 : self.scored.stop + 1]

    def _chunk(self, index: int) -> Tokens:
        return self.tokens[index * self.n_ctx : (index + 1) * self.n_ctx]


@dataclass(frozen=True)
class Reference:
    """
    What the reference gave for a chunk: a row of the vocabulary's length for each scored position.

    `rows` are logits, or log-probabilities in half precision. Those say too little of the single
    token, so what was read off before they were rounded comes along: `nll` of the text's own
    token, and the likeliest token, `top`.
    """

    rows: Rows
    nll: Doubles | None = None
    top: NDArray[np.int64] | None = None


def log_softmax(rows: Rows) -> Doubles:
    """
    The logarithms of the probabilities; rows of log-probabilities sum to 1 again afterwards.

    So rounding to half precision changes a KL divergence only in proportion to its own size, and
    not by the rounding errors of the log-probabilities themselves.
    """
    exact = rows.astype(np.float64)
    exact -= exact.max(axis=1, keepdims=True)
    exact -= np.log(np.exp(exact).sum(axis=1, keepdims=True))
    return exact


def is_finite(rows: Rows) -> bool:
    """Whether all logits are numbers: neither NaN nor infinite."""
    return bool(np.isfinite(rows).all())


def score_chunk(
    index: int, logits: Rows, targets: Tokens, reference: Reference | None = None
) -> ChunkScores:
    """
    The sums of one chunk.

    Args:
        index: Of the chunk, from 0.
        logits: The model's; shape (n_scored, n_vocab).
        targets: The text's own token after each scored position; shape (n_scored,).
        reference: What the reference gave for the same positions.
    """
    n = len(targets)
    nll, base_nll, kld = np.empty(n), np.empty(n), np.empty(n)
    n_same_top = 0
    for block in _blocks(logits):
        rows = np.arange(len(targets[block]))
        own = log_softmax(logits[block])
        nll[block] = -own[rows, targets[block]]
        if reference is None:
            continue
        base = log_softmax(reference.rows[block])
        base_nll[block], top = -base[rows, targets[block]], base.argmax(axis=1)
        if reference.nll is not None and reference.top is not None:
            base_nll[block], top = reference.nll[block], reference.top[block]
        n_same_top += int((own.argmax(axis=1) == top).sum())
        kld[block] = (np.exp(base) * (base - own)).sum(axis=1)
    divergence = None
    if reference is not None:
        divergence = Divergence(
            sum_nll=float(base_nll.sum()),
            sum_nll_squared=float((base_nll**2).sum()),
            sum_nll_product=float((nll * base_nll).sum()),
            sum_kld=float(kld.sum()),
            sum_kld_squared=float((kld**2).sum()),
            n_same_top=n_same_top,
            kld=tuple(float(f"{value:.6g}") for value in kld),
        )
    return ChunkScores(
        index=index,
        n_scored=n,
        sum_nll=float(nll.sum()),
        sum_nll_squared=float((nll**2).sum()),
        reference=divergence,
    )


def spill_bytes(n_ctx: int, n_chunks: int, n_vocab: int) -> int:
    """What so many chunks of a reference take on the disk."""
    n_scored = n_ctx - 1 - n_ctx // 2
    return n_chunks * n_scored * (2 * n_vocab + 16)


def spill(file: IO[bytes], logits: Rows, targets: Tokens) -> None:
    """
    Appends a chunk of the reference to `file`: 2 bytes for each logit, 16 for each position.

    Raises:
        OSError: The disk is full.
    """
    n = len(targets)
    nll, top = np.empty(n), np.empty(n, dtype=np.int64)
    halves = np.empty(logits.shape, dtype=np.float16)
    for block in _blocks(logits):
        exact = log_softmax(logits[block])
        nll[block] = -exact[np.arange(len(exact)), targets[block]]
        top[block] = exact.argmax(axis=1)
        halves[block] = np.maximum(exact, _LOWEST)
    for array in (nll, top, halves):
        file.write(array.data)


def spilled(file: IO[bytes], n_scored: int, n_vocab: int) -> Reference:
    """
    The next chunk of `file`, as `spill` wrote it.

    Raises:
        OSError: It cannot be read, or ends too early.
    """
    nll, top = np.empty(n_scored), np.empty(n_scored, dtype=np.int64)
    halves = np.empty((n_scored, n_vocab), dtype=np.float16)
    for array in (nll, top, halves):
        data = file.read(array.nbytes)
        if len(data) != array.nbytes:
            raise OSError("the file ends too early")
        array.reshape(-1)[:] = np.frombuffer(data, dtype=array.dtype)
    return Reference(halves, nll, top)


def _blocks(rows: Rows) -> list[slice]:
    """Rows to be worked on together, so that the doubles stay few."""
    step = max(1, _BLOCK // max(1, rows.shape[1]))
    return [slice(start, min(start + step, len(rows))) for start in range(0, len(rows), step)]
