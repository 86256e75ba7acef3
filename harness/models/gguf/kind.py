"""What a header says that its model does."""

from __future__ import annotations

from collections.abc import Mapping

from harness.models.gguf.header import Header
from harness.schema.model_kind import ModelKind, kind_of

POOLING: Mapping[int, str] = {1: "mean", 2: "first token", 3: "last token", 4: "rank"}
"""llama.h, enum llama_pooling_type: how one vector, or a score, becomes of a text."""


def header_kind(header: Header) -> ModelKind:
    """The kind of the model in the file of `header`; of a split model, the first part's."""
    architecture = header.metadata.get("general.architecture")
    is_causal, pooling = reading_keys(header)
    name = architecture if isinstance(architecture, str) else ""
    return kind_of(name, is_causal=is_causal, pooling=pooling)


def reading_keys(header: Header) -> tuple[bool | None, int | None]:
    """Whether its attention is causal, and how it pools; None where it does not say."""
    keys = header.metadata
    architecture = keys.get("general.architecture")
    is_causal = keys.get(f"{architecture}.attention.causal")
    pooling = keys.get(f"{architecture}.pooling_type")
    return (
        is_causal if isinstance(is_causal, bool) else None,
        pooling if isinstance(pooling, int) else None,
    )
