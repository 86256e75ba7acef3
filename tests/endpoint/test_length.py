from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.endpoint.length import prompt_of, with_new_nonce
from harness.errors import HarnessError

TEXT = (
    "When the rain had stopped, the engineer walked along the river and counted the boats that "
    "were tied to the old wooden pier; twelve of them were blue, and one had lost its mast."
)

COUNTS: dict[str, Callable[[str], int]] = {
    "bytes": lambda text: 12 + len(text),
    "four characters": lambda text: 30 + len(text) // 4,
    "words": lambda text: 3 + len(text.split()),
    "a template of a thousand": lambda text: 1000 + len(text) // 5,
}


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("n_tokens", [64, 512, 1811, 16_384])
def test_a_length_is_met_in_few_calls(name: str, n_tokens: int) -> None:
    calls: list[str] = []

    def count(text: str) -> int:
        calls.append(text)
        return COUNTS[name](text)

    if n_tokens < count("4821 9377 1162 5570"):
        with pytest.raises(HarnessError, match="the shortest has"):
            prompt_of(n_tokens, count, Random(1), TEXT)
        return
    prompt = prompt_of(n_tokens, count, Random(1), TEXT)

    assert abs(COUNTS[name](prompt) - n_tokens) <= max(2, 0.02 * n_tokens)
    assert len(calls) <= 8


@given(
    st.integers(30, 3000),
    st.integers(0, 25),
    st.floats(1, 9),
    st.integers(0, 2**32),
)
def test_any_tokenizer_that_does_not_leap_is_met(
    n_tokens: int, n_template: int, n_characters: float, seed: int
) -> None:
    def count(text: str) -> int:
        return n_template + int(len(text) / n_characters)

    if count("4821 9377 1162 5570") > n_tokens:
        return
    prompt = prompt_of(n_tokens, count, Random(seed), TEXT)

    assert abs(count(prompt) - n_tokens) <= max(2, 0.02 * n_tokens)


def test_a_count_that_leaps_is_given_up_with_the_nearest() -> None:
    with pytest.raises(HarnessError, match="the nearest has 512"):
        prompt_of(300, lambda text: 512 if len(text) > 900 else 10, Random(1), TEXT)


def test_no_two_prompts_begin_alike() -> None:
    rng = Random(1)
    prompts = [prompt_of(100, COUNTS["four characters"], rng, TEXT) for _ in range(20)]

    assert len({prompt[:4] for prompt in prompts}) >= 18
    assert len({prompt[:20] for prompt in prompts}) == 20


def test_another_nonce_is_as_long() -> None:
    prompt = prompt_of(100, COUNTS["four characters"], Random(1), TEXT)
    other = with_new_nonce(prompt, Random(2))

    assert other[:20] != prompt[:20]
    assert other[20:] == prompt[20:]


def test_the_words_are_those_of_the_text() -> None:
    prompt = prompt_of(300, COUNTS["words"], Random(1), TEXT)

    assert set(prompt.split()[4:-1]) <= set(TEXT.split())
