"""
Writing an answer, each token by itself or several guessed ahead: what is written is the same.

A step reads the last token and the guesses behind it in one batch. The likeliest token behind the
last one is right by definition; while it is what was guessed, so is the one behind that. The first
that differs ends the step, and what was read of wrong guesses is forgotten. So each step gives one
token more than it had right guesses.

Nothing here knows of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Protocol

from harness.schema.request import Speculation


class Reader(Protocol):
    """A model and what it has read so far."""

    def read(self, tokens: Sequence[int]) -> None:
        """Reads `tokens` behind what it has read, in one batch."""

    def likeliest(self, row: int) -> int:
        """The token that follows number `row` of those read last."""

    def rewind(self, n_keep: int) -> None:
        """Forgets all that it has read behind the first `n_keep` tokens."""


class Drafter(Protocol):
    """What guesses how a text goes on, which grows from call to call."""

    def begin(self, tokens: Sequence[int]) -> None:
        """Reads the prompt."""

    def guess(self, tokens: Sequence[int], n_most: int) -> list[int]:
        """Up to `n_most` tokens that may follow `tokens`: the prompt and all that is written."""


@dataclass
class Written:
    """
    What was written behind a first token, step by step.

    `stamps` are readings of the clock behind each step; `drafted` and `accepted` count its guesses
    and the right ones. `draft_ns` of all of the time went into guessing.
    """

    tokens: list[int] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    drafted: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    draft_ns: int = 0

    @property
    def speculation(self) -> Speculation:
        """The same as a record keeps it."""
        return Speculation(
            drafted=tuple(self.drafted), accepted=tuple(self.accepted), draft_ns=self.draft_ns
        )


def write(
    reader: Reader,
    text: Sequence[int],
    n_tokens: int,
    drafter: Drafter | None = None,
    n_most: int = 0,
    *,
    on_tokens: Callable[[Sequence[int]], None] = lambda _: None,
    clock: Callable[[], int] = perf_counter_ns,
) -> Written:
    """
    The `n_tokens` likeliest tokens behind `text`, one step after the other.

    Args:
        reader: Has read all of `text` but its last token.
        text: A prompt, and what was written so far.
        n_tokens: How many to write.
        drafter: Guesses, and knows the prompt; None: each token by itself.
        n_most: The most guesses of a step.
        on_tokens: Told what each step gives, within its time.
        clock: Nanoseconds.
    """
    written = Written()
    tokens = list(text)
    n_end = len(tokens) + n_tokens
    while len(tokens) < n_end:
        guesses: list[int] = []
        # The step gives a token beside its guesses, so that many are not wanted.
        n_wanted = min(n_most, n_end - len(tokens) - 1)
        if drafter is not None:
            started_ns = clock()
            guesses = drafter.guess(tokens, n_wanted)[:n_wanted] if n_wanted else []
            written.draft_ns += clock() - started_ns
        reader.read([tokens[-1], *guesses])
        new = _right(reader, guesses)
        tokens += new
        if len(new) <= len(guesses):
            reader.rewind(len(tokens) - 1)
        on_tokens(new)
        written.stamps.append(clock())
        written.drafted.append(len(guesses))
        written.accepted.append(len(new) - 1)
    written.tokens = tokens[len(text) :]
    return written


def _right(reader: Reader, guesses: Sequence[int]) -> list[int]:
    """What really follows, as far as the guesses were right and one token more."""
    found: list[int] = []
    for row in range(len(guesses) + 1):
        found.append(reader.likeliest(row))
        if row == len(guesses) or found[-1] != guesses[row]:
            break
    return found
