"""Conversations of several users at once, beside one alone: speed, waiting and memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.analysis.conversations import Conversation, conversations
from harness.analysis.measured import Measured
from harness.analysis.stats import interval as stats
from harness.schema.figure import Figure


@dataclass(frozen=True)
class Users:
    """
    So many users of one kind of conversation.

    Attributes:
        tok_per_s: Tokens of all answers over the time of all turns, prompts included.
        per_user: Tokens a second while one of them gets an answer; None of answers of one token.
        context_bytes: The engine's buffers for all of them; None of a server.
        apart_bytes: What as many contexts of one user each take; None where one alone was not
            measured, or by a server.
    """

    conversation: Conversation
    n_users: int
    tok_per_s: Figure
    per_user: Figure | None
    ttft_kept: Figure | None
    context_bytes: float | None
    apart_bytes: float | None


def sharings(group: Measured) -> Iterator[tuple[str, tuple[Users, ...]]]:
    """Each kind of conversation that several users had, with the users from few to many."""
    known: dict[str, list[Conversation]] = {}
    for it in conversations(group):
        known.setdefault(it.task.alone.name, []).append(it)
    for name, each in known.items():
        if any(it.task.n_sequences > 1 for it in each):
            alone = next((it for it in each if it.task.n_sequences == 1), None)
            ordered = sorted(each, key=lambda it: it.task.n_sequences)
            yield name, tuple(_users(it, alone) for it in ordered)


def _users(it: Conversation, alone: Conversation | None) -> Users:
    n_users = it.task.n_sequences
    figures = it.case.disturbed if it.is_disturbed else it.case.metrics
    one_bytes = alone.case.context_bytes if alone else None
    return Users(
        conversation=it,
        n_users=n_users,
        tok_per_s=stats.estimate(it.tok_per_s, "tok/s"),
        per_user=figures.get("tok_per_s_per_user", figures.get("decode_tok_per_s")),
        ttft_kept=figures.get("ttft_kept"),
        context_bytes=it.case.context_bytes,
        apart_bytes=None if one_bytes is None else n_users * one_bytes,
    )
