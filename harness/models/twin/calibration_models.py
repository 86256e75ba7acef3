"""
Small models to measure a machine with: Llamas of random weights in many types and a few shapes.

Large against the last cache, small against the patience of whoever waits. What they say means
nothing, but numbers of a sane size go through every matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.models.gguf.part import made_part
from harness.models.gguf.tensor_types import TYPES_BY_NAME
from harness.models.gguf.write import KeyValue, bare_keys, header_bytes
from harness.models.twin.stocks import stocks_for
from harness.models.twin.twin import write_twin

# Weights that fit into the last cache are not read from memory. At four times its size a quarter
# could lie there at most, and plain reads no longer gain from it (see analysis/bandwidth.py).
_CACHE_MULTIPLE = 5
# Where the cache's size is unknown: a GPU's or a Mac's, 48 to 128 MB, taken at the middle.
_UNKNOWN_CACHE_BYTES = 80 << 20
_MIN_BYTES = 160_000_000
# A GPU's kernels reach their speed with matrices as wide as those of large models, so its models
# are larger: this share of its memory, within these bounds.
_GPU_SHARE = 1 / 64
_GPU_LEAST_BYTES, _GPU_MOST_BYTES = 400_000_000, 1_000_000_000
_GPU_WIDE_BYTES = 800_000_000
_N_VOCAB = 4096
_HEAD_WIDTH = 128
_TYPES = (
    "Q4_K", "Q4_0", "Q6_K", "Q5_K", "F16", "MXFP4", "IQ4_XS", "IQ4_NL", "Q3_K", "Q2_K", "Q4_1",
    "Q5_0", "Q5_1", "IQ3_S", "BF16",
)  # fmt: skip
# The engine computes with these where the file's pages lie; most others it unpacks to memory of its
# own, or takes so long with that reading does not matter.
_READ_IN_PLACE = ("F16", "BF16")
# Rows are multiples of 256, the largest block.
_BLOCK = 256


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
            TYPES_BY_NAME[type_name].bytes_of((columns, rows, n))
            for _, columns, rows, n, type_name in _matrices(self)
        )


def calibration_models(last_level_cache_bytes: int | None) -> tuple[CalibrationModel, ...]:
    """
    What to measure, in order; every model is several times as large as the cache.

    One for each type that weights are published in, and the first one again at the end, for the
    drift of the machine. Three of many thin blocks, for the cost of a block and of a deep cache. A
    blend of two types, as most files are. Mixtures of experts of two types that are unpacked in
    different ways. The types that are read from the file's own pages as fast as memory allows come
    twice, each time as a new file: how its pages lay in memory was worth up to 38 % of F16's
    decoding speed, which cannot be known before.
    """
    cache_bytes = last_level_cache_bytes or _UNKNOWN_CACHE_BYTES
    n_bytes = max(_MIN_BYTES, _CACHE_MULTIPLE * cache_bytes)
    return (
        *_one_of_each_type(n_bytes, n_embd=2048, n_layer=5),
        _dense("Q4_K and Q6_K", "Q4_K", n_bytes, n_layer=16, n_embd=1280, down_type="Q6_K"),
        _dense("Q4_K deep", "Q4_K", n_bytes, n_layer=24, n_embd=1024),
        _dense("Q4_1 thin", "Q4_1", n_bytes, n_layer=40, n_embd=512),
        _mixture("Q4_K experts", "Q4_K", n_bytes),
        _mixture("MXFP4 experts", "MXFP4", n_bytes),
        *(
            _dense(f"{name} rewritten", name, n_bytes, n_layer=5, n_embd=2048)
            for name in _READ_IN_PLACE
        ),
        _dense("Q8_0 again", "Q8_0", n_bytes, n_layer=4, n_embd=2048),
    )


def gpu_calibration_models(gpu_memory_bytes: int | None) -> tuple[CalibrationModel, ...]:
    """
    The same for a GPU with so much memory.

    Starting a kernel takes as long there as a small matrix: a mixture with many blocks tells what
    those of its blocks cost, one with many experts what an expert costs that few tokens pick, and
    a model of next to nothing what a token costs without one.
    """
    share = int((gpu_memory_bytes or 0) * _GPU_SHARE)
    n_bytes = min(max(_GPU_LEAST_BYTES, share), _GPU_MOST_BYTES)
    wide = 4096 if n_bytes >= _GPU_WIDE_BYTES else 2048
    return (
        *_one_of_each_type(n_bytes, n_embd=wide, n_layer=None),
        _dense("Q4_K and Q6_K", "Q4_K", n_bytes, n_layer=16, n_embd=wide // 2, down_type="Q6_K"),
        _dense("Q4_K deep", "Q4_K", n_bytes, n_layer=24, n_embd=wide // 2),
        _mixture("Q4_K experts", "Q4_K", n_bytes, n_embd=wide // 2),
        _mixture("MXFP4 experts", "MXFP4", n_bytes, n_embd=wide // 2),
        _mixture("MXFP4 deep experts", "MXFP4", n_bytes, n_layer=24),
        _mixture("Q4_K many experts", "Q4_K", n_bytes, n_embd=wide // 2, n_expert=128),
        CalibrationModel("F16 tiny", "F16", 1, 256, 256, "F16"),
        _dense("Q8_0 again", "Q8_0", n_bytes, n_layer=4, n_embd=wide),
    )


def _one_of_each_type(n_bytes: int, n_embd: int, n_layer: int | None) -> Iterator[CalibrationModel]:
    """With `n_layer` None as many blocks as it takes to have the proportions of a large model."""
    yield _dense("Q8_0 wide", "Q8_0", n_bytes, n_layer=4, n_embd=n_embd)
    yield _dense("Q8_0 deep", "Q8_0", n_bytes, n_layer=40, n_embd=768)
    for name in _TYPES:
        n = n_layer or _n_usual_layers(name, n_bytes, n_embd)
        yield _dense(name, name, n_bytes, n_layer=n, n_embd=n_embd)


def _n_usual_layers(type_name: str, n_bytes: int, n_embd: int) -> int:
    # Attention takes 2.5 n_embd^2 weights, a feed-forward part of 3.5 times the width (Llama 3's)
    # 10.5 of them.
    kind = TYPES_BY_NAME[type_name]
    return max(4, round(n_bytes * kind.block_elements / kind.block_bytes / (13 * n_embd**2)))


def _dense(
    name: str, type_name: str, n_bytes: int, *, n_layer: int, n_embd: int, down_type: str = ""
) -> CalibrationModel:
    """Blocks as wide as it takes to come to `n_bytes`, not counting the head."""
    kind = TYPES_BY_NAME[type_name]
    n_params = n_bytes * kind.block_elements // kind.block_bytes // n_layer
    attention = n_embd * n_embd * 5 // 2
    n_ff = max(_BLOCK, round((n_params - attention) / (3 * n_embd) / _BLOCK) * _BLOCK)
    return CalibrationModel(name, type_name, n_layer, n_embd, n_ff, down_type or type_name)


def _mixture(
    name: str,
    type_name: str,
    n_bytes: int,
    *,
    n_layer: int = 4,
    n_embd: int = 1024,
    n_expert: int = 32,
) -> CalibrationModel:
    """
    4 experts run, of 32 as in gpt-oss-20b or of 128 as in the larger one; what one token reads
    of 32 is above the cache.
    """
    n_used = 4
    kind = TYPES_BY_NAME[type_name]
    n_params = 2 * n_bytes * kind.block_elements // kind.block_bytes // n_layer // n_expert
    n_ff = max(_BLOCK, round(n_params / (3 * n_embd) / _BLOCK) * _BLOCK)
    return CalibrationModel(name, type_name, n_layer, n_embd, n_ff, type_name, n_expert, n_used)


def write_calibration_model(model: CalibrationModel, path: Path) -> None:
    """
    The model as a GGUF at `path`, whole or not at all.

    Its weights are made as those of twins are, so that it is no faster than a real model.

    Raises:
        OSError: The folder cannot be written, or the disk is full.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    types: dict[str, str] = {}
    for name, columns, rows, n, type_name in _matrices(model):
        shapes[name] = (columns, rows, n) if n > 1 else (columns, rows)
        types[name] = type_name
    for name, shape in _vectors(model):
        shapes[name], types[name] = shape, "F32"
    keys = bare_keys("llama", f"calibration {model.name}") | _keys(model)
    data = header_bytes(keys, shapes, types)
    part = made_part(data, path.name)
    stocks = stocks_for([part], np.random.default_rng(1))
    write_twin(path, part, stocks, lambda _: None)


def _keys(model: CalibrationModel) -> dict[str, KeyValue]:
    keys: dict[str, KeyValue] = {
        "block_count": model.n_layer,
        "context_length": 8192,
        "embedding_length": model.n_embd,
        "feed_forward_length": model.n_ff,
        "attention.head_count": model.n_head,
        "attention.head_count_kv": model.n_head_kv,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": _HEAD_WIDTH,
        "vocab_size": _N_VOCAB,
    }
    if model.n_expert:
        keys |= {"expert_count": model.n_expert, "expert_used_count": model.n_expert_used}
    return {f"llama.{key}": value for key, value in keys.items()}


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


def _vectors(model: CalibrationModel) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of what stays in full precision."""
    yield "output_norm.weight", (model.n_embd,)
    for layer in range(model.n_layer):
        yield f"blk.{layer}.attn_norm.weight", (model.n_embd,)
        yield f"blk.{layer}.ffn_norm.weight", (model.n_embd,)
        if model.n_expert:
            yield f"blk.{layer}.ffn_gate_inp.weight", (model.n_embd, model.n_expert)
