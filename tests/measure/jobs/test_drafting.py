"""What stood in the text before, looked up as quickly as looked for by hand."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from harness.measure.jobs.drafting import LONGEST, SHORTEST, NgramDrafter
from harness.measure.jobs.speculation import write
from measure.jobs.test_speculation import Toy

TEXTS = st.lists(st.integers(0, 3), min_size=1, max_size=30)


def by_hand(text: Sequence[int], n_most: int) -> list[int]:
    """From the last place back, the longest match first; what follows it, as if it went on so."""
    for length in range(LONGEST, SHORTEST - 1, -1):
        wanted = list(text[-length:])
        for start in range(len(text) - length - 1, -1, -1):
            if len(wanted) == length and list(text[start : start + length]) == wanted:
                whole = list(text)
                for at in range(start + length, start + length + n_most):
                    whole.append(whole[at])
                return whole[len(text) :]
    return []


@given(TEXTS, st.lists(TEXTS, max_size=4), st.integers(1, 6))
def test_what_is_guessed_of_a_growing_text_is_what_is_found_in_it_by_hand(
    prompt: list[int], pieces: list[list[int]], n_most: int
) -> None:
    drafter, text = NgramDrafter(), list(prompt)
    drafter.begin(text)
    assert drafter.guess(text, n_most) == by_hand(text, n_most)
    for piece in pieces:
        text += piece
        assert drafter.guess(text, n_most) == by_hand(text, n_most)


def test_a_text_that_repeats_itself_is_guessed_on_without_end() -> None:
    drafter = NgramDrafter()
    assert drafter.guess([7, 7, 7], 5) == [7] * 5
    assert NgramDrafter().guess([1, 2, 3, 1, 2, 3, 1, 2], 5) == [3, 1, 2, 3, 1]
    assert NgramDrafter().guess([1, 2, 3, 4], 5) == []
    # A single token that was met before says too little.
    assert NgramDrafter().guess([1, 2, 1], 5) == []


@given(st.integers(0, 999), st.integers(1, 2), TEXTS, st.integers(1, 60), st.integers(1, 8))
def test_a_model_that_is_guessed_for_writes_what_it_would_have_written(
    seed: int, width: int, text: list[int], n_tokens: int, n_most: int
) -> None:
    plain = write(Toy(seed, width, text[:-1]), text, n_tokens)
    drafter = NgramDrafter()
    drafter.begin(text[:-1])
    toy = Toy(seed, width, text[:-1])
    written = write(toy, text, n_tokens, drafter, n_most)
    assert written.tokens == plain.tokens
    # So short a memory repeats itself soon, and then every guess is right.
    if n_tokens == 60:
        assert len(toy.batches) < 60
