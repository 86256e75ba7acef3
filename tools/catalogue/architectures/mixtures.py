"""Mixtures of experts, one function an architecture; see src/models/NAME.cpp of llama.cpp."""

from __future__ import annotations

from tools.catalogue.architectures import blocks
from tools.catalogue.architectures.blueprint import Blueprint

# llama.h, llama_expert_gating_func_type: what the router's scores go through.
_SOFTMAX, _SIGMOID = 1, 2
_N_LAYER_OF_AIR = 46


def gpt_oss(plan: Blueprint) -> None:
    """gpt-oss: every second layer slides, sinks and biases everywhere."""
    blocks.frame(plan, always_has_head=True)
    blocks.window_keys(plan)
    blocks.expert_keys(plan)
    plan.key("rope.dimension_count", plan.key_length)
    n_ff, n_expert = plan.need("n_ff_exp"), plan.need("n_expert")
    for layer in range(plan.shape.n_layer):
        blocks.norms(plan, layer, "attn_norm", "post_attention_norm")
        blocks.attention(plan, layer, has_bias=True)
        plan.tensor(f"blk.{layer}.attn_output.bias", plan.n_embd)
        plan.tensor(f"blk.{layer}.attn_sinks.weight", plan.n_head)
        blocks.experts(plan, layer)
        plan.tensor(f"blk.{layer}.ffn_gate_inp.bias", n_expert)
        plan.tensor(f"blk.{layer}.ffn_gate_exps.bias", n_ff, n_expert)
        plan.tensor(f"blk.{layer}.ffn_up_exps.bias", n_ff, n_expert)
        plan.tensor(f"blk.{layer}.ffn_down_exps.bias", plan.n_embd, n_expert)


def qwen3moe(plan: Blueprint) -> None:
    """Qwen 3 with experts in all layers."""
    blocks.frame(plan)
    blocks.expert_keys(plan)
    for layer in range(plan.shape.n_layer):
        blocks.norms(plan, layer, "attn_norm", "ffn_norm")
        blocks.attention(plan, layer)
        blocks.head_norms(plan, layer)
        blocks.experts(plan, layer)


def minimax_m2(plan: Blueprint) -> None:
    """MiniMax M2: norms over all heads together, experts in all layers."""
    blocks.frame(plan, always_has_head=True)
    blocks.expert_keys(plan)
    plan.key("feed_forward_length", plan.need("n_ff_exp"))
    plan.key("expert_gating_func", _SIGMOID)
    # A rotary part of half a head, as its config.json has it.
    plan.key("rope.dimension_count", plan.key_length // 2)
    for layer in range(plan.shape.n_layer):
        blocks.norms(plan, layer, "attn_norm", "ffn_norm")
        blocks.attention(plan, layer)
        plan.tensor(f"blk.{layer}.attn_q_norm.weight", plan.n_head * plan.key_length)
        plan.tensor(f"blk.{layer}.attn_k_norm.weight", plan.n_head_kv * plan.key_length)
        blocks.experts(plan, layer, has_selection_bias=True)


def glm4moe(plan: Blueprint) -> None:
    """GLM 4.5 to 4.7: dense layers first, a shared expert, a layer that guesses ahead."""
    shape = plan.shape
    blocks.frame(plan)
    _shared_expert_keys(plan)
    n_nextn = shape.n_layer_nextn or 0
    if n_nextn:
        plan.key("nextn_predict_layers", n_nextn)
    # Half of each head is rotated. Heads have norms in the large model only (config.json,
    # use_qk_norm: false in 4.5 Air with its 46 layers).
    plan.key("rope.dimension_count", plan.key_length // 2)
    for layer in range(shape.n_layer + n_nextn):
        blocks.norms(plan, layer, "attn_norm", "post_attention_norm")
        blocks.attention(plan, layer, has_bias=True)
        if shape.n_layer > _N_LAYER_OF_AIR:
            blocks.head_norms(plan, layer)
        _dense_or_experts(plan, layer)
        if layer >= shape.n_layer:
            blocks.guess_ahead(plan, layer, has_tables=True)


def deepseek2(plan: Blueprint) -> None:
    """DeepSeek V3 and R1, Kimi K2: latent attention, dense layers first, a shared expert."""
    _latent_keys(plan)
    for layer in range(plan.shape.n_layer):
        _latent_attention(plan, layer)
        _dense_or_experts(plan, layer)


def mistral4(plan: Blueprint) -> None:
    """Mistral Small 4: latent attention, gate and up of all routed experts in one tensor."""
    _latent_keys(plan)
    plan.key("expert_gating_func", _SOFTMAX)
    for layer in range(plan.shape.n_layer):
        _latent_attention(plan, layer)
        blocks.fused_experts(plan, layer)
        blocks.shared_expert(plan, layer)


def _latent_keys(plan: Blueprint) -> None:
    latent = plan.need_latent()
    blocks.frame(plan)
    _shared_expert_keys(plan)
    n_key, n_value = latent.qk_nope_head_dim + latent.qk_rope_head_dim, latent.v_head_dim
    # One latent vector a position is kept, as key of all heads; its first part is the value.
    n_kept = latent.kv_lora_rank + latent.qk_rope_head_dim
    plan.key("attention.head_count_kv", 1)
    plan.key("attention.key_length", n_kept)
    plan.key("attention.value_length", latent.kv_lora_rank)
    plan.key("attention.key_length_mla", n_key)
    plan.key("attention.value_length_mla", n_value)
    plan.key("attention.q_lora_rank", latent.q_lora_rank)
    plan.key("attention.kv_lora_rank", latent.kv_lora_rank)
    plan.key("rope.dimension_count", latent.qk_rope_head_dim)


def _latent_attention(plan: Blueprint, layer: int) -> None:
    latent, block = plan.need_latent(), f"blk.{layer}"
    n_key, n_value = latent.qk_nope_head_dim + latent.qk_rope_head_dim, latent.v_head_dim
    n_kept = latent.kv_lora_rank + latent.qk_rope_head_dim
    blocks.norms(plan, layer, "attn_norm", "ffn_norm")
    plan.tensor(f"{block}.attn_q_a.weight", plan.n_embd, latent.q_lora_rank)
    plan.tensor(f"{block}.attn_q_a_norm.weight", latent.q_lora_rank)
    plan.tensor(f"{block}.attn_q_b.weight", latent.q_lora_rank, plan.n_head * n_key)
    plan.tensor(f"{block}.attn_kv_a_mqa.weight", plan.n_embd, n_kept)
    plan.tensor(f"{block}.attn_kv_a_norm.weight", latent.kv_lora_rank)
    plan.tensor(
        f"{block}.attn_k_b.weight", latent.qk_nope_head_dim, latent.kv_lora_rank, plan.n_head
    )
    plan.tensor(f"{block}.attn_v_b.weight", latent.kv_lora_rank, n_value, plan.n_head)
    plan.tensor(f"{block}.attn_output.weight", plan.n_head * n_value, plan.n_embd)


def _shared_expert_keys(plan: Blueprint) -> None:
    blocks.expert_keys(plan)
    plan.key("expert_shared_count", plan.need("n_expert_shared"))
    plan.key("leading_dense_block_count", plan.shape.leading_dense_layers or 0)
    plan.key("expert_gating_func", _SIGMOID)
    plan.key("expert_weights_norm", True)


def _dense_or_experts(plan: Blueprint, layer: int) -> None:
    if layer < (plan.shape.leading_dense_layers or 0):
        blocks.feed_forward(plan, layer, plan.need("n_ff"))
        return
    blocks.experts(plan, layer, has_selection_bias=True)
    blocks.shared_expert(plan, layer)
