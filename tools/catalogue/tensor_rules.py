"""The part of llama-quantize's choice that depends on a tensor's role: see quantization.py."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.models.gguf.tensor_types import TYPES_BY_NAME

_LAYER = re.compile(r"blk\.(\d+)\.")
_LOWEST = ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M")
_RICHER_LOWEST = ("IQ2_S", "IQ2_M")
# One answer for a file type and a role, whatever the layer.
_DOWN = {"Q2_K": "Q3_K", "Q3_K_L": "Q5_K"}
_OUTPUT = {
    "Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K", "IQ3_M": "Q4_K",
}  # fmt: skip
_OUTPUT_OF_MIXTRAL = dict.fromkeys(
    ("Q2_K", "IQ3_XS", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ3_S",
     "IQ3_M", "IQ4_XS"),
    "Q5_K",
)  # fmt: skip
_EMBEDDING = {
    **dict.fromkeys(("IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M"), "Q2_K"),
    **dict.fromkeys(("IQ2_S", "IQ2_M", "IQ3_XXS"), "IQ3_S"),
    **dict.fromkeys(("TQ1_0", "TQ2_0", "Q2_0"), "Q4_K"),
}
# llama-quantize spends more on the small tensors of models with as many experts as Mixtral, and
# on the values of models it takes for Llama 2 70B (LLM_TYPE_70B: 80 layers, shared heads).
_MIXTRAL_EXPERTS = 8
_LAYERS_OF_70B = 80


@dataclass(frozen=True)
class QuantizedModel:
    """
    What the rules ask of a model.

    `n_layer` counts all layers in the file; `n_head_kv` are the first layer's heads.
    """

    architecture: str
    n_layer: int
    n_head: int
    n_head_kv: int
    n_expert: int

    @property
    def n_sharing(self) -> int:
        """Heads that share one key in the first layer; 0 where it does not attend."""
        return self.n_head // self.n_head_kv if self.n_head_kv else 0

    @property
    def is_70b(self) -> bool:
        """Whether the engine calls it "70B"."""
        return self.n_layer == _LAYERS_OF_70B and (
            self.architecture == "qwen2"
            or (self.architecture == "llama" and self.n_head != self.n_head_kv)
        )


class Rules:
    """
    Chooses tensor after tensor, in the engine's order: some rules count.

    Args:
        file_type: Of llama-quantize, as "Q4_K_M".
        default_type: The tensor type it begins from.
        has_imatrix: Whether an importance matrix was used.
        has_head: Whether the output head is a tensor of its own.
        n_value_tensors: How many tensors hold values of the attention.
    """

    def __init__(
        self,
        model: QuantizedModel,
        file_type: str,
        default_type: str,
        *,
        has_imatrix: bool,
        has_head: bool,
        n_value_tensors: int,
    ) -> None:
        self._model = model
        self._file_type = file_type
        self._default = default_type
        self._has_imatrix = has_imatrix
        self._has_head = has_head
        self._n_values = n_value_tensors
        self._n_values_seen = 0
        self._n_downs_seen = 0

    @staticmethod
    def is_value(name: str) -> bool:
        """Whether a tensor holds values of the attention, alone or with other things."""
        return any(
            part in name for part in ("attn_v.weight", "attn_qkv.weight", "attn_kv_b.weight")
        )

    def choose(self, name: str, shape: Sequence[int]) -> str:
        """The type of the next tensor, before it is known to fit its rows."""
        is_embedding = name in ("token_embd.weight", "per_layer_token_embd.weight")
        if name == "output.weight" or (is_embedding and not self._has_head):
            return self._head(shape[0])
        if self._file_type == "MXFP4":
            return "MXFP4" if len(shape) > 2 and shape[2] > 1 else "Q8_0"
        if is_embedding:
            return _EMBEDDING.get(self._file_type, self._default)
        if self._file_type in _LOWEST:
            return self._lowest(name)
        if self.is_value(name):
            chosen = self._value()
            self._n_values_seen += 1
            return chosen
        if "attn_k.weight" in name or "attn_q.weight" in name:
            return self._key_or_query(name)
        if "ffn_down" in name:
            return self._down(self._layer(name))
        if "attn_output.weight" in name:
            is_mixtral = self._model.n_expert == _MIXTRAL_EXPERTS
            return (_OUTPUT_OF_MIXTRAL if is_mixtral else _OUTPUT).get(
                self._file_type, self._default
            )
        if ("ffn_gate" in name or "ffn_up" in name) and self._file_type == "IQ3_XS":
            n = self._model.n_layer
            return "IQ3_XXS" if n // 8 <= self._layer(name) < 7 * n // 8 else self._default
        return self._default

    @staticmethod
    def _layer(name: str) -> int:
        match = _LAYER.match(name)
        return int(match[1]) if match else 0

    def _head(self, n_columns: int) -> str:
        if self._file_type == "MXFP4" or n_columns % TYPES_BY_NAME[self._default].block_elements:
            return "Q8_0"
        if self._file_type in {*_LOWEST, "IQ3_XXS"}:
            return "Q5_K"
        return self._default if self._default == "Q8_0" else "Q6_K"

    def _lowest(self, name: str) -> str:
        model, is_richer = self._model, self._file_type in _RICHER_LOWEST
        low = "IQ3_S" if is_richer else "Q2_K"
        if self.is_value(name):
            return "Q4_K" if model.n_sharing >= 4 or model.n_expert >= 4 else low
        if "attn_k.weight" in name and model.n_expert == _MIXTRAL_EXPERTS:
            return "Q4_K"
        if "ffn_down" in name:
            self._n_downs_seen += 1
            return low if self._n_downs_seen <= model.n_layer // 8 else self._default
        if "attn_output.weight" in name:
            if model.n_expert == _MIXTRAL_EXPERTS:
                return "Q5_K"
            if is_richer:
                return "IQ3_S"
            return "IQ2_XXS" if self._file_type in ("IQ1_S", "IQ1_M") else self._default
        return self._default

    def _value(self) -> str:
        if self._model.n_expert == _MIXTRAL_EXPERTS:
            return "Q8_0"
        chosen = self._value_by_file_type()
        if self._model.is_70b and chosen in ("Q3_K", "Q4_K"):
            return "Q5_K"
        return chosen

    def _value_by_file_type(self) -> str:
        is_shared, seen = self._model.n_sharing >= 4, self._n_values_seen
        match self._file_type:
            case "Q2_K":
                return "Q4_K" if is_shared else "Q3_K"
            case "IQ3_XXS" if not is_shared:
                return "IQ3_XXS" if self._has_imatrix else "IQ3_S"
            case "Q2_K_S" | "IQ3_XXS" | "IQ3_XS" | "IQ3_S" if is_shared:
                return "Q4_K"
            case "IQ3_M":
                return "Q4_K"
            case "Q3_K_M":
                return "Q5_K" if seen < 2 else "Q4_K"
            case "Q3_K_L":
                return "Q5_K"
            case "IQ4_NL" | "IQ4_XS" if is_shared:
                return "Q5_K"
            case "Q4_K_M" | "Q5_K_M" if _uses_more_bits(seen, self._n_values):
                return "Q6_K"
            case "Q4_K_S" if seen < 4:
                return "Q5_K"
        return self._default

    def _key_or_query(self, name: str) -> str:
        if "attn_k.weight" in name and self._model.n_expert == _MIXTRAL_EXPERTS:
            return "Q8_0"
        return {"IQ3_XS": "IQ3_XXS", "IQ3_XXS": "IQ2_S"}.get(self._file_type, self._default)

    def _down(self, layer: int) -> str:
        n = self._model.n_layer
        is_early, has_more_bits = layer < n // 8, _uses_more_bits(layer, n)
        match self._file_type:
            case "IQ3_XXS" if not self._has_imatrix:
                return "Q4_K" if is_early else "Q3_K"
            case "Q3_K_M":
                return "Q5_K" if layer < n // 16 else "Q4_K"
            case "Q2_K_S" if is_early:
                return "Q4_K"
            case "IQ3_M" if is_early or (
                self._model.n_expert == _MIXTRAL_EXPERTS and has_more_bits
            ):
                return "Q4_K"
            case "Q4_K_M" | "Q5_K_M" if has_more_bits:
                return "Q6_K"
            case "IQ4_NL" | "IQ4_XS" if is_early and not self._has_imatrix:
                return "Q5_K"
            case "Q4_K_S" if is_early:
                return "Q5_K"
            case "Q4_0" | "Q5_0" if is_early and self._has_imatrix:
                return self._default.replace("_0", "_1")
        return _DOWN.get(self._file_type, self._default)


def _uses_more_bits(index: int, n: int) -> bool:
    """The first and the last eighth, and every third between."""
    return index < n // 8 or index >= 7 * n // 8 or (index - n // 8) % 3 == 2
