"""
Random weights in the engine's storage formats: valid blocks of any bits, with scales that keep
what is computed with them finite.

Layouts are the block structs of ggml-common.h. In most of them every bit pattern is a valid
weight; only the scales need care.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.errors import ModelInvalid
from harness.models.gguf.tensor_types import TYPES_BY_NAME

Bytes = NDArray[np.uint8]
_Finish = Callable[[Bytes, float, Generator], None]

# Root mean square of all weights: that of trained models (Llama 3.1 8B: 0.01 to 0.03). A product
# with a normalised input of 600 to 20,000 elements then is 0.5 to 3 times as large as the input.
WEIGHT_RMS = 0.02
# Of embeddings: as large as what the layers add to them. With much smaller ones all tokens look
# alike after the first layers.
EMBEDDING_RMS = 1.0
# Of a mixture's: far larger, or what tokens have in common (biases, the mean of an activation)
# would grow from layer to layer until routers go by it: with 1.0 four of gpt-oss-20b's 32 experts
# got 60 % of all choices in its deep layers, with this 16 % as in its first one. Layers see it
# through their norms, so nothing else changes; but a table that is the output head too would
# make scores of it.
ROUTED_EMBEDDING_RMS = 64.0
# Deviation of the logarithm of the scales, and of the minima beside them. On x86 the engine
# turns half-precision scales into numbers by a table of 256 KiB: with one scale for all blocks a
# twin of SmolLM2 Q4_1 decoded 1.2 to 1.5 times as fast as the model, whose scales have these
# deviations (0.25 within a tensor, 0.30 over all; minima 0.18 of -7.5 scales).
_SCALE_SPREAD = 0.3
_MINIMUM_SPREAD = 0.18


def _scale_at(offset: int, unit_rms: float) -> _Finish:
    """
    One half-precision scale in bytes `offset` and `offset + 1` of each block.

    `unit_rms` is the root mean square of a weight from random bits under a scale of 1.
    """

    def write(blocks: Bytes, rms: float, rng: Generator) -> None:
        blocks[:, offset : offset + 2] = _halves(_spread(len(blocks), rms / unit_rms, rng))

    return write


def _scale_and_minimum(offset: int, unit_rms: float, minimum: float) -> _Finish:
    """A scale, and behind it what is added (`minimum` times as much) to have a mean of zero."""

    def write(blocks: Bytes, rms: float, rng: Generator) -> None:
        scales = _spread(len(blocks), rms / unit_rms, rng)
        shifts = 1 + _MINIMUM_SPREAD * rng.standard_normal(len(blocks))
        blocks[:, offset : offset + 2] = _halves(scales)
        blocks[:, offset + 2 : offset + 4] = _halves(scales * minimum * shifts)

    return write


def _spread(n: int, middle: float, rng: Generator) -> NDArray[np.float64]:
    """`n` scales around `middle`, whose root mean square is `middle`."""
    return middle * np.exp(_SCALE_SPREAD * rng.standard_normal(n) - _SCALE_SPREAD**2)


def _halves(numbers: NDArray[np.float64]) -> Bytes:
    """Half-precision bytes; shape (n, 2)."""
    return numbers.astype("<f2").view(np.uint8).reshape(-1, 2)


def _iq1_m(blocks: Bytes, rms: float, rng: Generator) -> None:
    # The scale's four hexadecimal digits are the upper ones of four 16-bit words of block scales.
    scales = _halves(_spread(len(blocks), rms / _RMS["IQ1_M"], rng)).view("<u2").ravel()
    for word in range(4):
        place = 48 + 2 * word + 1
        digits = (scales >> (4 * word)) & 0xF
        blocks[:, place] = (blocks[:, place] & 0x0F) | (digits << 4)


def _tq2_0(blocks: Bytes, rms: float, rng: Generator) -> None:
    # Two bits a weight, of which a quantizer never writes 3: it becomes 1.
    weights = blocks[:, :64]
    weights ^= (weights & (weights >> 1) & 0x55) << 1
    _scale_at(64, _RMS["TQ2_0"])(blocks, rms, rng)


def _mxfp4(blocks: Bytes, rms: float, _: Generator) -> None:
    # Powers of two, 2^(e - 128), times a table of 0 to 12: two neighbours come to `rms` together.
    middle = 128 + math.floor(math.log2(rms / _FP4_RMS))
    blocks[:, 0] = middle + blocks[:, 0] % 2


def _nvfp4(blocks: Bytes, rms: float, _: Generator) -> None:
    # Four scales of (1 + m/8) * 2^(e - 8), or m * 2^-10 where e is 0, times the same table.
    scale = rms / _FP4_RMS
    exponent = max(0, math.floor(math.log2(scale)) + 8)
    least = round(scale * 1024 / 1.5) if exponent == 0 else exponent << 3
    blocks[:, :4] = least + blocks[:, :4] % 4


# Of the table of MXFP4 and NVFP4: 0, 1, 2, 3, 4, 6, 8, 12 with either sign.
_FP4_RMS = 5.85
# Root mean square of a weight of random bits under a scale of 1, from the formats' definitions;
# a test measures them.
_RMS = {
    "Q4_0": 4.64, "Q4_1": 4.61, "Q5_0": 9.25, "Q5_1": 9.23, "Q8_0": 73.9,
    "Q2_K": 14.0, "Q3_K": 42.4, "Q4_K": 260.0, "Q5_K": 530.0, "Q6_K": 1367.0,
    "IQ2_XXS": 53.0, "IQ2_XS": 56.0, "IQ2_S": 56.0, "IQ3_XXS": 143.0, "IQ3_S": 140.0,
    "IQ1_S": 7.2, "IQ1_M": 7.2, "IQ4_NL": 68.0, "IQ4_XS": 1260.0,
    "TQ1_0": 0.8, "TQ2_0": 0.71, "Q1_0": 1.0, "Q2_0": 1.2,
}  # fmt: skip

_FINISH: dict[str, _Finish] = {
    **{
        name: _scale_at(0, _RMS[name])
        for name in (
            "Q4_0", "Q5_0", "Q8_0", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ1_S",
            "IQ4_NL", "IQ4_XS", "Q1_0", "Q2_0",
        )
    },
    "Q4_1": _scale_and_minimum(0, _RMS["Q4_1"], -7.5),
    "Q5_1": _scale_and_minimum(0, _RMS["Q5_1"], -15.5),
    "Q2_K": _scale_and_minimum(80, _RMS["Q2_K"], 1.5),
    "Q3_K": _scale_at(108, _RMS["Q3_K"]),
    "Q4_K": _scale_and_minimum(0, _RMS["Q4_K"], 7.5),
    "Q5_K": _scale_and_minimum(0, _RMS["Q5_K"], 15.5),
    "Q6_K": _scale_at(208, _RMS["Q6_K"]),
    "IQ1_M": _iq1_m,
    "TQ1_0": _scale_at(52, _RMS["TQ1_0"]),
    "TQ2_0": _tq2_0,
    "MXFP4": _mxfp4,
    "NVFP4": _nvfp4,
}  # fmt: skip


def random_blocks(type_name: str, n_blocks: int, rng: Generator, rms: float = WEIGHT_RMS) -> Bytes:
    """
    Blocks of `type_name` with random weights; shape (n_blocks, bytes of a block).

    `rms` is about the root mean square of them.

    Raises:
        ModelInvalid: The engine stores no weights in that type.
    """
    kind = TYPES_BY_NAME[type_name]
    if type_name.startswith("I") and type_name[1:].isdigit():
        # Tables of indices: any number but zero could point outside.
        return np.zeros((n_blocks, kind.block_bytes), dtype=np.uint8)
    if kind.block_elements == 1:
        numbers = rng.standard_normal(n_blocks, dtype=np.float32) * np.float32(rms)
        return stored(numbers, type_name).reshape(n_blocks, kind.block_bytes)
    finish = _FINISH.get(type_name)
    if finish is None:
        raise ModelInvalid(f"weights in {type_name} cannot be made up; rehearse another variant")
    bits = np.frombuffer(rng.bytes(n_blocks * kind.block_bytes), dtype=np.uint8)
    blocks = bits.reshape(n_blocks, kind.block_bytes).copy()
    finish(blocks, rms, rng)
    return blocks


def stored(numbers: NDArray[np.float32], type_name: str) -> Bytes:
    """The bytes of `numbers` in one of the types that are no blocks: F32, F16, BF16, F64."""
    if type_name == "BF16":
        return np.ascontiguousarray(numbers.view("<u4") >> 16).astype("<u2").view(np.uint8)
    formats = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}
    return numbers.astype(formats[type_name]).view(np.uint8)
