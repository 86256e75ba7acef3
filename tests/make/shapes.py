"""Catalogue entries of models too small to be published: one for each architecture we lay out."""

from __future__ import annotations

from typing import Any

from harness.models.catalog.spec import (
    CompressedAttention,
    HubSource,
    LatentAttention,
    ModelSpec,
    Shape,
    StateSpace,
    Variant,
)

_DENSE: dict[str, Any] = {
    "n_layer": 2, "n_embd": 256, "n_head": 4, "n_head_kv": 2, "head_dim": 64, "n_ff": 512,
    "n_vocab": 512, "tied_embeddings": False,
}  # fmt: skip
_MIXTURE: dict[str, Any] = {
    **_DENSE, "n_ff": None, "n_ff_exp": 256, "n_expert": 16, "n_expert_used": 4,
}  # fmt: skip
_SHARED: dict[str, Any] = {
    **_MIXTURE, "n_ff": 512, "n_expert_shared": 1, "leading_dense_layers": 1,
}  # fmt: skip
_LATENT = LatentAttention(
    q_lora_rank=128, kv_lora_rank=128, qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64
)
# Four heads of values on two of keys.
_DELTA_NET: dict[str, Any] = {
    "n_layer": 4, "n_layer_full_attn": 1, "linear_attention": "Gated DeltaNet",
    "ssm": StateSpace(
        conv_kernel=4, inner_size=256, state_size=64, time_step_rank=4, group_count=2
    ),
}  # fmt: skip
_MAMBA2: dict[str, Any] = {
    "layer_pattern": "ME*E", "linear_attention": "Mamba-2", "n_ff_shexp": 512, "n_expert_shared": 1,
    "ssm": StateSpace(
        conv_kernel=4, inner_size=512, state_size=64, time_step_rank=8, group_count=2
    ),
}  # fmt: skip
COMPRESSED = CompressedAttention(
    ratios=(0, 4, 128, 4), q_lora_rank=128, output_lora_rank=64, output_group_count=2,
    rope_dimension_count=32, indexer_head_count=4, indexer_key_length=64, indexer_top_k=16,
    hyper_connection_count=4, hash_layer_count=1,
)  # fmt: skip

SHAPES: dict[str, dict[str, Any]] = {
    "llama": _DENSE,
    "qwen2": _DENSE,
    "qwen3": {**_DENSE, "tied_embeddings": True},
    "gemma3": {**_DENSE, "n_layer": 6, "swa": 64, "swa_pattern": "5:1", "tied_embeddings": True},
    "gemma4": {
        **_MIXTURE,
        "n_layer": 6,
        "n_ff": 512,
        "swa": 64,
        "swa_pattern": "5:1",
        "n_head_kv_full": 1,
        "head_dim_full": 128,
        "tied_embeddings": True,
    },
    "deepseek4": {
        **_MIXTURE,
        "n_layer": 4,
        "n_head_kv": 1,
        "n_expert_shared": 1,
        "swa": 64,
        "compressed": COMPRESSED,
    },
    "mistral4": {
        **_SHARED,
        "leading_dense_layers": None,
        "n_head_kv": 1,
        "head_dim": None,
        "mla": _LATENT,
    },
    "muse-glimmer": {**_DENSE, "n_layer": 4, "swa": 64, "swa_pattern": "3:1"},
    "phi3": _DENSE,
    "olmo2": {**_DENSE, "swa": 64, "swa_pattern": "1:1"},
    "gpt-oss": {**_MIXTURE, "swa": 64, "swa_pattern": "1:1"},
    "qwen3moe": _MIXTURE,
    "minimax-m2": _MIXTURE,
    "glm4moe": {**_SHARED, "n_layer_nextn": 1},
    "deepseek2": {**_SHARED, "n_head_kv": 1, "head_dim": None, "mla": _LATENT},
    "nemotron_h_moe": {**_MIXTURE, **_MAMBA2, "n_layer": 4, "n_layer_full_attn": 1},
    "qwen3next": {**_MIXTURE, **_DELTA_NET, "n_ff_shexp": 256, "n_expert_shared": 1},
    "qwen35": {**_DENSE, **_DELTA_NET, "n_layer_nextn": 1},
    "qwen35moe": {**_MIXTURE, **_DELTA_NET, "n_ff_shexp": 256, "n_expert_shared": 1},
}

_DEEP: dict[str, Any] = {"n_layer": 12, "n_layer_full_attn": 3}
DEEP_MIXTURES: dict[str, dict[str, Any]] = {
    "gpt-oss": _DEEP, "qwen3moe": _DEEP, "minimax-m2": _DEEP, "glm4moe": _DEEP, "deepseek2": _DEEP,
    "qwen3next": _DEEP, "qwen35moe": _DEEP, "gemma4": _DEEP, "mistral4": _DEEP,
    "deepseek4": {
        **_DEEP, "compressed": COMPRESSED.model_copy(update={"ratios": (0, 4, 128) * 4}),
    },
}  # fmt: skip
"""Mixtures, and what makes them deep enough to tell whether tokens still spread in the end."""


def spec_of(architecture: str, quantization: str = "Q4_K_M", **changes: Any) -> ModelSpec:
    """The entry of a small model of `architecture`, its shape changed by `changes`."""
    source = HubSource(kind="hub", repo="nobody/nothing")
    return ModelSpec(
        name=f"small-{architecture.replace('_', '-')}",
        lab="nobody",
        country=None,
        licence=None,
        architecture=architecture,
        context_trained=4096,
        shape=Shape.model_validate({**SHAPES[architecture], **changes}),
        variants=(Variant(quantization=quantization, source=source),),
    )
