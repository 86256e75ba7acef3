"""
What one token asks of a machine: bytes to read and arithmetic to do, whatever the machine is.

Bytes come from the tensor table, the rest from the shape; see docs/method/predicted-speed.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import Field, NonNegativeInt, PositiveInt

from harness.schema.cache_types import CACHE_ELEMENT_BYTES
from harness.schema.record import Record

_NARROW_ELEMENTS = 256
_F16_BYTES = CACHE_ELEMENT_BYTES["f16"]


class Attention(Record):
    """
    Layers that attend alike.

    `n_positions_max` is the window of sliding layers, None for full attention. A position costs
    `n_key_elements + n_value_elements` elements of cache in each layer; latent attention keeps
    keys only. Every head multiplies `head_key_length + head_value_length` elements a position.
    """

    n_layer: PositiveInt
    n_positions_max: PositiveInt | None = None
    n_key_elements: NonNegativeInt
    n_value_elements: NonNegativeInt
    n_head: PositiveInt
    head_key_length: PositiveInt
    head_value_length: PositiveInt

    @property
    def is_narrow(self) -> bool:
        """
        Whether the keys of one position take 512 bytes or less (f16), so that a head's key is not
        far from its next one.

        On a CPU each multiplication of attention took 0.036 to 0.041 ns with rows of 256 and 512
        bytes, and 0.060 to 0.068 with rows of 768 to 2,048 (8 blocks, 1,536 and 4,096 positions).
        """
        return self.n_key_elements <= _NARROW_ELEMENTS

    def n_positions(self, n_context: float) -> float:
        """How many of `n_context` positions these layers look at."""
        return n_context if self.n_positions_max is None else min(n_context, self.n_positions_max)


class Work(Record):
    """
    One model in one quantization.

    `token_read_bytes` are the weights read for one decoded token, of which `expert_read_bytes`
    belong to routed experts, that hold `expert_bytes` in all. `n_params_multiplied` are the
    weights that each token of a prompt is multiplied with: less embedding and output head, and less
    the last block's feed-forward part where only the last token goes through it. `n_blocks` counts
    pairs of mixer and feed-forward part. `type_params` splits `n_params_multiplied` by tensor type,
    `expert_params` those of them in routed experts; `type_read_bytes` splits `token_read_bytes`
    (empty: not known).
    """

    architecture: str
    weights_bytes: PositiveInt
    token_read_bytes: PositiveInt
    expert_read_bytes: NonNegativeInt
    expert_bytes: NonNegativeInt
    n_params_multiplied: PositiveInt
    type_params: dict[str, int]
    expert_params: dict[str, int] = Field(default_factory=dict)
    type_read_bytes: dict[str, int] = Field(default_factory=dict)
    n_blocks: PositiveInt
    attention: tuple[Attention, ...]
    is_recurrent: bool = False
    is_latent: bool = False

    @property
    def is_mixture(self) -> bool:
        """Whether tokens are routed to experts."""
        return self.expert_bytes > 0

    def cache_read_bytes(self, n_context: float, type_k: str = "f16", type_v: str = "f16") -> float:
        """
        The cache read for one token after `n_context` others: of sliding layers what is in their
        window. A cache type that nobody knows is taken for f16.
        """
        key, value = (CACHE_ELEMENT_BYTES.get(name, _F16_BYTES) for name in (type_k, type_v))
        return sum(
            part.n_layer
            * part.n_positions(n_context)
            * (part.n_key_elements * key + part.n_value_elements * value)
            for part in self.attention
        )

    def token_bytes(self, n_context: float, type_k: str = "f16", type_v: str = "f16") -> float:
        """All that is read for one token after `n_context` others: weights and cache."""
        return self.token_read_bytes + self.cache_read_bytes(n_context, type_k, type_v)

    def attention_flops(self, n_context: float, *, is_narrow: bool | None = None) -> float:
        """
        Multiplications and additions of one token's attention over `n_context` positions.

        With `is_narrow` only those of layers that are so, or are not.
        """
        return sum(
            2
            * part.n_layer
            * part.n_head
            * (part.head_key_length + part.head_value_length)
            * part.n_positions(n_context)
            for part in self.attention
            if is_narrow is None or part.is_narrow == is_narrow
        )


def compressed_attention(
    ratios: Sequence[int], n_head: int, width: int, window: int, index_width: int
) -> tuple[Attention, ...]:
    """
    What DeepSeek V4's layers read, whose key is their value too.

    In each a window; behind it one vector of `width` for as many positions as `ratios` has for the
    layer (0: none). Where that is the smallest, an indexer reads vectors of `index_width` as well.
    On a CPU all of them are read, also those that the indexer does not choose.
    """
    parts: Counter[Attention] = Counter()
    least = min((ratio for ratio in ratios if ratio), default=0)
    for ratio in ratios:
        parts[_shared_part(n_head, width, width, window)] += 1
        if ratio:
            elements = (width + (index_width if ratio == least else 0)) // ratio
            parts[_shared_part(n_head, elements, width // ratio, None)] += 1
    return tuple(part.model_copy(update={"n_layer": n}) for part, n in parts.items())


def _shared_part(n_head: int, key: int, value: int, window: int | None) -> Attention:
    return Attention(
        n_layer=1,
        n_positions_max=window,
        n_key_elements=key,
        n_value_elements=0,
        n_head=n_head,
        head_key_length=key,
        head_value_length=max(1, value),
    )
