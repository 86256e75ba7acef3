"""
Small models to measure a machine with: Llamas of random weights in many types and a few shapes.

Large against the last cache, small against the patience of whoever waits. What they say means
nothing, but numbers of a sane size go through every matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

from harness.models.tensor_types import TENSOR_TYPES, TensorType
from harness.models.transfer import written_whole

Blocks = np.ndarray[tuple[int, int], np.dtype[np.uint8]]

# Weights that fit into the last cache are not read from memory. At four times its size a quarter
# could lie there at most, and plain reads no longer gain from it (see mbu.py).
_CACHE_MULTIPLE = 5
# Where the cache's size is unknown: a GPU's or a Mac's, 48 to 128 MB, taken at the middle.
_UNKNOWN_CACHE_BYTES = 80 << 20
_MIN_BYTES = 160_000_000
_N_VOCAB = 4096
_HEAD_WIDTH = 128
# Rows are multiples of 256, the largest block.
_BLOCK = 256
_POOL_BYTES = 1 << 22

_BY_NAME = {kind.name: (number, kind) for number, kind in TENSOR_TYPES.items()}


@dataclass(frozen=True)
class CalibrationModel:
    """
    The shape of one model. `type_name` holds every matrix but `down_type` the last of each block;
    with experts, `n_ff` is the width of one.
    """

    name: str
    type_name: str
    n_layer: int
    n_embd: int
    n_ff: int
    down_type: str
    n_expert: int = 0
    n_expert_used: int = 0

    @property
    def n_head(self) -> int:
        """Heads of the query."""
        return self.n_embd // _HEAD_WIDTH

    @property
    def n_head_kv(self) -> int:
        """Heads of the cache: a quarter, as in most models of today."""
        return max(1, self.n_head // 4)

    @property
    def n_params(self) -> int:
        """Weights in its matrices."""
        return sum(rows * columns * n for _, columns, rows, n, _ in _matrices(self))

    @property
    def n_bytes(self) -> int:
        """Bytes of its matrices."""
        return sum(
            rows * columns // _kind(type_name).block_elements * _kind(type_name).block_bytes * n
            for _, columns, rows, n, type_name in _matrices(self)
        )


def calibration_models(last_level_cache_bytes: int | None) -> tuple[CalibrationModel, ...]:
    """
    What to measure, in order; every model is several times as large as the cache.

    One for each type that weights are published in, and for Q8_0 also one of many thin blocks, for
    the cost of a block, and the first one again at the end, for the drift of the machine. A blend
    of two types, as most files are, and a mixture of experts.
    """
    cache_bytes = last_level_cache_bytes or _UNKNOWN_CACHE_BYTES
    n_bytes = max(_MIN_BYTES, _CACHE_MULTIPLE * cache_bytes)
    types = [
        "Q4_K", "Q4_0", "Q6_K", "Q5_K", "F16", "MXFP4", "IQ4_XS", "IQ4_NL", "Q3_K", "Q2_K", "Q4_1",
        "Q5_0", "Q5_1", "IQ3_S", "BF16",
    ]  # fmt: skip
    return (
        _dense("Q8_0 wide", "Q8_0", n_bytes, n_layer=4, n_embd=2048),
        _dense("Q8_0 deep", "Q8_0", n_bytes, n_layer=40, n_embd=768),
        *(_dense(name, name, n_bytes, n_layer=5, n_embd=2048) for name in types),
        _dense("Q4_K and Q6_K", "Q4_K", n_bytes, n_layer=16, n_embd=1280, down_type="Q6_K"),
        _mixture("Q4_K experts", "Q4_K", n_bytes),
        _dense("Q8_0 again", "Q8_0", n_bytes, n_layer=4, n_embd=2048),
    )


def _dense(
    name: str, type_name: str, n_bytes: int, *, n_layer: int, n_embd: int, down_type: str = ""
) -> CalibrationModel:
    """Blocks as wide as it takes to come to `n_bytes`, not counting the head."""
    kind = _kind(type_name)
    n_params = n_bytes * kind.block_elements // kind.block_bytes // n_layer
    attention = n_embd * n_embd * 5 // 2
    n_ff = max(_BLOCK, round((n_params - attention) / (3 * n_embd) / _BLOCK) * _BLOCK)
    return CalibrationModel(name, type_name, n_layer, n_embd, n_ff, down_type or type_name)


def _mixture(name: str, type_name: str, n_bytes: int) -> CalibrationModel:
    """32 experts of which 4 run, as in gpt-oss-20b; what one token reads is above the cache."""
    n_expert, n_used, n_layer, n_embd = 32, 4, 4, 1024
    kind = _kind(type_name)
    n_params = 2 * n_bytes * kind.block_elements // kind.block_bytes // n_layer // n_expert
    n_ff = max(_BLOCK, round(n_params / (3 * n_embd) / _BLOCK) * _BLOCK)
    return CalibrationModel(name, type_name, n_layer, n_embd, n_ff, type_name, n_expert, n_used)


def write_calibration_model(model: CalibrationModel, path: Path) -> None:
    """
    The model as a GGUF at `path`, whole or not at all.

    Raises:
        OSError: The folder cannot be written, or the disk is full.
    """
    rng = np.random.default_rng(1)
    with written_whole(path) as part:
        writer = gguf.GGUFWriter(part, "llama")
        _add_metadata(writer, model)
        pools = {name: _random_blocks(name, rng) for name in {model.type_name, model.down_type}}
        for name, columns, rows, n, type_name in _matrices(model):
            number, _ = _BY_NAME[type_name]
            data = _tensor(pools[type_name], _kind(type_name), columns, rows * n)
            shape = (n, rows, data.shape[-1]) if n > 1 else data.shape
            writer.add_tensor(
                name, data.reshape(shape), raw_dtype=gguf.GGMLQuantizationType(number)
            )
        for name, values in _vectors(model, rng):
            writer.add_tensor(name, values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def _add_metadata(writer: gguf.GGUFWriter, model: CalibrationModel) -> None:
    writer.add_name(f"calibration {model.name}")
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_block_count(model.n_layer)
    writer.add_context_length(8192)
    writer.add_embedding_length(model.n_embd)
    writer.add_feed_forward_length(model.n_ff)
    writer.add_head_count(model.n_head)
    writer.add_head_count_kv(model.n_head_kv)
    writer.add_rope_dimension_count(_HEAD_WIDTH)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(_N_VOCAB)
    writer.add_tokenizer_model("no_vocab")
    if model.n_expert:
        writer.add_expert_count(model.n_expert)
        writer.add_expert_used_count(model.n_expert_used)


def _matrices(model: CalibrationModel) -> Iterator[tuple[str, int, int, int, str]]:
    """Name, columns, rows, how many of them, type."""
    usual, last, n_embd = model.type_name, model.down_type, model.n_embd
    n_kv = model.n_head_kv * _HEAD_WIDTH
    yield "token_embd.weight", n_embd, _N_VOCAB, 1, usual
    yield "output.weight", n_embd, _N_VOCAB, 1, usual
    suffix, n = ("_exps", model.n_expert) if model.n_expert else ("", 1)
    for layer in range(model.n_layer):
        block = f"blk.{layer}"
        yield f"{block}.attn_q.weight", n_embd, n_embd, 1, usual
        yield f"{block}.attn_k.weight", n_embd, n_kv, 1, usual
        yield f"{block}.attn_v.weight", n_embd, n_kv, 1, usual
        yield f"{block}.attn_output.weight", n_embd, n_embd, 1, usual
        yield f"{block}.ffn_gate{suffix}.weight", n_embd, model.n_ff, n, usual
        yield f"{block}.ffn_up{suffix}.weight", n_embd, model.n_ff, n, usual
        yield f"{block}.ffn_down{suffix}.weight", model.n_ff, n_embd, n, last


def _vectors(
    model: CalibrationModel, rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]]:
    ones = np.ones(model.n_embd, dtype=np.float32)
    yield "output_norm.weight", ones
    for layer in range(model.n_layer):
        yield f"blk.{layer}.attn_norm.weight", ones
        yield f"blk.{layer}.ffn_norm.weight", ones
        if model.n_expert:
            # Equal routers would send every token to the same experts.
            router = rng.standard_normal((model.n_expert, model.n_embd), dtype=np.float32)
            yield f"blk.{layer}.ffn_gate_inp.weight", router


def _kind(type_name: str) -> TensorType:
    return _BY_NAME[type_name][1]


def _tensor(pool: Blocks, kind: TensorType, columns: int, rows: int) -> Blocks:
    """Rows of blocks, the pool over and over; shape (rows, bytes of a row)."""
    n_blocks = columns * rows // kind.block_elements
    blocks = np.resize(pool, (n_blocks, kind.block_bytes))
    return blocks.reshape(rows, -1)


# Where in a block (ggml-common.h) the half-precision scale lies, where the offset that is
# subtracted or added, how many scales the offset is worth to bring the mean to zero, and the root
# mean square of what the scale multiplies, given random bits elsewhere.
_SCALES: dict[str, tuple[int, int | None, float, float]] = {
    "Q4_0": (0, None, 0, 4.6),
    "Q4_1": (0, 2, -7.5, 4.6),
    "Q5_0": (0, None, 0, 9.2),
    "Q5_1": (0, 2, -15.5, 9.2),
    "Q8_0": (0, None, 0, 73.6),
    "Q2_K": (80, 82, 1.5, 15),
    "Q3_K": (108, None, 0, 42),
    "Q4_K": (0, 2, 7.5, 200),
    "Q5_K": (0, 2, 15.5, 400),
    "Q6_K": (208, None, 0, 1360),
    "IQ4_NL": (0, None, 0, 69),
    "IQ4_XS": (0, None, 0, 1270),
    "IQ3_S": (0, None, 0, 150),
}


def _random_blocks(type_name: str, rng: np.random.Generator) -> Blocks:
    """A few megabytes of blocks whose values have a root mean square of about 1/40."""
    kind = _kind(type_name)
    n_blocks = _POOL_BYTES // kind.block_bytes
    if type_name in ("F16", "BF16"):
        values = rng.standard_normal(n_blocks * kind.block_elements, dtype=np.float32) / 40
        if type_name == "F16":
            raw = values.astype("<f2").view(np.uint8)
        else:
            raw = (values.view(np.uint32) >> 16).astype("<u2").view(np.uint8)
        return raw.reshape(n_blocks, kind.block_bytes)
    blocks = rng.integers(0, 256, (n_blocks, kind.block_bytes), dtype=np.uint8)
    if type_name == "MXFP4":
        # An exponent of 2: 127 stands for 1/2 times values of up to 12.
        blocks[:, 0] = 127 + round(math.log2(1 / 40 / 3))
        return blocks
    place, offset_place, n_scales, size = _SCALES[type_name]
    _put_half(blocks, place, 1 / 40 / size)
    if offset_place is not None:
        _put_half(blocks, offset_place, n_scales / 40 / size)
    return blocks


def _put_half(blocks: Blocks, place: int, value: float) -> None:
    blocks[:, place : place + 2] = np.array([value], dtype="<f2").view(np.uint8)
