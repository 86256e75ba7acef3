"""
What one token asks of a machine, told by a GGUF's header: tensor table and keys, no weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.models.gguf.facts import HeaderFacts, Reading, readings
from harness.models.gguf.header import Header, Value
from harness.models.gguf.shards import check_parts
from harness.schema.work import Attention, Work, compressed_attention

# How often a layer attends to everything where no list in the header says so: every n-th, the
# last of each n. From load_swa_pattern in llama.cpp's src/models; architectures that are not here
# either must have a list (gemma4, mimo2, step35) or run without windows, whatever their
# `sliding_window` says (phi3, mistral's llama, qwen2).
_EVERY_NTH_IS_FULL = {
    "gpt-oss": 2, "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gemma-embedding": 6, "cohere2": 4,
    "cohere2moe": 4, "llama4": 4, "olmo2": 4, "exaone4": 4, "exaone-moe": 4, "afmoe": 4,
    "smallthinker": 4, "laguna": 4, "mellum": 4, "muse-glimmer": 4, "plamo3": 8,
}  # fmt: skip
# Of these the first of each n attends to everything.
_FULL_COMES_FIRST = ("cohere2moe", "laguna", "smallthinker")
# Windows that the engine takes where the header has none; llama4's are chunks.
_DEFAULT_WINDOWS = {"gemma2": 4096, "llama4": 8192}

# In the last block most architectures go on with the positions alone whose logits are wanted, of a
# prompt the last one, once attention is done (inp_out_ids in llama.cpp's src/models). These do so
# only behind the last block, unless the layer that guesses ahead is asked for.
_WHOLE_LAST_BLOCK = (
    "bailingmoe3", "cohere2moe", "gemma4", "gpt-oss", "hy-v3", "nemotron_h", "nemotron_h_moe",
    "qwen35", "qwen35moe", "qwen3next", "step35",
)  # fmt: skip

_QUERIES = ("attn_q.", "attn_q_a.", "attn_q_b.", "attn_qkv.")
_STATES = ("ssm_", "time_mix_", "shortconv.")


def work_of(headers: Sequence[Header], name: str = "the model") -> Work:
    """
    The Work of the model that `headers` (one a part, first part first) describe.

    Args:
        headers: As read; the weights need not be there.
        name: What error messages call it.

    Raises:
        ModelInvalid: No language model, or parts that do not belong together.
    """
    check_parts(headers, name)
    facts = HeaderFacts(headers[0], name)
    tensors = [tensor for header in headers for tensor in header.tensors]
    facts.check_is_model(tensors)
    read = list(readings(facts, tensors))
    layers = _Layers(facts, read)
    routed = [reading for reading in read if reading.is_routed]
    type_read_bytes: Counter[str] = Counter()
    type_params: Counter[str] = Counter()
    expert_params: Counter[str] = Counter()
    for reading in read:
        type_read_bytes[reading.tensor.type_name] += reading.n_bytes
        if _multiplies(reading, facts):
            type_params[reading.tensor.type_name] += reading.n_elements
            if reading.is_routed:
                expert_params[reading.tensor.type_name] += reading.n_elements
    weights_bytes = sum(tensor.n_bytes for tensor in tensors)
    token_read_bytes = sum(type_read_bytes.values())
    return Work(
        architecture=facts.architecture,
        weights_bytes=weights_bytes,
        token_read_bytes=token_read_bytes or weights_bytes,
        expert_read_bytes=sum(reading.n_bytes for reading in routed),
        expert_bytes=sum(reading.tensor.n_bytes for reading in routed),
        n_params_multiplied=sum(type_params.values()) or 1,
        type_params=dict(type_params),
        expert_params=dict(expert_params),
        type_read_bytes=dict(type_read_bytes),
        n_blocks=layers.n_blocks(),
        attention=layers.attention(),
        is_recurrent=layers.is_recurrent,
        is_latent=layers.is_latent,
    )


def _skips_last_feed_forward(architecture: str) -> bool:
    """Whether only the last token of a prompt goes through the last block's feed-forward part."""
    return architecture not in _WHOLE_LAST_BLOCK


def _multiplies(reading: Reading, facts: HeaderFacts) -> bool:
    """Whether every token of a prompt is multiplied with it: a matrix within the blocks."""
    if reading.layer is None or len(reading.tensor.shape) == 1:
        return False
    is_last = reading.layer == facts.n_trunk - 1
    is_skipped = is_last and _skips_last_feed_forward(facts.architecture)
    return not (is_skipped and reading.part.startswith("ffn_"))


