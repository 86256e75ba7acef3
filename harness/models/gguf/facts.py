"""
A header's keys, checked for type and sense, and which of its weights one token reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from harness.errors import ModelInvalid
from harness.models.gguf.header import Header, Tensor, shown

# llama-hparams.h: LLAMA_MAX_LAYERS; the engine aborts above it.
_MAX_LAYERS = 512
# Tensors of which a token only looks up its own row (ggml's GET_ROWS on an input layer).
_LOOKED_UP = ("token_embd.", "per_layer_token_embd.", "position_embd.", "token_types.")
# Routed experts: all of a layer in one tensor (gate, up, down, gate_up; chexps: GroveMoE), or one
# tensor each as in early Mixtral files. Shared experts (_shexp) run for every token.
_ROUTED_EXPERT = re.compile(r"\.ffn_(?:gate|up|down|gate_up)(?:_(?:ch)?exps\.|\.\d+\.)")
_LAYER = re.compile(r"blk\.(\d+)\.")


class HeaderFacts:
    """The architecture's own keys of a header, checked for type and sense."""

    def __init__(self, header: Header, name: str) -> None:
        self.metadata = header.metadata
        self._name = name
        architecture = header.metadata.get("general.architecture")
        if not isinstance(architecture, str) or not architecture:
            self.fail("it does not name its architecture")
        self.architecture = architecture
        kind = header.metadata.get("general.type", "model")
        if architecture == "clip" or kind != "model":
            self.fail(
                f"it holds {shown(str(kind if kind != 'model' else 'a vision projector'))}, "
                "not the language model itself"
            )
        self.n_layer = self.required("block_count")
        if self.n_layer > _MAX_LAYERS:
            self.fail(f"it claims {self.n_layer} layers, the engine takes {_MAX_LAYERS}")

        # Layers after the trunk only predict further tokens; a model of nothing else is a trunk.
        n_extra = self.optional("nextn_predict_layers") or 0
        self.n_trunk = self.n_layer - n_extra if n_extra < self.n_layer else self.n_layer

    def check_is_model(self, tensors: Sequence[Tensor]) -> None:
        """Nothing, if there are weights at all, and as many heads told as there are layers."""
        if not any(tensor.n_bytes for tensor in tensors):
            self.fail("it holds no weights (perhaps a vocabulary only)")
        for key in ("attention.head_count", "attention.head_count_kv"):
            self.per_layer(key)

    def required(self, key: str) -> int:
        """A number above zero, or ModelInvalid."""
        value = self.optional(key)
        if not value:
            self.fail(f"the key {shown(f'{self.architecture}.{key}')} is missing or zero")
        return value

    def optional(self, key: str) -> int | None:
        """A number, or None if the header has no such key."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return None if value is None else self._count(value, key)

    def per_layer(self, key: str) -> tuple[int, ...] | None:
        """One number a layer, whether the header has one for all or a list; None if it has none."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        if value is None:
            return None
        if not isinstance(value, tuple):
            return (self._count(value, key),) * self.n_layer
        if len(value) != self.n_layer:
            self.fail(f"{shown(key)} has {len(value)} entries for {self.n_layer} layers")
        return tuple(self._count(entry, key) for entry in value)

    def _count(self, value: object, key: str) -> int:
        # Counts are u32 in the engine; sliding-window patterns are lists of booleans.
        if not isinstance(value, int) or not 0 <= value < 1 << 32:
            self.fail(f"{shown(key)} is not a count")
        return int(value)

    def fail(self, what: str) -> NoReturn:
        """ModelInvalid, since `what` makes it no model the engine can run."""
        raise ModelInvalid(
            f"{self._name} is not a model the engine can run: {what}; "
            "check that this is the right file, or download it again"
        )


@dataclass(frozen=True)
class Reading:
    """
    One tensor that decoding a token reads, `n_used` of `n_parts` of it.

    `layer` is None outside the blocks, as in the output head.
    """

    tensor: Tensor
    layer: int | None
    n_used: int = 1
    n_parts: int = 1

    @property
    def n_bytes(self) -> int:
        """Bytes read for one token."""
        return self.tensor.n_bytes * self.n_used // self.n_parts

    @property
    def n_elements(self) -> int:
        """Weights used for one token."""
        return self.tensor.n_elements * self.n_used // self.n_parts

    @property
    def part(self) -> str:
        """Its name within the block, "attn_q.weight"; only for those in one."""
        return self.tensor.name.split(".", 2)[2]

    @property
    def is_routed(self) -> bool:
        """Whether it holds experts of which a token picks some."""
        return self.n_parts > 1


def readings(facts: HeaderFacts, tensors: Sequence[Tensor]) -> Iterator[Reading]:
    """
    The tensors that decoding one token reads, and how much of each.

    Everything, but: of an embedding table one row (nothing, in effect) unless it also serves as
    the output head; of routed experts the share that runs; of layers that only predict further
    tokens (MTP, "nextn") nothing, as plain decoding leaves them out.
    """
    has_head = any(tensor.name == "output.weight" for tensor in tensors)
    n_expert = facts.optional("expert_count") or 0
    n_used = facts.per_layer("expert_used_count")
    for tensor in tensors:
        match = _LAYER.match(tensor.name)
        layer = int(match[1]) if match else None
        if (layer or 0) >= facts.n_trunk or ".nextn." in tensor.name:
            continue
        is_tied_head = tensor.name == "token_embd.weight" and not has_head
        if tensor.name.startswith(_LOOKED_UP) and not is_tied_head:
            continue
        if n_expert and n_used and _ROUTED_EXPERT.search(tensor.name):
            yield Reading(tensor, layer, min(n_used[layer or 0], n_expert), n_expert)
        else:
            yield Reading(tensor, layer)


def token_read_bytes(facts: HeaderFacts, tensors: Sequence[Tensor]) -> int:
    """Bytes of weights that decoding one token reads; all of them where that would be none."""
    total = sum(reading.n_bytes for reading in readings(facts, tensors))
    return total or sum(tensor.n_bytes for tensor in tensors)
