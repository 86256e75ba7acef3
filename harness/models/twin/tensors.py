"""
The small tensors of a twin, where values matter: what they are for decides how they are drawn.

Equal router weights would send every token to the same experts, a norm of zero would end all
signals, and a state that grows instead of fading would overflow.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.models.gguf.header import Tensor
from harness.models.twin.blocks import WEIGHT_RMS

Floats = NDArray[np.float32]


def _normal(mean: float, deviation: float) -> Callable[[Tensor, Generator], Floats]:
    def draw(tensor: Tensor, rng: Generator) -> Floats:
        numbers = rng.standard_normal(tensor.n_elements, dtype=np.float32)
        return numbers * np.float32(deviation) + np.float32(mean)

    return draw


def _uniform(low: float, high: float) -> Callable[[Tensor, Generator], Floats]:
    def draw(tensor: Tensor, rng: Generator) -> Floats:
        return rng.uniform(low, high, tensor.n_elements).astype(np.float32)

    return draw


def _router(tensor: Tensor, rng: Generator) -> Floats:
    # Scores of a normalised input then have a deviation of one, and experts take turns.
    return _normal(0, 1 / math.sqrt(tensor.shape[0]))(tensor, rng)


# Read from the first on; what is in none of them is drawn like weights.
_DRAWS: tuple[tuple[re.Pattern[str], Callable[[Tensor, Generator], Floats]], ...] = (
    (re.compile(r"ffn_gate_inp\.weight"), _router),
    # Divisors of rotation frequencies, 1 and above in every published file.
    (re.compile(r"rope_(freqs|factors)"), _uniform(1, 4)),
    # How fast a state fades: -exp(A_log), with A drawn from 1 to 16 as Mamba begins training.
    (re.compile(r"ssm_a$"), _uniform(-16, -1)),
    (re.compile(r"norm"), _normal(1, 0.1)),
    (re.compile(r"scale"), _uniform(0.9, 1.1)),
    # A correction of the choice of experts, small beside scores between 0 and 1.
    (re.compile(r"exp_probs_b"), _normal(0, 0.01)),
    (re.compile(r"attn_sinks"), _normal(0, 1)),
    (re.compile(r"\.bias$"), _normal(0, WEIGHT_RMS)),
)


def is_expert_table(tensor: Tensor) -> bool:
    """Whether it has, for each token, the experts that the token is sent to."""
    return "ffn_gate_tid2eid." in tensor.name and len(tensor.shape) == 2


def expert_table(tensor: Tensor, n_expert: int, rng: Generator) -> NDArray[np.uint8]:
    """The bytes of such a table: for each token neighbours from a random expert on."""
    n_used, n_tokens = tensor.shape
    first = rng.integers(n_expert, size=(n_tokens, 1))
    return ((first + np.arange(n_used)) % n_expert).astype("<i4").reshape(-1).view(np.uint8)


def small_numbers(tensor: Tensor, rng: Generator) -> Floats | None:
    """The values of `tensor`, one by one; None where any random weights will do."""
    for pattern, draw in _DRAWS:
        if pattern.search(tensor.name):
            return draw(tensor, rng)
    return None
