"""
Models whose layers keep a state of fixed size, but for some that attend.

One function an architecture; see src/models/NAME.cpp of llama.cpp.
"""

from __future__ import annotations

from tools.catalogue.architectures import blocks
from tools.catalogue.architectures.blueprint import Blueprint

# config.json, mrope_section; the engine demands the key of Qwen 3.5, and text has one position.
_ROTARY_SECTIONS = [11, 11, 10, 0]


def qwen35(plan: Blueprint) -> None:
    """Qwen 3.5 to 3.8, dense: of each four layers three are Gated DeltaNet."""
    _qwen_keys(plan)
    plan.key("rope.dimension_sections", _ROTARY_SECTIONS)
    for layer in _qwen_layers(plan):
        _gates_alike(plan, layer)
        blocks.feed_forward(plan, layer, plan.need("n_ff"))


def qwen35moe(plan: Blueprint) -> None:
    """Qwen 3.5 and 3.6 with experts in all layers, one of them shared."""
    _qwen_keys(plan)
    plan.key("rope.dimension_sections", _ROTARY_SECTIONS)
    _qwen_expert_keys(plan)
    for layer in _qwen_layers(plan):
        _gates_alike(plan, layer)
        _qwen_experts(plan, layer)


def qwen3next(plan: Blueprint) -> None:
    """Qwen 3 Next: as Qwen 3.5, with both gates of a state's update in one matrix."""
    _qwen_keys(plan)
    _qwen_expert_keys(plan)
    for layer in _qwen_layers(plan):
        if not _attends(plan, layer):
            rank = plan.need_state().time_step_rank
            plan.tensor(f"blk.{layer}.ssm_ba.weight", plan.n_embd, 2 * rank)
        _qwen_experts(plan, layer)


