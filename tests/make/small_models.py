"""Whole models of a few hundred kilobytes with random weights, in any type and shape."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.models.gguf.part import HeaderPart, made_part
from harness.models.gguf.tensor_types import FILE_TYPE_NUMBERS
from harness.models.gguf.write import KeyValue, bare_keys, header_bytes
from harness.models.twin.stocks import stocks_for
from harness.models.twin.twin import write_twin


@dataclass(frozen=True)
class SmallLlama:
    """A llama whose matrices all are of one type, and its norms in full precision."""

    type_name: str = "F16"
    n_layer: int = 2
    n_embd: int = 256
    n_ff: int = 512
    head_dim: int = 64
    n_vocab: int = 512
    n_head: int = 4
    n_head_kv: int = 2

    def part(self, file_name: str) -> HeaderPart:
        """It as a file of which nothing but the header exists."""
        shapes = self._shapes()
        types = {
            name: self.type_name if len(shape) > 1 else "F32" for name, shape in shapes.items()
        }
        keys = bare_keys("llama", "small-llama") | self._keys()
        return made_part(header_bytes(keys, shapes, types), file_name)

    def _keys(self) -> dict[str, KeyValue]:
        keys: dict[str, KeyValue] = {
            "context_length": 4096,
            "vocab_size": self.n_vocab,
            "block_count": self.n_layer,
            "embedding_length": self.n_embd,
            "attention.head_count": self.n_head,
            "attention.head_count_kv": self.n_head_kv,
            "attention.key_length": self.head_dim,
            "attention.value_length": self.head_dim,
            "attention.layer_norm_rms_epsilon": 1e-6,
            "feed_forward_length": self.n_ff,
            "rope.dimension_count": self.head_dim,
        }
        file_type = FILE_TYPE_NUMBERS.get(self.type_name, 1024)  # LLAMA_FTYPE_GUESSED
        return {"general.file_type": file_type} | {f"llama.{k}": v for k, v in keys.items()}

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        query, width = self.n_head * self.head_dim, self.n_head_kv * self.head_dim
        shapes: dict[str, tuple[int, ...]] = {
            "token_embd.weight": (self.n_embd, self.n_vocab),
            "output_norm.weight": (self.n_embd,),
            "output.weight": (self.n_embd, self.n_vocab),
        }
        for block in (f"blk.{layer}" for layer in range(self.n_layer)):
            shapes |= {
                f"{block}.attn_norm.weight": (self.n_embd,),
                f"{block}.attn_q.weight": (self.n_embd, query),
                f"{block}.attn_k.weight": (self.n_embd, width),
                f"{block}.attn_v.weight": (self.n_embd, width),
                f"{block}.attn_output.weight": (query, self.n_embd),
                f"{block}.ffn_norm.weight": (self.n_embd,),
                f"{block}.ffn_gate.weight": (self.n_embd, self.n_ff),
                f"{block}.ffn_up.weight": (self.n_embd, self.n_ff),
                f"{block}.ffn_down.weight": (self.n_ff, self.n_embd),
            }
        return shapes


def odd_rows(type_name: str) -> SmallLlama:
    """One whose rows are no multiple of 256, as SmolLM2's."""
    return SmallLlama(type_name, n_embd=288, n_ff=416, head_dim=72)


def write_small_model(path: Path, model: SmallLlama = SmallLlama()) -> Path:
    """The model with its random weights at `path`."""
    part = model.part(path.name)
    write_twin(path, part, stocks_for([part], np.random.default_rng(1)), lambda _: None)
    return path
