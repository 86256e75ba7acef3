"""Conversations turn by turn, for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.conversations import Turn, conversations
from harness.analysis.measured import Measured
from harness.schema.figure import Figure
from harness.schema.request import History
from harness.schema.settings import AnySettings


@dataclass(frozen=True, slots=True)
class TurnDocument:
    """
    One turn, or the last one asked once more.

    Attributes:
        number: From 1.
        history: Whether it found all of the conversation in the cache, nothing, or what stood
            before a message that was changed.
        n_prompt: Tokens of the whole conversation; null where nobody counts them.
        n_cached: Those of them that were in the cache; null where a server does not tell.
        ttft: Nanoseconds to the first token.
        tok_per_s: Of its answer; null of one that has a single token.
        evicted: Whether much of what the turn before had left was no longer in the cache.
    """

    number: int
    history: History
    n_prompt: int | None
    n_cached: int | None
    ttft: Figure
    tok_per_s: Figure | None
    evicted: bool


@dataclass(frozen=True, slots=True)
class ConversationDocument:
    """
    A conversation of one configuration.

    Attributes:
        model: Its key.
        settings: How the engine was set up.
        workload: Its name, "turns8".
        disturbed: Whether its figures are from disturbed trials alone.
        context_full: For which turn the context had no room, in a sentence; null where it had.
        turns: As they came, then the last one asked once more.
    """

    model: str
    settings: AnySettings
    workload: str
    disturbed: bool
    context_full: str | None
    turns: tuple[TurnDocument, ...]


def conversation_documents(groups: Sequence[Measured]) -> Iterator[ConversationDocument]:
    """Of every configuration that conversations were measured of."""
    for group in groups:
        for it in conversations(group):
            yield ConversationDocument(
                model=group.model.key,
                settings=group.settings,
                workload=it.case.workload,
                disturbed=it.is_disturbed,
                context_full=it.full,
                turns=tuple(map(_turn, it.turns)),
            )


def _turn(turn: Turn) -> TurnDocument:
    return TurnDocument(
        number=turn.number,
        history=turn.history,
        n_prompt=turn.n_prompt,
        n_cached=turn.n_cached,
        ttft=turn.ttft,
        tok_per_s=turn.tok_per_s,
        evicted=turn.is_evicted,
    )
