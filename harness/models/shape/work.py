"""
What one token asks of a machine, from the catalogue alone: sizes, counts and the shape.

Coarser than the tensor table (gguf/work.py), which knows each tensor's type: here weights are as
wide as the file's mean, or experts and the rest each have a width of their own. It serves where no
header can be had or made, and as a check of those that can.
"""

from __future__ import annotations

import re

from harness.models.catalog.spec import ModelSpec, Shape, Variant
from harness.models.gguf.tensor_types import TENSOR_TYPES
from harness.models.gguf.work import skips_last_feed_forward
from harness.models.shape.quantization import has_wide_trunk
from harness.schema.work import Attention, Work, compressed_attention

_TYPE_NAMES = {kind.name for kind in TENSOR_TYPES.values()}
# "UD-Q4_K_XL" and "Q4_K_M" are mixes whose most common type is Q4_K; "FP16" is F16.
_MIX = re.compile(r"^(?:UD-)?(?P<type>I?T?Q\d_(?:K|\d|X*[SMXLN]+)).*$")
# Files called MXFP4 have it in the experts alone: 17 bytes for 32 weights (ggml-common.h).
_MXFP4_BYTES = 17 / 32
# Unsloth's dynamic mixes of 2026 keep what is not an expert in Q8_0, 34 bytes for 32 weights (seen
# in those of Qwen3.6-35B-A3B), and ggml-org does too where quantizing.py says so; what earlier ones
# did varies.
_WIDE_TRUNK_BYTES = 34 / 32
# Routers stay F32 in every file. Of 512 experts they are a tenth of what a token reads.
_ROUTER_BYTES = 4
_OTHER_NAMES = {"FP16": "F16", "FP32": "F32"}


def work_of_spec(spec: ModelSpec, variant: Variant) -> Work | None:
    """The Work of a model whose size, parameters and shape the catalogue knows; else None."""
    shape, n_bytes, total = spec.shape, variant.size_bytes, spec.parameters.total
    if shape is None or n_bytes is None or total is None or shape.n_vocab is None:
        return None
    experts = _n_expert_params(spec, shape, total)
    active = spec.parameters.active
    if experts is None or active is None:
        return None
    embedding = shape.n_vocab * shape.n_embd
    # A dense model's active parameters hold an embedding table that is only looked up, unless it
    # is the output head as well; those of a mixture never do (models/catalog/spec.py).
    is_counted = spec.kind == "dense" and not shape.tied_embeddings
    n_read = active - (embedding if is_counted else 0)
    n_multiplied = n_read - embedding - _n_last_params(spec, shape)
    if n_multiplied <= 0:
        return None
    # The shape's counts leave out layers for guessing ahead, which lie in the file all the same.
    extra = 1 + (shape.n_layer_nextn or 0) / shape.n_layer
    routers = _n_router_params(shape, variant)
    others_bytes = n_bytes - int(routers * extra) * _ROUTER_BYTES
    n_others = (total - routers) * extra
    expert_width = _expert_width(variant, others_bytes, n_others, experts * extra)
    expert_bytes = int(experts * extra * expert_width)
    rest_width = (others_bytes - expert_bytes) / (n_others - experts * extra)
    n_used = experts * (shape.n_expert_used or 0) // (shape.n_expert or 1)
    n_rest = n_read - n_used - routers
    if n_rest < 0:
        return None
    token_bytes = int(n_used * expert_width + n_rest * rest_width + routers * _ROUTER_BYTES)
    type_name = _type_name(variant.quantization)
    n_routed = n_used - _n_last_routed(spec, shape)
    return Work(
        architecture=spec.architecture or "unknown",
        weights_bytes=n_bytes,
        token_read_bytes=token_bytes,
        expert_read_bytes=int(n_used * expert_width),
        expert_bytes=expert_bytes,
        n_params_multiplied=n_multiplied,
        type_params={type_name: n_multiplied},
        expert_params={type_name: n_routed} if n_routed > 0 else {},
        n_blocks=_n_blocks(shape),
        attention=_attention(shape),
        is_recurrent=shape.linear_attention is not None,
        is_latent=shape.mla is not None,
    )


def _n_blocks(shape: Shape) -> int:
    """Pairs of mixer and feed-forward part; of layers that are one part alone half as many."""
    return (shape.n_layer + 1) // 2 if shape.layer_pattern else shape.n_layer


