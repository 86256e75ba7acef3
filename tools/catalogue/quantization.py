"""
Which quantization gives which tensor which type, as llama-quantize decides it.

The rules are those of src/llama-quant.cpp (llama_tensor_get_type_impl, tensor_allows_quantization,
tensor_type_fallback) in llama.cpp as vendored by llama-cpp-python 0.3.36, less what is only for
Falcon. Makers of files depart from them: `mixes_of` knows the departures that have a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.models.catalog.spec import HubSource, Variant
from harness.models.gguf.tensor_types import FILE_TYPES, TYPES_BY_NAME
from harness.models.precision import PLAIN_NAMES
from tools.catalogue.architectures.blueprint import ShapeUnknown
from tools.catalogue.tensor_rules import QuantizedModel, Rules

# llama_ftype_get_default_type, where the type is not called like the file.
_DEFAULT_TYPES = {
    "Q2_K_S": "Q2_K",
    "Q3_K_S": "Q3_K", "Q3_K_M": "Q3_K", "Q3_K_L": "Q3_K",
    "Q4_K_S": "Q4_K", "Q4_K_M": "Q4_K",
    "Q5_K_S": "Q5_K", "Q5_K_M": "Q5_K",
    "IQ2_S": "IQ2_XS", "IQ2_M": "IQ2_S",
    "IQ3_XS": "IQ3_S", "IQ3_M": "IQ3_S",
}  # fmt: skip
_UNQUANTIZED = ("F32", "F16", "BF16")

# Files with head and embedding in another type than llama-quantize chooses, as their makers say:
# bartowski's "_L" and "_XL".
_HEAD_TYPES = dict.fromkeys(("Q2_K_L", "Q3_K_XL", "Q4_K_L", "Q5_K_L", "Q6_K_L"), "Q8_0")
# Unsloth's dynamic quantizations, and Meta's, choose the type of each tensor by measurement, and
# nobody published a rule. Of the plain one that is nearest by its name (PLAIN_NAMES) and of these,
# the nearest in size stands for each (`python -m tools.catalogue.sizes` says how near that is);
# the first where no size is known.
_OTHER_STAND_INS: dict[str, tuple[str, ...]] = {
    "UD-TQ1_0": ("IQ1_M",),
    "UD-IQ1_S": ("IQ1_S", "IQ2_XXS"),
    "UD-IQ1_M": ("IQ1_M", "IQ2_XS"),
    "UD-IQ2_XXS": ("IQ2_XXS", "IQ2_S", "IQ2_M"),
    "UD-IQ3_XXS": ("IQ3_XS", "IQ3_S"),
    "UD-Q2_K_XL": ("Q2_K_S",),
    "UD-Q3_K_XL": ("Q3_K_S", "Q3_K_L"),
    "UD-Q4_K_M": ("Q4_K_S",),
    "UD-Q4_K_XL": ("Q4_K_S", "Q5_K_S"),
    "UD-Q5_K_XL": ("Q5_K_S",),
    "UD-Q6_K_XL": (),
    "UD-Q8_K_XL": (),
    "KQUANT-DYNAMIC": ("Q5_K_S",),
}
# Makers who quantize with an importance matrix, which changes a few choices.
_WITH_IMATRIX = ("bartowski/", "unsloth/")

# tensor_allows_quantization, as far as these architectures go: the rest of a file stays F32.
_KEPT = ("_norm.weight", "ffn_gate_inp.weight", "ssm_conv1d", "shortconv.conv.weight")

# tensor_type_fallback: for rows that are no multiple of the block.
_FALLBACKS = {
    "IQ1_S": "IQ4_NL", "IQ1_M": "IQ4_NL", "IQ2_XXS": "IQ4_NL", "IQ2_XS": "IQ4_NL",
    "IQ2_S": "IQ4_NL", "IQ3_XXS": "IQ4_NL", "IQ3_S": "IQ4_NL", "IQ4_XS": "IQ4_NL",
    "Q2_0": "Q4_0", "Q2_K": "Q4_0", "Q3_K": "Q4_0", "TQ1_0": "Q4_0", "TQ2_0": "Q4_0",
    "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0",
}  # fmt: skip
_LAYER = re.compile(r"blk\.(\d+)\.")


@dataclass(frozen=True)
class Mix:
    """
    How a file is quantized.

    `file_type` is llama-quantize's name. `head_type` is given to output and embedding whatever
    the rules say, and `named_types` to the tensors in whose names their keys occur, the first that
    does. `stands_for` is the name of a mix whose rules nobody published: then `file_type`
    is only the nearest plain one.
    """

    file_type: str
    has_imatrix: bool = False
    head_type: str | None = None
    named_types: tuple[tuple[str, str], ...] = ()
    stands_for: str | None = None

    @property
    def default_type(self) -> str:
        """The tensor type it begins from."""
        return _DEFAULT_TYPES.get(self.file_type, self.file_type)


# ggml-org's Q4_K_M of Qwen 3.6 and 3.8: feed-forward parts, routed experts and embedding all in
# Q4_K, the head in Q6_K, everything else in Q8_0; in 3.8 what is called like the head is stored
# like it. That gives the number of tensors of each type and the bytes of all three files
# (19,095,766,304, 20,419,565,568 and 18,973,870,528, less their headers) exactly.
_WIDE_TRUNK = (
    ("output.weight", "Q6_K"), ("token_embd.weight", "Q4_K"), ("_shexp.", "Q8_0"),
    (".ffn_", "Q4_K"), ("", "Q8_0"),
)  # fmt: skip
_WIDE_TRUNK_36 = (("attn_output.weight", "Q8_0"), *_WIDE_TRUNK)
# Files that follow no rule of their name, by repository and quantization.
_KNOWN_FILES = {
    ("ggml-org/Qwen3.6-27B-GGUF", "Q4_K_M"): Mix("Q4_K_M", named_types=_WIDE_TRUNK_36),
    ("ggml-org/Qwen3.6-35B-A3B-GGUF", "Q4_K_M"): Mix("Q4_K_M", named_types=_WIDE_TRUNK_36),
    ("ggml-org/Qwen3.8-27B-GGUF", "Q4_K_M"): Mix("Q4_K_M", named_types=_WIDE_TRUNK),
    # 365 tensors in Q4_K, 52 in Q6_K and one in Q5_K: Q4_K_M, but for the head.
    ("meta-models/Muse-Glimmer-30B-GGUF", "KQUANT-17GB"): Mix(
        "Q4_K_M", named_types=(("attn_output.weight", "Q4_K"), ("output.weight", "Q5_K"))
    ),
    # Less a tokenizer as large as in Google's file, its size fits Q4_K there to 700 bytes.
    ("unsloth/gemma-4-31B-it-GGUF", "Q4_K_M"): Mix("Q4_K_M", has_imatrix=True, head_type="Q4_K"),
}


def mixes_of(variant: Variant) -> tuple[Mix, ...]:
    """
    How the file of `variant` may be quantized: one way, or plain ones that come near.

    Raises:
        ShapeUnknown: Nobody published how, and nothing plain comes near.
    """
    name = variant.quantization
    repo = _repo(variant)
    if (repo, name) in _KNOWN_FILES:
        return (_KNOWN_FILES[repo, name],)
    plain = PLAIN_NAMES.get(name, name)
    if name in _OTHER_STAND_INS:
        names = (plain, *_OTHER_STAND_INS[name])
        return tuple(Mix(each, has_imatrix=True, stands_for=name) for each in names)
    if plain not in FILE_TYPES.values():
        raise ShapeUnknown(f"which types {name} gives to which tensor is not published")
    head_type = _HEAD_TYPES.get(name)
    if head_type and repo.startswith("unsloth/"):
        # Its "_L" is not bartowski's: MiniMax M2's Q2_K_L is 0.45 GB smaller than that rule makes
        # it, and 0.15 GB larger than the plain one.
        return (Mix(plain, has_imatrix=True, stands_for=name),)
    if repo.startswith("ggml-org/") and "qat" in repo.lower().split("-"):
        # Google's quantization-aware Gemma 3 as ggml-org ships it: sizes fit a Q8_0 embedding.
        # Google's own Gemma 4 has what llama-quantize chooses, Q6_K.
        return (Mix(plain, head_type="Q8_0"),)
    return (Mix(plain, repo.startswith(_WITH_IMATRIX), head_type),)


def _repo(variant: Variant) -> str:
    return variant.source.repo if isinstance(variant.source, HubSource) else ""


def tensor_types(
    shapes: Mapping[str, Sequence[int]], model: QuantizedModel, mix: Mix
) -> dict[str, str]:
    """
    The type of each tensor, by its name.

    Args:
        shapes: Of the model's tensors, fastest dimension first.
        model: What it is.
        mix: How it is quantized.
    """
    rules = Rules(
        model,
        mix.file_type,
        mix.default_type,
        has_imatrix=mix.has_imatrix,
        has_head="output.weight" in shapes,
        n_value_tensors=sum(map(Rules.is_value, shapes)),
    )
    return {
        name: _type_of(name, shapes[name], rules, model, mix)
        # The rules count tensors as they pass; the engine visits them in this order.
        for name in sorted(shapes, key=_position)
    }


def _position(name: str) -> tuple[int, str]:
    match = _LAYER.match(name)
    return (int(match[1]) if match else -1, name)


def _type_of(name: str, shape: Sequence[int], rules: Rules, model: QuantizedModel, mix: Mix) -> str:
    if "ffn_gate_tid2eid" in name:
        return "I32"
    if len(shape) < 2 or not name.endswith("weight") or any(part in name for part in _KEPT):
        return "F32"
    if model.architecture == "gpt-oss" and "_exps." in name:
        # Trained in MXFP4: no maker of files converts these experts to anything else.
        return "MXFP4"
    if mix.default_type in _UNQUANTIZED:
        return mix.default_type
    chosen = rules.choose(name, shape)
    if mix.head_type and name in ("output.weight", "token_embd.weight"):
        chosen = mix.head_type
    chosen = next((kind for part, kind in mix.named_types if part in name), chosen)
    return fitting(chosen, shape[0])


def fitting(type_name: str, n_columns: int) -> str:
    """`type_name`, or what llama-quantize takes instead where rows are no multiple of its block."""
    if n_columns % TYPES_BY_NAME[type_name].block_elements == 0:
        return type_name
    smaller = _FALLBACKS.get(type_name, type_name)
    return smaller if n_columns % TYPES_BY_NAME[smaller].block_elements == 0 else "F16"
