"""Gemma 4, dense or with experts beside the dense part; see src/models/gemma4.cpp of llama.cpp."""

from __future__ import annotations

from tools.catalogue.architectures import blocks
from tools.catalogue.architectures.blueprint import Blueprint


def gemma4(plan: Blueprint) -> None:
    """
    Five layers slide; the sixth has fewer and wider heads, whose keys serve as values too.

    Not the small ones (E2B, E4B), whose embeddings of each layer the shape does not have.
    """
    slides = blocks.slides(plan)
    _keys(plan, slides)
    plan.tensor("rope_freqs.weight", plan.need("head_dim_full") // 2)
    for layer in range(plan.shape.n_layer):
        blocks.norms(plan, layer, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        _attention(plan, layer, is_sliding=slides[layer])
        blocks.feed_forward(plan, layer, plan.need("n_ff"))
        plan.tensor(f"blk.{layer}.layer_output_scale.weight", 1)
        if plan.shape.n_expert:
            _experts(plan, layer)


def _keys(plan: Blueprint, slides: list[bool]) -> None:
    blocks.frame(plan)
    blocks.window_keys(plan)
    plan.key("attention.head_count_kv", [_n_head_kv(plan, is_sliding) for is_sliding in slides])
    plan.key("attention.shared_kv_layers", 0)
    plan.key("embedding_length_per_layer_input", 0)
    for ending, width in (("", plan.need("head_dim_full")), ("_swa", plan.key_length)):
        plan.key(f"attention.key_length{ending}", width)
        plan.key(f"attention.value_length{ending}", width)
        plan.key(f"rope.dimension_count{ending}", width)
    if plan.shape.n_expert:
        blocks.expert_keys(plan)


def _n_head_kv(plan: Blueprint, is_sliding: bool) -> int:
    return plan.n_head_kv if is_sliding else plan.shape.n_head_kv_full or plan.n_head_kv


def _attention(plan: Blueprint, layer: int, *, is_sliding: bool) -> None:
    block, width = f"blk.{layer}", plan.key_length if is_sliding else plan.need("head_dim_full")
    n_query, n_key = plan.n_head * width, _n_head_kv(plan, is_sliding) * width
    plan.tensor(f"{block}.attn_q.weight", plan.n_embd, n_query)
    plan.tensor(f"{block}.attn_k.weight", plan.n_embd, n_key)
    # config.json, attention_k_eq_v: only with it layers have a number of heads of their own.
    if is_sliding or plan.shape.n_head_kv_full is None:
        plan.tensor(f"{block}.attn_v.weight", plan.n_embd, n_key)
    plan.tensor(f"{block}.attn_output.weight", n_query, plan.n_embd)
    for name in ("attn_q_norm", "attn_k_norm"):
        plan.tensor(f"{block}.{name}.weight", width)


def _experts(plan: Blueprint, layer: int) -> None:
    """Beside the dense part, with norms and scales of its own."""
    blocks.norms(plan, layer, "pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2")
    blocks.fused_experts(plan, layer)
    plan.tensor(f"blk.{layer}.ffn_gate_inp.scale", plan.n_embd)
    plan.tensor(f"blk.{layer}.ffn_down_exps.scale", plan.need("n_expert"))
