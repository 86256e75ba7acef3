"""What many architectures have in common: embeddings, attention, feed-forward parts, experts."""

from __future__ import annotations

from tools.catalogue.architectures.blueprint import Blueprint

NORM_EPSILON = 1e-6
"""Only keeps from division by zero: no value changes how much is computed."""


def frame(plan: Blueprint, *, always_has_head: bool = False) -> None:
    """Embedding, last norm and head, and the keys that every transformer has."""
    shape, n_vocab = plan.shape, plan.need("n_vocab")
    plan.tensor("token_embd.weight", plan.n_embd, n_vocab)
    plan.tensor("output_norm.weight", plan.n_embd)
    if plan.has_head or always_has_head:
        plan.tensor("output.weight", plan.n_embd, n_vocab)
    plan.key("block_count", shape.n_layer + (shape.n_layer_nextn or 0))
    plan.key("embedding_length", plan.n_embd)
    plan.key("attention.head_count", plan.n_head)
    plan.key("attention.head_count_kv", plan.n_head_kv)
    plan.key("attention.key_length", plan.key_length)
    plan.key("attention.value_length", plan.value_length)
    plan.key("attention.layer_norm_rms_epsilon", NORM_EPSILON)
    if shape.n_ff:
        plan.key("feed_forward_length", shape.n_ff)


def attention(
    plan: Blueprint, layer: int, *, has_bias: bool = False, has_gate: bool = False
) -> None:
    """Query (with a gate, both in one matrix), key, value and output of grouped-query attention."""
    n_query = plan.n_head * plan.key_length * (2 if has_gate else 1)
    n_key, n_value = plan.n_head_kv * plan.key_length, plan.n_head_kv * plan.value_length
    for part, width in (("q", n_query), ("k", n_key), ("v", n_value)):
        plan.tensor(f"blk.{layer}.attn_{part}.weight", plan.n_embd, width)
        if has_bias:
            plan.tensor(f"blk.{layer}.attn_{part}.bias", width)
    plan.tensor(f"blk.{layer}.attn_output.weight", plan.n_head * plan.value_length, plan.n_embd)


def norms(plan: Blueprint, layer: int, *names: str) -> None:
    """Norms as wide as the residual stream."""
    for name in names:
        plan.tensor(f"blk.{layer}.{name}.weight", plan.n_embd)


def head_norms(plan: Blueprint, layer: int) -> None:
    """Norms over each head's query and key."""
    plan.tensor(f"blk.{layer}.attn_q_norm.weight", plan.key_length)
    plan.tensor(f"blk.{layer}.attn_k_norm.weight", plan.key_length)


def feed_forward(plan: Blueprint, layer: int, n_ff: int, suffix: str = "") -> None:
    """Gate, up and down of a dense part; `suffix` "_shexp" makes it a shared expert."""
    plan.tensor(f"blk.{layer}.ffn_gate{suffix}.weight", plan.n_embd, n_ff)
    plan.tensor(f"blk.{layer}.ffn_up{suffix}.weight", plan.n_embd, n_ff)
    plan.tensor(f"blk.{layer}.ffn_down{suffix}.weight", n_ff, plan.n_embd)


def experts(plan: Blueprint, layer: int, *, has_selection_bias: bool = False) -> None:
    """The router and all routed experts of a layer."""
    n_ff, n_expert = plan.need("n_ff_exp"), plan.need("n_expert")
    plan.tensor(f"blk.{layer}.ffn_gate_inp.weight", plan.n_embd, n_expert)
    if has_selection_bias:
        plan.tensor(f"blk.{layer}.exp_probs_b.bias", n_expert)
    plan.tensor(f"blk.{layer}.ffn_gate_exps.weight", plan.n_embd, n_ff, n_expert)
    plan.tensor(f"blk.{layer}.ffn_up_exps.weight", plan.n_embd, n_ff, n_expert)
    plan.tensor(f"blk.{layer}.ffn_down_exps.weight", n_ff, plan.n_embd, n_expert)


def fused_experts(plan: Blueprint, layer: int) -> None:
    """The router and all routed experts, their gates and ups in one tensor."""
    block, n_ff, n_expert = f"blk.{layer}", plan.need("n_ff_exp"), plan.need("n_expert")
    plan.tensor(f"{block}.ffn_gate_inp.weight", plan.n_embd, n_expert)
    plan.tensor(f"{block}.ffn_gate_up_exps.weight", plan.n_embd, 2 * n_ff, n_expert)
    plan.tensor(f"{block}.ffn_down_exps.weight", n_ff, plan.n_embd, n_expert)


def shared_expert(plan: Blueprint, layer: int) -> None:
    """The experts that every token goes through, as one as wide as all of them."""
    n_shared = plan.need("n_ff_exp") * plan.need("n_expert_shared")
    feed_forward(plan, layer, n_shared, "_shexp")


def expert_keys(plan: Blueprint) -> None:
    """How many experts there are, how many run, how wide each is."""
    plan.key("expert_count", plan.need("n_expert"))
    plan.key("expert_used_count", plan.need("n_expert_used"))
    plan.key("expert_feed_forward_length", plan.need("n_ff_exp"))


def guess_ahead(plan: Blueprint, layer: int, *, has_tables: bool) -> None:
    """
    What joins a layer that predicts a further token to the model (MTP, "nextn").

    `has_tables`: with an embedding and an output head of its own.
    """
    block = f"blk.{layer}.nextn"
    plan.tensor(f"{block}.eh_proj.weight", 2 * plan.n_embd, plan.n_embd)
    for name in ("enorm", "hnorm", "shared_head_norm"):
        plan.tensor(f"{block}.{name}.weight", plan.n_embd)
    if has_tables:
        for name in ("embed_tokens", "shared_head_head"):
            plan.tensor(f"{block}.{name}.weight", plan.n_embd, plan.need("n_vocab"))


def state_keys(plan: Blueprint) -> None:
    """The size of what recurrent layers keep."""
    for name, value in plan.need_state().model_dump().items():
        plan.key(f"ssm.{name}", value)


def window_keys(plan: Blueprint) -> None:
    """The sliding window, where the shape has one."""
    if plan.shape.swa:
        plan.key("attention.sliding_window", plan.shape.swa)
    if plan.shape.swa_pattern:
        plan.key("attention.sliding_window_pattern", slides(plan))


def slides(plan: Blueprint) -> list[bool]:
    """
    For each layer whether a window limits its attention.

    "5:1" stands for five sliding layers, then a full one: the engine's pattern of every sixth.

    Raises:
        ShapeUnknown: The shape has no pattern.
    """
    if plan.shape.swa_pattern is None:
        plan.fail("shape.swa_pattern")
    n_sliding, _, n_full = plan.shape.swa_pattern.partition(":")
    period = int(n_sliding) + int(n_full)
    return [index % period < int(n_sliding) for index in range(plan.shape.n_layer)]
