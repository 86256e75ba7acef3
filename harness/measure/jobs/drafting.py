"""What guesses how a text goes on: a smaller model, or what stood in the text before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

LONGEST, SHORTEST = 4, 2
"""How many of the last tokens are looked for; a single one is met again too often to mean much."""


@dataclass
class NgramDrafter:
    """
    Guesses what followed the last tokens where they stood last before: of a match of LONGEST tokens
    where there is one, else of fewer, down to SHORTEST. Where that runs into the end of the text,
    it goes on with what was guessed, as a text that repeats itself does.

    For one text, which only grows.
    """

    _followed: dict[tuple[int, ...], int] = field(default_factory=dict)
    """Tokens in a row to the place of what followed them last."""
    _n_learned: int = 0

    def begin(self, tokens: Sequence[int]) -> None:
        """Reads the prompt."""
        self._learn(tokens)

    def guess(self, tokens: Sequence[int], n_most: int) -> list[int]:
        """Up to `n_most` tokens that may follow `tokens`: all of them, or none."""
        self._learn(tokens)
        place = self._place(tokens)
        if place is None:
            return []
        whole = list(tokens)
        for offset in range(n_most):
            whole.append(whole[place + offset])
        return whole[len(tokens) :]

    def _learn(self, tokens: Sequence[int]) -> None:
        for place in range(max(self._n_learned, SHORTEST), len(tokens)):
            for length in range(SHORTEST, min(LONGEST, place) + 1):
                self._followed[tuple(tokens[place - length : place])] = place
        self._n_learned = len(tokens)

    def _place(self, tokens: Sequence[int]) -> int | None:
        for length in range(min(LONGEST, len(tokens)), SHORTEST - 1, -1):
            place = self._followed.get(tuple(tokens[-length:]))
            if place is not None:
                return place
        return None
