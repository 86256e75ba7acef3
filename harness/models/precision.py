"""Which of a model's files is the most precise one: what to quantize from, and to compare with."""

from __future__ import annotations

from collections.abc import Mapping

from harness.models.gguf.tensor_types import TYPES_BY_NAME

# The order of mean KL divergence from F16 in the scoreboard of llama.cpp's tools/perplexity
# (LLaMA 3 8B on Wikitext-2, without importance matrix where there is such a row), most faithful
# first. F32 and BF16 are what models are trained in; MXFP4 is what gpt-oss was trained in, and
# everything else in such a file is Q8_0. Types the scoreboard lacks stand beside those of their
# bits.
_ORDER = (
    "F32", "BF16", "F16", "MXFP4", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_M",
    "IQ4_NL", "IQ4_XS", "Q4_K_S", "Q4_1", "Q4_0", "Q3_K_L", "Q3_K_M", "IQ3_M", "IQ3_S", "IQ3_XS",
    "IQ3_XXS", "Q3_K_S", "IQ2_M", "Q2_K", "Q2_K_S", "IQ2_S", "IQ2_XS", "IQ2_XXS", "Q2_0", "TQ2_0",
    "TQ1_0", "IQ1_M", "IQ1_S", "Q1_0",
)  # fmt: skip
_RANKS = {name: rank for rank, name in enumerate(_ORDER)}
PLAIN_NAMES = {
    "FP16": "F16",
    "Q2_K_L": "Q2_K", "Q3_K_XL": "Q3_K_L", "Q4_K_L": "Q4_K_M", "Q5_K_L": "Q5_K_M",
    "Q6_K_L": "Q6_K",
    "UD-TQ1_0": "IQ1_S", "UD-IQ1_S": "IQ1_M", "UD-IQ1_M": "IQ2_XXS", "UD-IQ2_XXS": "IQ2_XS",
    "UD-IQ3_XXS": "IQ3_XXS",
    "UD-Q2_K_XL": "Q2_K", "UD-Q3_K_XL": "Q3_K_M", "UD-Q4_K_M": "Q4_K_M", "UD-Q4_K_XL": "Q4_K_M",
    "UD-Q5_K_XL": "Q5_K_M", "UD-Q6_K_XL": "Q6_K", "UD-Q8_K_XL": "Q8_0",
    "KQUANT-DYNAMIC": "Q5_K_M",
}  # fmt: skip
"""Of quantizations that llama-quantize does not name so: the one of its own that is nearest."""
_UNQUANTIZED = ("F64", "F32", "BF16", "F16")
_INTEGERS = ("I8", "I16", "I32", "I64")


def precision_rank(quantization: str) -> int:
    """Lower is more precise; names that nobody knows come last."""
    name = quantization.upper()
    return _RANKS.get(PLAIN_NAMES.get(name, name), len(_ORDER))


def is_quantized(bytes_by_type: Mapping[str, int]) -> bool:
    """Whether any weights are in a type of blocks; `bytes_by_type` as in ModelFile."""
    plain = (*_UNQUANTIZED, *_INTEGERS)
    return any(name in TYPES_BY_NAME and name not in plain for name in bytes_by_type)
