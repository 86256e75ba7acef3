"""Guesses never change what is written, whatever is guessed: on toy models, without an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from harness.measure.jobs.speculation import write

N_VOCAB = 5


@dataclass
class Toy:
    """What follows depends on the last tokens alone; it refuses to be asked out of order."""

    seed: int
    width: int
    text: list[int]
    batches: list[int] = field(default_factory=list)
    _first: int = 0

    def after(self, text: Sequence[int]) -> int:
        mixed = self.seed
        for token in text[-self.width :]:
            mixed = (mixed * 31 + token + 7) % 10_007
        return mixed % N_VOCAB

    def read(self, tokens: Sequence[int]) -> None:
        self._first = len(self.text)
        self.text += tokens
        self.batches.append(len(tokens))

    def likeliest(self, row: int) -> int:
        assert 0 <= row < len(self.text) - self._first
        return self.after(self.text[: self._first + row + 1])

    def rewind(self, n_keep: int) -> None:
        assert self._first < n_keep < len(self.text)
        del self.text[n_keep:]


@dataclass
class Guesser:
    """Guesses what it was told to, right or wrong, and sees that the text only grows."""

    guesses: list[list[int]]
    seen: list[int] = field(default_factory=list)

    def begin(self, tokens: Sequence[int]) -> None:
        raise AssertionError("whoever answers has it read the prompt")

    def guess(self, tokens: Sequence[int], n_most: int) -> list[int]:
        assert list(tokens[: len(self.seen)]) == self.seen
        assert n_most > 0
        self.seen = list(tokens)
        return self.guesses.pop()[:n_most] if self.guesses else []


TEXTS = st.lists(st.integers(0, N_VOCAB - 1), min_size=1, max_size=8)
GUESSES = st.lists(st.lists(st.integers(0, N_VOCAB - 1), max_size=6), max_size=40)


@given(st.integers(0, 99), st.integers(1, 3), TEXTS, st.integers(0, 40), GUESSES, st.integers(0, 6))
def test_what_is_written_is_what_each_token_by_itself_would_have_been(
    seed: int, width: int, text: list[int], n_tokens: int, guesses: list[list[int]], n_most: int
) -> None:
    plain = write(Toy(seed, width, text[:-1]), text, n_tokens)
    toy = Toy(seed, width, text[:-1])
    shown: list[int] = []
    guesser = Guesser(guesses)
    written = write(
        toy, text, n_tokens, guesser, n_most, on_tokens=shown.extend, clock=count().__next__
    )
    assert written.tokens == shown == plain.tokens
    assert len(written.tokens) == n_tokens
    # All but the last token is read, and nothing else is left of what was.
    assert toy.text == ([*text, *written.tokens][:-1] if n_tokens else text[:-1])
    assert toy.batches == [1 + n for n in written.drafted]
    assert all(a <= d <= n_most for a, d in zip(written.accepted, written.drafted, strict=True))
    assert sum(written.accepted) + len(written.stamps) == n_tokens
    assert written.stamps == sorted(written.stamps)
    assert len(plain.stamps) == n_tokens
    assert not any(plain.drafted)


@given(st.integers(0, 99), TEXTS, st.integers(1, 40), st.integers(1, 6))
def test_who_always_guesses_right_is_asked_least(
    seed: int, text: list[int], n_tokens: int, n_most: int
) -> None:
    plain = write(Toy(seed, 2, text[:-1]), text, n_tokens).tokens
    whole = [*text, *plain]

    class Oracle(Guesser):
        def guess(self, tokens: Sequence[int], n_most: int) -> list[int]:
            return whole[len(tokens) : len(tokens) + n_most]

    toy = Toy(seed, 2, text[:-1])
    written = write(toy, text, n_tokens, Oracle([]), n_most)
    assert written.tokens == plain
    assert written.accepted == written.drafted
    assert len(toy.batches) == -(-n_tokens // (n_most + 1))