def _n_last_params(spec: ModelSpec, shape: Shape) -> int:
    """Weights of the last block's feed-forward part, if but one token of a prompt meets them."""
    if not skips_last_feed_forward(spec.architecture or ""):
        return 0
    if spec.kind == "moe":
        n_shared = (shape.n_expert_shared or 0) * (shape.n_ff_exp or 0)
        return _n_last_routed(spec, shape) + 3 * shape.n_embd * n_shared
    return 3 * shape.n_embd * (shape.n_ff or 0)


def _n_last_routed(spec: ModelSpec, shape: Shape) -> int:
    """Those of them in the experts that a token is sent to."""
    if spec.kind != "moe" or not skips_last_feed_forward(spec.architecture or ""):
        return 0
    return 3 * shape.n_embd * (shape.n_expert_used or 0) * (shape.n_ff_exp or 0)


def _expert_width(variant: Variant, n_bytes: int, n_stored: float, n_experts: float) -> float:
    """Bytes of a routed expert's weight; the mean of all where nothing else is known."""
    mean = n_bytes / n_stored
    n_rest = n_stored - n_experts
    if not n_experts or not n_rest:
        return mean
    if variant.quantization == "MXFP4":
        width = _MXFP4_BYTES
    elif variant.quantization.startswith("UD-") or has_wide_trunk(variant):
        width = (n_bytes - n_rest * _WIDE_TRUNK_BYTES) / n_experts
    else:
        return mean
    # A sparing mix leaves the trunk less than that.
    return width if 0 < width < n_bytes / n_experts and width <= 2 * mean else mean


def _n_expert_params(spec: ModelSpec, shape: Shape, total: int) -> int | None:
    """Weights of all routed experts; 0 in a dense model, None where that is not known."""
    if spec.kind == "dense":
        return 0
    if shape.n_expert is None or shape.n_expert_used is None or shape.n_ff_exp is None:
        return None
    # Gate, up and down of each expert; no gate where layers are one part alone (Nemotron).
    n_matrices = 2 if shape.layer_pattern else 3
    n_expert = n_matrices * (shape.moe_latent_size or shape.n_embd) * shape.n_ff_exp
    return min(total, _n_mixture_layers(shape) * shape.n_expert * n_expert)


def _n_router_params(shape: Shape, variant: Variant) -> int:
    """Weights of all routers; 0 where the trunk's width follows from the file's size."""
    if variant.quantization == "MXFP4":
        return 0
    return _n_mixture_layers(shape) * shape.n_embd * (shape.n_expert or 0)


def _n_mixture_layers(shape: Shape) -> int:
    if shape.layer_pattern:
        return shape.layer_pattern.count("E")
    return shape.n_layer - (shape.leading_dense_layers or 0)


def _attention(shape: Shape) -> tuple[Attention, ...]:
    if shape.n_head is None:
        return ()
    if shape.compressed is not None:
        index_width = shape.compressed.indexer_key_length
        return compressed_attention(
            shape.compressed.ratios, shape.n_head, shape.head_dim or 1, shape.swa or 1, index_width
        )
    if shape.mla is not None:
        latent = shape.mla.kv_lora_rank + shape.mla.qk_rope_head_dim
        part = Attention(
            n_layer=shape.n_layer_full_attn or shape.n_layer,
            n_key_elements=latent,
            n_value_elements=0,
            n_head=shape.n_head,
            head_key_length=latent,
            head_value_length=shape.mla.kv_lora_rank,
        )
        return (part,)
    n_full = shape.n_layer_full_attn or shape.n_layer
    full = _part(shape, n_full, None)
    n_others = shape.n_layer - n_full
    if not n_others or shape.swa is None:
        return (full,)  # the others, if any, keep a state of fixed size
    return (full, _part(shape, n_others, shape.swa))


def _part(shape: Shape, n_layer: int, window: int | None) -> Attention:
    assert shape.n_head is not None
    width = shape.head_dim or shape.n_embd // shape.n_head
    n_head_kv = shape.n_head_kv or shape.n_head
    if window is None:
        width = shape.head_dim_full or width
        n_head_kv = shape.n_head_kv_full or n_head_kv
    key, value = shape.key_length or width, shape.value_length or width
    return Attention(
        n_layer=n_layer,
        n_positions_max=window,
        n_key_elements=n_head_kv * key,
        n_value_elements=n_head_kv * value,
        n_head=shape.n_head,
        head_key_length=key,
        head_value_length=value,
    )


def _type_name(quantization: str) -> str:
    """The tensor type that most weights of such a file have, as far as its name tells."""
    name = _OTHER_NAMES.get(quantization, quantization.removeprefix("UD-"))
    if name in _TYPE_NAMES:
        return name
    match = _MIX.match(quantization)
    return match["type"] if match and match["type"] in _TYPE_NAMES else name