class _Layers:
    """What each layer of the trunk holds, by the names of its tensors."""

    def __init__(self, facts: HeaderFacts, read: Sequence[Reading]) -> None:
        self._facts = facts
        self._parts: list[set[str]] = [set() for _ in range(facts.n_trunk)]
        for reading in read:
            if reading.layer is not None:
                self._parts[reading.layer].add(reading.part)
        self.is_recurrent = any(self._has(layer, _STATES) for layer in range(facts.n_trunk))
        # Files converted before the engine kept latents hold kv_b instead, and full keys.
        self.is_latent = any("attn_k_b.weight" in parts for parts in self._parts)

    def n_blocks(self) -> int:
        """Pairs of mixer and feed-forward part; some hybrids give each a layer of its own."""
        n_halves = 0
        for layer in range(self._facts.n_trunk):
            # Before a feed-forward part alone, too, the norm is called attn_norm.
            mixes = [part for part in self._parts[layer] if not part.startswith("attn_norm.")]
            has_mixer = any(part.startswith((*_STATES, "attn_")) for part in mixes)
            n_halves += has_mixer + self._has(layer, ("ffn_",))
        return max(1, (n_halves + 1) // 2)

    def attention(self) -> tuple[Attention, ...]:
        """Layers that attend, those alike together; () where none does or heads are unknown."""
        heads = self._facts.per_layer("attention.head_count")
        if heads is None or not any(heads):
            return ()
        ratios = self._facts.metadata.get(f"{self._facts.architecture}.attention.compress_ratios")
        if isinstance(ratios, tuple):
            return self._compressed(ratios, max(heads))
        kv_heads = self._facts.per_layer("attention.head_count_kv") or heads
        slides = self._slides()
        window = self._window()
        alike: Counter[Attention] = Counter()
        for layer in range(self._facts.n_trunk):
            if not self._attends(layer) or not heads[layer] or not kv_heads[layer]:
                continue
            part = self._one(heads[layer], kv_heads[layer], slides[layer], max(heads))
            if slides[layer]:
                part = part.model_copy(update={"n_positions_max": window})
            alike[part] += 1
        return tuple(part.model_copy(update={"n_layer": n}) for part, n in alike.items())

    def _compressed(self, ratios: Sequence[Value], n_head: int) -> tuple[Attention, ...]:
        facts = self._facts
        # The list may be longer than the model: layers that guess ahead come last.
        counts = [int(ratio) for ratio in ratios[: facts.n_trunk] if isinstance(ratio, int)]
        width, window = facts.required("attention.key_length"), self._window() or 1
        index_width = facts.optional("attention.indexer.key_length") or 0
        return compressed_attention(counts, n_head, width, window, index_width)

    def _one(self, n_head: int, n_head_kv: int, is_sliding: bool, most_heads: int) -> Attention:
        facts = self._facts
        # As the engine: where no key gives a head's width, the embedding is shared out.
        default = facts.required("embedding_length") // most_heads
        key = facts.optional("attention.key_length") or default
        value = facts.optional("attention.value_length") or default
        if is_sliding:
            key = facts.optional("attention.key_length_swa") or key
            value = facts.optional("attention.value_length_swa") or value
        if self.is_latent:
            rank = facts.optional("attention.kv_lora_rank") or value
            key = rank + (facts.optional("rope.dimension_count") or key - rank)
            return Attention(
                n_layer=1,
                n_key_elements=key,
                n_value_elements=0,
                n_head=n_head,
                head_key_length=key,
                head_value_length=rank,
            )
        return Attention(
            n_layer=1,
            n_key_elements=n_head_kv * key,
            n_value_elements=n_head_kv * value,
            n_head=n_head,
            head_key_length=key,
            head_value_length=value,
        )

    def _attends(self, layer: int) -> bool:
        # Layers of gated linear attention have an attn_qkv too, beside their states.
        if self._has(layer, ("attn_qkv.",)) and self._has(layer, _STATES):
            return False
        return self._has(layer, _QUERIES)

    def _has(self, layer: int, beginnings: tuple[str, ...]) -> bool:
        return any(part.startswith(beginnings) for part in self._parts[layer])

    def _window(self) -> int | None:
        window = self._facts.optional("attention.sliding_window")
        if window is None or (window and self._facts.architecture == "llama4"):
            window = _DEFAULT_WINDOWS.get(self._facts.architecture)
        return window or None

    def _slides(self) -> list[bool]:
        """For each layer of the file whether a window limits its attention."""
        facts, n_layer = self._facts, self._facts.n_layer
        if self._window() is None:
            return [False] * n_layer
        given = facts.metadata.get(f"{facts.architecture}.attention.sliding_window_pattern")
        if isinstance(given, tuple) and len(given) == n_layer:
            return [bool(slides) for slides in given]
        every = given if type(given) is int else _EVERY_NTH_IS_FULL.get(facts.architecture)
        if not every:
            return [False] * n_layer
        full = 0 if facts.architecture in _FULL_COMES_FIRST else every - 1
        return [layer % every != full for layer in range(n_layer)]
