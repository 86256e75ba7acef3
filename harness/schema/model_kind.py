"""
What a model does: write text, or read one for its vector, or something else.

Decided by what its header says, so before anything of it is loaded. Only a model that writes one
token after the other has a decode speed, a perplexity and a verdict; docs/method/limits.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.schema.workload import USUAL_WORKLOADS, parse_workload
from harness.schema.workload_kind import Workload

ModelKind = Literal[
    "generates", "embeds", "reranks", "encoder-decoder", "diffuses", "drafts", "speaks"
]

# What the pinned engine decides by the architecture alone: without a cache for earlier tokens
# (llama_model::create_memory), by llama_model_has_encoder and llama_model_is_diffusion, with
# attention to both sides whatever the header says (src/models).
_BY_ARCHITECTURE: Mapping[str, ModelKind] = {
    **dict.fromkeys(
        (
            "bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2",
            "jina-bert-v3", "eurobert", "gemma-embedding", "llama-embed", "t5encoder",
        ),
        "embeds",
    ),
    "t5": "encoder-decoder",
    **dict.fromkeys(("dream", "llada", "llada-moe", "rnd1"), "diffuses"),
    **dict.fromkeys(("wavtokenizer-dec", "pockettts", "qwen3tts"), "speaks"),
}  # fmt: skip
# For another model draft eagle3, dflash, dflash2, dspark, gemma4-assistant (src/models).
_DRAFTING_ARCHITECTURE = re.compile(r"(?:eagle|dflash|dspark).*|.*[-_]assistant", re.DOTALL)
# llama.h: enum llama_pooling_type. Converters write one for models that come with a pooling layer
# (modules.json of sentence-transformers); 0 is none, -1 "unspecified".
_POOLS = (1, 2, 3)
_RANKS = 4


@dataclass(frozen=True, slots=True)
class KindFacts:
    """
    A kind in words.

    Attributes:
        title: With its article.
        does: The rest of a sentence about it.
        throughput: What a prompt's tokens per second are of; None where nothing of it can be
            measured alone.
        is_pooled: Whether what it gives is a vector or a score, and not the next tokens.
    """

    title: str
    does: str
    throughput: str | None
    is_pooled: bool = False

    @property
    def noun(self) -> str:
        """The title without its article."""
        return self.title.partition(" ")[2]

    @property
    def text(self) -> str:
        """Title and what it does, as one phrase."""
        return f"{self.title}, which {self.does}"


MODEL_KINDS: Mapping[ModelKind, KindFacts] = {
    "generates": KindFacts("a language model", "writes one token after the other", "prefill"),
    "embeds": KindFacts(
        "an embedding model",
        "reads a text at once and writes none",
        "embedding throughput",
        is_pooled=True,
    ),
    "reranks": KindFacts(
        "a reranker or classifier",
        "reads a text at once and gives a score",
        "embedding throughput",
        is_pooled=True,
    ),
    "encoder-decoder": KindFacts(
        "an encoder-decoder",
        "reads a text at once and writes another beside it",
        "encoder throughput",
    ),
    "diffuses": KindFacts(
        "a diffusion model",
        "fills in a whole text again and again, not one token after the other",
        "throughput of one pass over a text",
    ),
    "drafts": KindFacts("a draft head", "guesses ahead for another model and runs beside it", None),
    "speaks": KindFacts("a part of a speech model", "makes sound and no text", None),
}


def kind_of(
    architecture: str, *, is_causal: bool | None = None, pooling: int | None = None
) -> ModelKind:
    """
    What a model does, by its header.

    Args:
        architecture: As llama.cpp calls it.
        is_causal: `{arch}.attention.causal`; None where the header has no such key.
        pooling: `{arch}.pooling_type`, likewise.
    """
    if _DRAFTING_ARCHITECTURE.fullmatch(architecture):
        return "drafts"
    known = _BY_ARCHITECTURE.get(architecture, "generates")
    if known not in ("generates", "embeds"):
        return known
    if pooling == _RANKS:
        return "reranks"
    return "embeds" if is_causal is False or pooling in _POOLS else known


def with_kind(cls: object, told: Any) -> Any:  # noqa: ARG001 - pydantic asks for it
    """The fields of a ModelFile, with its `kind` by the architecture where they have none."""
    if isinstance(told, dict) and "kind" not in told:
        return {**told, "kind": kind_of(str(told.get("architecture")))}
    return told


def workloads_of(kind: ModelKind, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that a model of the kind can be measured in."""
    return tuple(name for name in names if _is_possible(kind, parse_workload(name)))


def usual_workloads(kinds: Iterable[ModelKind]) -> tuple[str, ...]:
    """Of what is usually measured, all that a model of any of `kinds` can be measured in."""
    possible = {name for kind in kinds for name in workloads_of(kind, USUAL_WORKLOADS)}
    return tuple(name for name in USUAL_WORKLOADS if name in possible)


def _is_possible(kind: ModelKind, workload: Workload) -> bool:
    if kind == "generates":
        return True
    # Of these a text is read whole: nothing lies in a cache before it, or in one beside it.
    can_read = MODEL_KINDS[kind].throughput is not None
    is_alone = not workload.depth and workload.n_sequences == 1
    return can_read and bool(workload.n_prompt) and not workload.n_generated and is_alone
