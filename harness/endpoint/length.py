"""A prompt of a chosen length in tokens, as the server counts them, that no cache has seen."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random

from harness.errors import HarnessError

# Of English, at first; what the server counts corrects it.
_CHARACTERS_PER_TOKEN = 4
_MOST_CALLS = 16
_TOLERANCE = 0.02
_TOLERANCE_TOKENS = 2
_GROUPS, _LEAST, _MOST = 4, 1000, 9999
# Digits, whose number of tokens depends on how many they are, and hardly on which.
_NONCE_CHARACTERS = 5 * _GROUPS


def prompt_of(n_tokens: int, count: Callable[[str], int], rng: Random, text: str) -> str:
    """
    A prompt within 2 %, or 2 tokens, of `n_tokens`.

    It begins with 16 random digits: caches compare prompts from their beginning, and would answer
    from what the last one left. Words of `text` follow, from a random one on.

    Args:
        n_tokens: As many as the server shall count, its chat template's own among them.
        count: How many it counts for a prompt.
        rng: For what is random.
        text: Words of a natural language, repeated where they do not suffice.

    Raises:
        HarnessError: There is no such prompt: the template alone is longer, or the server counts in
            leaps.
    """
    words = _from_random_word(text, rng)
    low, high = (0, 0), (0, 0)  # characters and the tokens they came to; 0 where not yet known
    n_characters = max(0, n_tokens * _CHARACTERS_PER_TOKEN - _NONCE_CHARACTERS)
    nearest = 0
    for call in range(_MOST_CALLS):
        prompt = nonce(rng) + words(n_characters)
        n_found = count(prompt)
        if abs(n_found - n_tokens) <= max(_TOLERANCE_TOKENS, _TOLERANCE * n_tokens):
            return prompt
        if not nearest or abs(n_found - n_tokens) < abs(nearest - n_tokens):
            nearest = n_found
        if n_found < n_tokens:
            low = (n_characters, n_found)
        elif n_characters == 0:
            raise HarnessError(
                f"no prompt of {n_tokens} tokens can be made: the shortest has {n_found}, with "
                "those of the chat template; choose a longer one"
            )
        else:
            high = (n_characters, n_found)
        n_characters = _next(n_tokens, low, high, is_halving=call % 3 == 2)
    raise HarnessError(
        f"no prompt of {n_tokens} tokens was found in {_MOST_CALLS} attempts; the nearest has "
        f"{nearest}"
    )


def with_new_nonce(prompt: str, rng: Random) -> str:
    """A prompt of `prompt_of` with other digits at its begin, for the next request."""
    return nonce(rng) + prompt[_NONCE_CHARACTERS:]


def nonce(rng: Random) -> str:
    """Four groups of four random digits, as a line: "4821 9377 1162 5570"."""
    groups = (str(rng.randint(_LEAST, _MOST)) for _ in range(_GROUPS))
    return " ".join(groups) + "\n"


def _next(n_tokens: int, low: tuple[int, int], high: tuple[int, int], *, is_halving: bool) -> int:
    """The characters to try: by proportion, between both ends once they are known."""
    if not high[1]:
        # Below it, whatever the template takes: so the slope is that of the text alone, at least.
        return low[0] + max(
            1, (n_tokens - low[1]) * max(_CHARACTERS_PER_TOKEN, low[0] // max(1, low[1]))
        )
    if is_halving:
        return (low[0] + high[0]) // 2
    slope = (high[0] - low[0]) / max(1, high[1] - low[1])
    between = low[0] + round((n_tokens - low[1]) * slope)
    return min(max(between, low[0] + 1 if low[1] else 0), high[0] - 1)


def _from_random_word(text: str, rng: Random) -> Callable[[int], str]:
    """The first characters of `text` without end, from a random word of it on."""
    words = text.split()
    start = rng.randrange(len(words))
    turned = " ".join([*words[start:], *words[:start]]) + " "

    def first(n_characters: int) -> str:
        repeats = itertools.repeat(turned, n_characters // len(turned) + 1)
        return "".join(repeats)[:n_characters].rstrip()

    return first
