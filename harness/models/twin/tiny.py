"""
A model of about a megabyte that the harness writes itself: for smoke tests, offline, anywhere.

Its weights are random, so what it says means nothing, but it is a complete Llama: text goes in,
text comes out, and every path of the engine is walked.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.files import atomic_write
from harness.models.gguf.tensor_types import FILE_TYPE_NUMBERS
from harness.models.gguf.write import ALIGNMENT, QUANTIZATION_VERSION, KeyValue, header_bytes

# Rows are multiples of 32 (a Q8_0 block); heads are 64 wide as in many small models; four layers
# can be split between devices; two heads share a key (GQA).
N_LAYER = 4
N_EMBD = 128
N_HEAD = 4
N_HEAD_KV = 2
HEAD_WIDTH = 64
N_FF = 320
N_CTX_TRAIN = 8192

_SEED = b"inference-harness tiny-random 1"
_BLOCK = 32
# Root mean square of a whole number drawn evenly from -127..127: sqrt(127 * 128 / 3).
_RMS_OF_INT8 = 73.6
_FIRST_BYTE_TOKEN = 3
_N_VOCAB = _FIRST_BYTE_TOKEN + 256 + 1
# llama.h, enum llama_token_type.
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
# Recognised by the engine's own template code as ChatML.
_CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@dataclass(frozen=True)
class _Matrix:
    name: str
    n_rows: int
    n_columns: int


def write_tiny_random(path: Path) -> None:
    """
    The tiny random model at `path`, whole or not at all; the same bytes each time and everywhere.

    Raises:
        OSError: The folder cannot be written, or the disk is full.
    """
    matrices, norms = list(_matrices()), list(_norms())
    shapes: dict[str, tuple[int, ...]] = {
        **{matrix.name: (matrix.n_columns, matrix.n_rows) for matrix in matrices},
        **dict.fromkeys(norms, (N_EMBD,)),
    }
    types = dict.fromkeys(shapes, "Q8_0") | dict.fromkeys(norms, "F32")
    ones = np.ones(N_EMBD, dtype="<f4")
    with atomic_write(path) as part, part.open("wb") as file:
        file.write(header_bytes(_metadata() | _vocabulary(), shapes, types))
        for weights in (*map(_random_q8_0, matrices), *[ones] * len(norms)):
            file.write(weights.tobytes())
            file.write(bytes(-weights.nbytes % ALIGNMENT))


def _metadata() -> dict[str, KeyValue]:
    return {
        "general.architecture": "llama",
        "general.name": "tiny-random",
        "general.license": "MIT",
        "general.file_type": FILE_TYPE_NUMBERS["Q8_0"],
        "general.quantization_version": QUANTIZATION_VERSION,
        "llama.block_count": N_LAYER,
        "llama.context_length": N_CTX_TRAIN,
        "llama.embedding_length": N_EMBD,
        "llama.feed_forward_length": N_FF,
        "llama.attention.head_count": N_HEAD,
        "llama.attention.head_count_kv": N_HEAD_KV,
        "llama.attention.key_length": HEAD_WIDTH,
        "llama.attention.value_length": HEAD_WIDTH,
        "llama.rope.dimension_count": HEAD_WIDTH,
        "llama.rope.freq_base": 10000.0,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.vocab_size": _N_VOCAB,
    }


def _vocabulary() -> dict[str, KeyValue]:
    """
    A token for each byte, so that any text goes in and comes out the same.

    The last token is SentencePiece's mark for a space: the engine writes spaces as U+2581 before
    it looks for tokens, and as three separate bytes that mark would not become a space again.
    """
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581"]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens),
        "tokenizer.ggml.token_type": [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, _NORMAL],
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": _CHAT_TEMPLATE,
    }


def _matrices() -> Iterator[_Matrix]:
    yield _Matrix("token_embd.weight", _N_VOCAB, N_EMBD)
    yield _Matrix("output.weight", _N_VOCAB, N_EMBD)
    for layer in range(N_LAYER):
        yield _Matrix(f"blk.{layer}.attn_q.weight", N_HEAD * HEAD_WIDTH, N_EMBD)
        yield _Matrix(f"blk.{layer}.attn_k.weight", N_HEAD_KV * HEAD_WIDTH, N_EMBD)
        yield _Matrix(f"blk.{layer}.attn_v.weight", N_HEAD_KV * HEAD_WIDTH, N_EMBD)
        yield _Matrix(f"blk.{layer}.attn_output.weight", N_EMBD, N_HEAD * HEAD_WIDTH)
        yield _Matrix(f"blk.{layer}.ffn_gate.weight", N_FF, N_EMBD)
        yield _Matrix(f"blk.{layer}.ffn_up.weight", N_FF, N_EMBD)
        yield _Matrix(f"blk.{layer}.ffn_down.weight", N_EMBD, N_FF)


def _norms() -> Iterator[str]:
    for layer in range(N_LAYER):
        yield f"blk.{layer}.attn_norm.weight"
        yield f"blk.{layer}.ffn_norm.weight"
    yield "output_norm.weight"


def _random_q8_0(matrix: _Matrix) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """
    Rows of Q8_0 blocks (a half-precision scale, 32 signed bytes); shape (n_rows, row bytes).

    The bytes come from SHAKE-256, which is the same on every machine and in every version, as
    random generators of number libraries are not. One scale for the whole matrix makes
    its product with a normalised input about as large as the input, so nothing overflows.
    """
    n_numbers = matrix.n_rows * matrix.n_columns
    stream = hashlib.shake_256(_SEED + matrix.name.encode()).digest(n_numbers)
    # A quantizer scales to -127..127, so -128 is a value no real file shows a kernel.
    numbers = np.maximum(np.frombuffer(stream, dtype=np.int8), -127)
    scale = np.array([1 / (_RMS_OF_INT8 * math.sqrt(matrix.n_columns))], dtype="<f2")
    blocks = np.empty((n_numbers // _BLOCK, 2 + _BLOCK), dtype=np.uint8)
    blocks[:, :2] = scale.view(np.uint8)
    blocks[:, 2:] = numbers.reshape(-1, _BLOCK).view(np.uint8)
    rows = blocks.reshape(matrix.n_rows, -1)
    if matrix.name == "output.weight":
        rows[_never_generated()] = 0
    return rows


def _never_generated() -> list[int]:
    """
    Tokens whose logit is made 0, so that greedy sampling finds a larger one elsewhere.

    All but printable ASCII and newline: what the model writes is text, and it never ends early.
    """
    wanted = {_FIRST_BYTE_TOKEN + byte for byte in (*range(0x21, 0x7F), 0x0A)} | {_N_VOCAB - 1}
    return [token for token in range(_N_VOCAB) if token not in wanted]