def _qwen_keys(plan: Blueprint) -> None:
    blocks.frame(plan)
    blocks.state_keys(plan)
    plan.key("full_attention_interval", _interval(plan))
    # config.json, partial_rotary_factor.
    plan.key("rope.dimension_count", plan.key_length // 4)
    if plan.shape.n_layer_nextn:
        plan.key("nextn_predict_layers", plan.shape.n_layer_nextn)


def _interval(plan: Blueprint) -> int:
    return plan.shape.n_layer // plan.need("n_layer_full_attn")


def _attends(plan: Blueprint, layer: int) -> bool:
    """Whether it is the last of its interval, or one that guesses ahead."""
    return layer >= plan.shape.n_layer or (layer + 1) % _interval(plan) == 0


def _qwen_layers(plan: Blueprint) -> range:
    """All layers, with what they have in common laid out."""
    layers = range(plan.shape.n_layer + (plan.shape.n_layer_nextn or 0))
    for layer in layers:
        blocks.norms(plan, layer, "attn_norm", "post_attention_norm")
        if _attends(plan, layer):
            blocks.attention(plan, layer, has_gate=True)
            blocks.head_norms(plan, layer)
        else:
            _delta_net(plan, layer)
        if layer >= plan.shape.n_layer:
            # config.json, mtp_use_dedicated_embeddings: false.
            blocks.guess_ahead(plan, layer, has_tables=False)
    return layers


def _delta_net(plan: Blueprint, layer: int) -> None:
    """Gated DeltaNet, but for the gates of its update."""
    state, block = plan.need_state(), f"blk.{layer}"
    n_mixed = 2 * state.state_size * state.group_count + state.inner_size
    plan.tensor(f"{block}.attn_qkv.weight", plan.n_embd, n_mixed)
    plan.tensor(f"{block}.attn_gate.weight", plan.n_embd, state.inner_size)
    plan.tensor(f"{block}.ssm_conv1d.weight", state.conv_kernel, n_mixed)
    plan.tensor(f"{block}.ssm_dt.bias", state.time_step_rank)
    plan.tensor(f"{block}.ssm_a", state.time_step_rank)
    plan.tensor(f"{block}.ssm_norm.weight", state.state_size)
    plan.tensor(f"{block}.ssm_out.weight", state.inner_size, plan.n_embd)


def _gates_alike(plan: Blueprint, layer: int) -> None:
    """The gates of a state's update, each a matrix."""
    if not _attends(plan, layer):
        for name in ("ssm_alpha", "ssm_beta"):
            plan.tensor(f"blk.{layer}.{name}.weight", plan.n_embd, plan.need_state().time_step_rank)


def _qwen_expert_keys(plan: Blueprint) -> None:
    blocks.expert_keys(plan)
    plan.key("expert_shared_feed_forward_length", plan.need("n_ff_shexp"))


def _qwen_experts(plan: Blueprint, layer: int) -> None:
    blocks.experts(plan, layer)
    plan.tensor(f"blk.{layer}.ffn_gate_inp_shexp.weight", plan.n_embd)
    blocks.feed_forward(plan, layer, plan.need("n_ff_shexp"), "_shexp")


def nemotron_h_moe(plan: Blueprint) -> None:
    """Nemotron 3: each layer is Mamba-2, attention or experts alone; experts have no gate."""
    if plan.shape.layer_pattern is None:
        plan.fail("shape.layer_pattern")
    pattern = plan.shape.layer_pattern
    _nemotron_keys(plan, pattern)
    for layer, kind in enumerate(pattern):
        blocks.norms(plan, layer, "attn_norm")
        if kind == "M":
            _mamba2(plan, layer)
        elif kind == "*":
            blocks.attention(plan, layer)
        else:
            _gateless_experts(plan, layer)


def _nemotron_keys(plan: Blueprint, pattern: str) -> None:
    blocks.frame(plan)
    blocks.state_keys(plan)
    blocks.expert_keys(plan)
    # The engine tells the kinds of layers by these two.
    plan.key("attention.head_count_kv", [plan.n_head_kv * (kind == "*") for kind in pattern])
    plan.key("feed_forward_length", [plan.need("n_ff_exp") * (kind == "E") for kind in pattern])
    plan.key("attention.layer_norm_epsilon", blocks.NORM_EPSILON)
    plan.key("expert_shared_count", plan.need("n_expert_shared"))
    plan.key("expert_shared_feed_forward_length", plan.need("n_ff_shexp"))
    plan.key("expert_weights_norm", True)
    if plan.shape.moe_latent_size:
        plan.key("moe_latent_size", plan.shape.moe_latent_size)


def _mamba2(plan: Blueprint, layer: int) -> None:
    state, block = plan.need_state(), f"blk.{layer}"
    n_inner, n_head = state.inner_size, state.time_step_rank
    n_mixed = n_inner + 2 * state.group_count * state.state_size
    plan.tensor(f"{block}.ssm_in.weight", plan.n_embd, n_inner + n_mixed + n_head)
    plan.tensor(f"{block}.ssm_conv1d.weight", state.conv_kernel, n_mixed)
    plan.tensor(f"{block}.ssm_conv1d.bias", n_mixed)
    plan.tensor(f"{block}.ssm_dt.bias", n_head)
    for name in ("ssm_a", "ssm_d"):
        plan.tensor(f"{block}.{name}", 1, n_head)
    plan.tensor(f"{block}.ssm_norm.weight", n_inner // state.group_count, state.group_count)
    plan.tensor(f"{block}.ssm_out.weight", n_inner, plan.n_embd)


def _gateless_experts(plan: Blueprint, layer: int) -> None:
    """Up and down of each expert, of the larger models between two shared matrices."""
    block, n_ff, n_expert = f"blk.{layer}", plan.need("n_ff_exp"), plan.need("n_expert")
    width = plan.shape.moe_latent_size or plan.n_embd
    plan.tensor(f"{block}.ffn_gate_inp.weight", plan.n_embd, n_expert)
    plan.tensor(f"{block}.exp_probs_b.bias", n_expert)
    if width != plan.n_embd:
        plan.tensor(f"{block}.ffn_latent_down.weight", plan.n_embd, width)
        plan.tensor(f"{block}.ffn_latent_up.weight", width, plan.n_embd)
    plan.tensor(f"{block}.ffn_up_exps.weight", width, n_ff, n_expert)
    plan.tensor(f"{block}.ffn_down_exps.weight", n_ff, width, n_expert)
    n_shared = plan.need("n_ff_shexp")
    plan.tensor(f"{block}.ffn_up_shexp.weight", plan.n_embd, n_shared)
    plan.tensor(f"{block}.ffn_down_shexp.weight", n_shared, plan.n_embd)
