"""What is in a context's cache, token by token, so that only what is new has to be read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.engine.context import Context
from harness.engine.saved_state import LEAST_FREE, SavedState
from harness.machine.memory import available_memory_bytes

Tokens = NDArray[np.int32]


class KeptCache:
    """
    The tokens that each sequence of a context holds.

    Where the model can drop the end of a cache, what a new prompt has in common with the old one is
    kept. Where it cannot (recurrent states, sliding windows), all of it is kept if the new prompt
    goes on behind it, else as much as stood there when `mark` was called, else nothing.
    """

    def __init__(self, context: Context, *, can_rewind: bool) -> None:
        self._context = context
        self._can_rewind = can_rewind
        self.forget()

    def forget(self) -> None:
        """Empties the cache."""
        self._context.clear()
        n = self._context.n_sequences
        self._held: list[Tokens] = [np.empty(0, np.int32) for _ in range(n)]
        self._marks: list[tuple[int, SavedState] | None] = [None] * n

    def held(self, sequence: int = 0) -> Tokens:
        """What a sequence holds."""
        return self._held[sequence]

    def keep(self, tokens: Tokens, sequence: int = 0) -> int:
        """How many of the first `tokens` a sequence holds, when it holds nothing else any more."""
        held = self._held[sequence]
        # The last one is computed in any case: what follows it is asked for.
        n_common = min(common_length(held, tokens), len(tokens) - 1)
        if n_common < len(held):
            n_common = self._cut(n_common, sequence)
        self._held[sequence] = tokens[:n_common]
        return n_common

    def _cut(self, n_keep: int, sequence: int) -> int:
        if self._can_rewind and self._context.rewind(n_keep, sequence):
            return n_keep
        self._context.rewind(0, sequence)
        mark = self._marks[sequence]
        if mark is not None and mark[0] <= n_keep and mark[1].put_back():
            return mark[0]
        return 0

    def read(self, tokens: Tokens, sequence: int = 0) -> None:
        """Computes `tokens` behind what a sequence holds."""
        held = self._held[sequence]
        if self._context.n_sequences == 1:
            self._context.prompt(tokens.tolist())()
        else:
            self._context.parallel_prompts(tokens[None, :], len(held), sequence)()
        self._held[sequence] = np.concatenate((held, tokens))

    def step(self, tokens: Sequence[int]) -> None:
        """Computes one more token of each sequence together."""
        if len(tokens) == 1:
            self._context.prompt(tokens)()
        else:
            firsts = np.array([len(held) for held in self._held], np.int32)
            self._context.parallel_steps(np.array([tokens], np.int32), firsts)(None)
        for sequence, token in enumerate(tokens):
            self._held[sequence] = np.append(self._held[sequence], np.int32(token))

    def share(self, tokens: Tokens) -> None:
        """Computes `tokens` once, at the beginning of every sequence; all of them hold nothing."""
        self.read(tokens)
        for sequence in range(1, self._context.n_sequences):
            self._context.copy(0, sequence)
            self._held[sequence] = tokens

    def mark(self, sequence: int = 0) -> None:
        """
        Remembers what a sequence holds, where the model cannot drop the end of a cache and memory
        has room for a copy.
        """
        if self._can_rewind:
            return
        self._marks[sequence] = None  # before another copy is made
        state = self._context.saved(sequence)
        if available_memory_bytes() >= LEAST_FREE * state.n_bytes:
            state.take()
            self._marks[sequence] = len(self._held[sequence]), state


def common_length(a: Tokens, b: Tokens) -> int:
    """How many tokens both begin with."""
    n = min(len(a), len(b))
    different = np.flatnonzero(a[:n] != b[:n])
    return int(different[0]) if len(different) else n


def shared_length(prompts: Sequence[Tokens]) -> int:
    """How many tokens all of several begin with; of one alone none is shared."""
    first, *others = prompts
    return min((common_length(first, other) for other in others), default=0)
