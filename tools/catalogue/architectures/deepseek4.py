"""DeepSeek V4: attention to compressed positions; see src/models/deepseek4.cpp of llama.cpp."""

from __future__ import annotations

from tools.catalogue.architectures import blocks
from tools.catalogue.architectures.blueprint import Blueprint

# llama-hparams.h, llama_expert_gating_func_type: the only one that the engine takes here.
_SQRT_SOFTPLUS = 4
# DSV4_CSA_RATIO in llama.cpp; with the other one (128) there is no choice.
_INDEXED_RATIO = 4
# config.json, hc_sinkhorn_iters.
_SINKHORN_ITERATIONS = 20


def deepseek4(plan: Blueprint) -> None:
    """A window in every layer; behind it one vector for 4 or 128 positions, or nothing."""
    _keys(plan)
    _attention_keys(plan)
    parts = plan.need_compressed()
    n_streams = parts.hyper_connection_count
    plan.tensor("output_hc_fn.weight", n_streams * plan.n_embd, n_streams)
    plan.tensor("output_hc_base.weight", n_streams)
    plan.tensor("output_hc_scale.weight", 1)
    for layer, ratio in enumerate(parts.ratios):
        blocks.norms(plan, layer, "attn_norm", "ffn_norm")
        _attention(plan, layer)
        if ratio:
            _compressor(plan, layer, ratio)
        _hyper_connections(plan, layer)
        blocks.experts(plan, layer, has_selection_bias=layer >= parts.hash_layer_count)
        if layer < parts.hash_layer_count:
            # Which experts a token is sent to is looked up by the token.
            n_used, n_vocab = plan.need("n_expert_used"), plan.need("n_vocab")
            plan.tensor(f"blk.{layer}.ffn_gate_tid2eid.weight", n_used, n_vocab)
        blocks.shared_expert(plan, layer)


def _keys(plan: Blueprint) -> None:
    blocks.frame(plan, always_has_head=True)
    blocks.expert_keys(plan)
    plan.key("expert_shared_count", plan.need("n_expert_shared"))
    plan.key("expert_gating_func", _SQRT_SOFTPLUS)
    # The engine demands all of these; no value changes how much is computed.
    plan.key("expert_weights_scale", 1.5)
    plan.key("expert_weights_norm", True)
    plan.key("swiglu_clamp_exp", 10.0)
    plan.key("hyper_connection.epsilon", blocks.NORM_EPSILON)
    plan.key("hyper_connection.sinkhorn_iterations", _SINKHORN_ITERATIONS)
    plan.key("hyper_connection.count", plan.need_compressed().hyper_connection_count)
    plan.key("hash_layer_count", plan.need_compressed().hash_layer_count)


def _attention_keys(plan: Blueprint) -> None:
    parts = plan.need_compressed()
    plan.key("attention.sliding_window", plan.need("swa"))
    plan.key("attention.q_lora_rank", parts.q_lora_rank)
    plan.key("attention.output_lora_rank", parts.output_lora_rank)
    plan.key("attention.output_group_count", parts.output_group_count)
    plan.key("attention.compress_ratios", [int(ratio) for ratio in parts.ratios])
    plan.key("attention.compress_rope_freq_base", 160000.0)
    plan.key("attention.indexer.head_count", parts.indexer_head_count)
    plan.key("attention.indexer.key_length", parts.indexer_key_length)
    plan.key("attention.indexer.top_k", parts.indexer_top_k)
    plan.key("rope.dimension_count", parts.rope_dimension_count)


def _attention(plan: Blueprint, layer: int) -> None:
    """One vector is key and value of all heads; query and output go through small matrices."""
    parts, block, width = plan.need_compressed(), f"blk.{layer}", plan.key_length
    n_query, n_output = plan.n_head * width, parts.output_group_count * parts.output_lora_rank
    plan.tensor(f"{block}.attn_sinks.weight", plan.n_head)
    plan.tensor(f"{block}.attn_q_a.weight", plan.n_embd, parts.q_lora_rank)
    plan.tensor(f"{block}.attn_q_a_norm.weight", parts.q_lora_rank)
    plan.tensor(f"{block}.attn_q_b.weight", parts.q_lora_rank, n_query)
    plan.tensor(f"{block}.attn_kv.weight", plan.n_embd, width)
    plan.tensor(f"{block}.attn_kv_a_norm.weight", width)
    plan.tensor(f"{block}.attn_output_a.weight", n_query // parts.output_group_count, n_output)
    plan.tensor(f"{block}.attn_output_b.weight", n_output, plan.n_embd)


def _compressor(plan: Blueprint, layer: int, ratio: int) -> None:
    """What makes one vector of `ratio` positions; of 4 it overlaps, and an indexer chooses."""
    parts, block = plan.need_compressed(), f"blk.{layer}"
    makers = [("attn_compressor", plan.key_length, 2 if ratio == _INDEXED_RATIO else 1)]
    if ratio == _INDEXED_RATIO:
        n_heads, width = parts.indexer_head_count, parts.indexer_key_length
        plan.tensor(f"{block}.indexer.proj.weight", plan.n_embd, n_heads)
        plan.tensor(f"{block}.indexer.attn_q_b.weight", parts.q_lora_rank, n_heads * width)
        makers.append(("indexer_compressor", width, 2))
    for name, width, n_overlapping in makers:
        for part in ("kv", "gate"):
            plan.tensor(f"{block}.{name}_{part}.weight", plan.n_embd, n_overlapping * width)
        plan.tensor(f"{block}.{name}_ape.weight", n_overlapping * width, ratio)
        plan.tensor(f"{block}.{name}_norm.weight", width)


def _hyper_connections(plan: Blueprint, layer: int) -> None:
    """How the streams of the residual are mixed before and after each part."""
    n_streams = plan.need_compressed().hyper_connection_count
    n_mixed = (2 + n_streams) * n_streams
    for part in ("attn", "ffn"):
        plan.tensor(f"blk.{layer}.hc_{part}_fn.weight", n_streams * plan.n_embd, n_mixed)
        plan.tensor(f"blk.{layer}.hc_{part}_base.weight", n_mixed)
        plan.tensor(f"blk.{layer}.hc_{part}_scale.weight", 3)
