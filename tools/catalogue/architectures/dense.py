"""Dense transformers, one function an architecture; see src/models/NAME.cpp of llama.cpp."""

from __future__ import annotations

from tools.catalogue.architectures import blocks
from tools.catalogue.architectures.blueprint import Blueprint


def llama(plan: Blueprint) -> None:
    """Llama, Mistral, SmolLM2; with experts Mixtral."""
    blocks.frame(plan)
    plan.key("rope.dimension_count", plan.key_length)
    is_mixture = bool(plan.shape.n_expert)
    if is_mixture:
        blocks.expert_keys(plan)
        # The engine takes the width of these experts from the key of dense layers.
        plan.key("feed_forward_length", plan.need("n_ff_exp"))
    for layer in range(plan.shape.n_layer):
        blocks.norms(plan, layer, "attn_norm", "ffn_norm")
        blocks.attention(plan, layer)
        if is_mixture:
            blocks.experts(plan, layer)
        else:
            blocks.feed_forward(plan, layer, plan.need("n_ff"))


def qwen2(plan: Blueprint) -> None:
    """Qwen 2 and 2.5: biases on query, key and value."""
    blocks.frame(plan)
    for layer in range(plan.shape.n_layer):
        blocks.norms(plan, layer, "attn_norm", "ffn_norm")
        blocks.attention(plan, layer, has_bias=True)
        blocks.feed_forward(plan, layer, plan.need("n_ff"))


def qwen3(plan: Blueprint) -> None:
    """Qwen 3: norms over each head instead of biases."""
    blocks.frame(plan)
    for layer in range(plan.shape.n_layer):
        blocks.norms(plan, layer, "attn_norm", "ffn_norm")
        blocks.attention(plan, layer)
        blocks.head_norms(plan, layer)
        blocks.feed_forward(plan, layer, plan.need("n_ff"))


def gemma3(plan: Blueprint) -> None:
    """Gemma 3: most layers slide, each part has a norm before and after it."""
    blocks.frame(plan)
    blocks.window_keys(plan)
    for layer in range(plan.shape.n_layer):
        blocks.norms(plan, layer, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        blocks.attention(plan, layer)
        blocks.head_norms(plan, layer)
        blocks.feed_forward(plan, layer, plan.need("n_ff"))


def phi3(plan: Blueprint) -> None:
    """Phi 3 and 4: query, key and value in one matrix, gate and up in another."""
    blocks.frame(plan)
    plan.key("rope.dimension_count", plan.key_length)
    n_qkv = (plan.n_head + plan.n_head_kv) * plan.key_length + plan.n_head_kv * plan.value_length
    n_ff = plan.need("n_ff")
    for layer in range(plan.shape.n_layer):
        blocks.norms(plan, layer, "attn_norm", "ffn_norm")
        plan.tensor(f"blk.{layer}.attn_qkv.weight", plan.n_embd, n_qkv)
        plan.tensor(f"blk.{layer}.attn_output.weight", plan.n_embd, plan.n_embd)
        plan.tensor(f"blk.{layer}.ffn_up.weight", plan.n_embd, 2 * n_ff)
        plan.tensor(f"blk.{layer}.ffn_down.weight", n_ff, plan.n_embd)


def olmo2(plan: Blueprint) -> None:
    """OLMo 2 and 3: norms after each part only, and over all heads together."""
    blocks.frame(plan, always_has_head=True)
    blocks.window_keys(plan)
    for layer in range(plan.shape.n_layer):
        blocks.norms(plan, layer, "post_attention_norm", "post_ffw_norm", "attn_q_norm")
        plan.tensor(f"blk.{layer}.attn_k_norm.weight", plan.n_head_kv * plan.key_length)
        blocks.attention(plan, layer)
        blocks.feed_forward(plan, layer, plan.need("n_ff"))


def muse_glimmer(plan: Blueprint) -> None:
    """Muse Glimmer: three of four layers slide, attention has a gate, norms before and after."""
    blocks.frame(plan, always_has_head=True)
    blocks.window_keys(plan)
    # Without it the engine refuses the file; no value changes how much is computed.
    plan.key("logit_scale", 1.0)
    n_query = plan.n_head * plan.key_length
    for layer in range(plan.shape.n_layer):
        blocks.norms(plan, layer, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        blocks.attention(plan, layer)
        blocks.head_norms(plan, layer)
        plan.tensor(f"blk.{layer}.attn_gate.weight", plan.n_embd, n_query)
        blocks.feed_forward(plan, layer, plan.need("n_ff"))
