"""
The time a token or a prompt takes, from what it asks (Work) and the rates a machine gives.

decode    seconds a token = fixed cost of each block
                          + weights read / rate of weights + cache read / rate of cache
prefill   seconds         = multiplications / rate of their type + attention / rate of attention
                          + weights streamed once for each micro-batch
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.schema.settings import Settings
from harness.schema.work import Work


@dataclass(frozen=True)
class Spread:
    """
    The interval around a figure, in natural logarithms of later measurement / prediction.

    `low` and `high` are 0 or more and hold for a short context; `depth` is added in quadrature,
    times the share of the time that the cache and the attention take.
    """

    low: float
    high: float
    depth: float = 0.0

    def around(self, value: float, share: float, further: float = 0.0) -> tuple[float, float]:
        """The bounds around `value`, of whose time `share` depends on the context."""
        more = math.hypot(self.depth * share, further)
        return (
            value * math.exp(-math.hypot(self.low, more)),
            value * math.exp(math.hypot(self.high, more)),
        )


@dataclass(frozen=True)
class DecodeSpeed:
    """
    Rates for one token at a time.

    `block_s` is what every block of the model costs whatever its size; `mixture_factor` and
    `recurrent_factor` are added to 1 and multiply it, `mixture_block_s` is added where it holds
    experts. `type_bytes_per_s` holds tensor types whose
    rate is known apart. What the cache costs goes with its bytes on a GPU, on a CPU with the
    arithmetic of attention: `attention_s_per_flop` and, where rows of keys are narrow,
    `narrow_attention_s_per_flop`. `expert_s_per_byte` is what a byte of a routed expert costs
    beyond that; `latent_cache_factor` multiplies the time of a latent cache. `only_a_range` says
    why, where the figures are too loose to be called predictions.
    """

    weights_bytes_per_s: float
    cache_bytes_per_s: float
    block_s: float
    spread: Spread
    token_s: float = 0.0
    mixture_factor: float = 0.0
    mixture_block_s: float = 0.0
    recurrent_factor: float = 0.0
    expert_s_per_byte: float = 0.0
    attention_s_per_flop: float = 0.0
    narrow_attention_s_per_flop: float = 0.0
    latent_cache_factor: float = 1.0
    type_bytes_per_s: Mapping[str, float] = field(default_factory=dict)
    only_a_range: str | None = None


@dataclass(frozen=True)
class PrefillSpeed:
    """
    Rates for a prompt; `flops_per_s` counts a multiplication and an addition as two.

    `stream_bytes_per_s` is the rate at which weights come from memory once for a micro-batch, and
    `expert_s_per_byte` what those of the experts that are picked cost beyond that: a GPU multiplies
    the tokens of one expert in tiles, full or not. `block_s` is what each block costs once for a
    micro-batch whatever its size, `token_s` what each token does whatever the model.
    `type_expert_s_per_flop` is what arithmetic takes longer in routed experts, by their type, and
    `expert_s_per_flop` the same of types whose experts were not measured.
    """

    flops_per_s: float
    attention_flops_per_s: float
    stream_bytes_per_s: float
    spread: Spread
    block_s: float = 0.0
    token_s: float = 0.0
    expert_s_per_byte: float = 0.0
    recurrent_factor: float = 1.0
    expert_s_per_flop: float = 0.0
    latent_attention_factor: float = 1.0
    type_flops_per_s: Mapping[str, float] = field(default_factory=dict)
    type_expert_s_per_flop: Mapping[str, float] = field(default_factory=dict)
    only_a_range: str | None = None


def decode_seconds(
    work: Work, speed: DecodeSpeed, n_context: float, settings: Settings
) -> tuple[float, float]:
    """Seconds for one token after `n_context` others, and how many of them the cache takes."""
    fixed = speed.token_s + work.n_blocks * speed.block_s * (
        1 + speed.mixture_factor * work.is_mixture + speed.recurrent_factor * work.is_recurrent
    )
    fixed += work.n_blocks * speed.mixture_block_s * work.is_mixture
    cache = cache_bytes(work, n_context, settings) / speed.cache_bytes_per_s
    if work.is_latent:
        cache *= speed.latent_cache_factor
    cache += work.attention_flops(n_context, is_narrow=False) * speed.attention_s_per_flop
    cache += work.attention_flops(n_context, is_narrow=True) * speed.narrow_attention_s_per_flop
    return fixed + _weights_seconds(work, speed) + cache, cache


def prefill_seconds(
    work: Work,
    speed: PrefillSpeed,
    n_prompt: int,
    depth: int,
    n_ubatch: int,
    n_sequences: int = 1,
) -> tuple[float, float]:
    """
    Seconds for a prompt of `n_prompt` behind `depth`, and those that attention takes.

    Those of several sequences fill micro-batches together, and attend each to its own.
    """
    n_tokens = n_prompt * n_sequences
    n_batches = math.ceil(n_tokens / n_ubatch)
    matrices = n_tokens * _multiplying_seconds(work, speed)
    # Token i of n attends to depth + i positions: the mean is half of the prompt.
    attention = n_tokens * work.attention_flops(depth + n_prompt / 2) / speed.attention_flops_per_s
    if work.is_latent:
        attention *= speed.latent_attention_factor
    n_together = min(n_ubatch, n_tokens)
    once = streamed_bytes(work, n_together) / speed.stream_bytes_per_s
    once += picked_expert_bytes(work, n_together) * speed.expert_s_per_byte
    once += work.n_blocks * speed.block_s
    return matrices + attention + n_batches * once + n_tokens * speed.token_s, attention


def cache_bytes(work: Work, n_context: float, settings: Settings) -> float:
    """Bytes of cache that a token reads, with the cache types of `settings`."""
    return work.cache_read_bytes(n_context, settings.type_k, settings.type_v)


def _weights_seconds(work: Work, speed: DecodeSpeed) -> float:
    by_type = work.type_read_bytes or {"": work.token_read_bytes}
    seconds = sum(
        n_bytes / speed.type_bytes_per_s.get(name, speed.weights_bytes_per_s)
        for name, n_bytes in by_type.items()
    )
    return seconds + work.expert_read_bytes * speed.expert_s_per_byte


def _multiplying_seconds(work: Work, speed: PrefillSpeed) -> float:
    """For one token of a prompt, without attention and the output head."""
    by_type = work.type_params or {"": work.n_params_multiplied}
    seconds = sum(
        2 * n_params / speed.type_flops_per_s.get(name, speed.flops_per_s)
        for name, n_params in by_type.items()
    )
    seconds += sum(
        2 * n_params * speed.type_expert_s_per_flop.get(name, speed.expert_s_per_flop)
        for name, n_params in work.expert_params.items()
    )
    return seconds * speed.recurrent_factor if work.is_recurrent else seconds


def streamed_bytes(work: Work, n_tokens: int) -> float:
    """Weights that `n_tokens` together touch."""
    return work.token_read_bytes - work.expert_read_bytes + picked_expert_bytes(work, n_tokens)


def picked_expert_bytes(work: Work, n_tokens: int) -> float:
    """Those of them in experts: each token picks its own, and soon nearly all are picked."""
    if not work.expert_bytes:
        return 0.0
    share = work.expert_read_bytes / work.expert_bytes
    return work.expert_bytes * (1 - (1 - share) ** n_tokens)
