"""Random weights for the tensors of a twin, made once a type and used again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from numpy.random import Generator

from harness.models.gguf.header import Tensor
from harness.models.gguf.part import HeaderPart
from harness.models.gguf.tensor_types import TYPES_BY_NAME
from harness.models.twin.blocks import (
    EMBEDDING_RMS,
    ROUTED_EMBEDDING_RMS,
    WEIGHT_RMS,
    random_blocks,
    stored,
)
from harness.models.twin.tensors import expert_table, is_expert_table, small_numbers

# Random weights are made once a type and written again and again: making 12 GB of them would take
# longer than writing. Large enough that no cache of a processor holds it and no file system
# finds the repetition, small enough to be made in some milliseconds.
_STOCK_BYTES = 8 << 20
_FLOATS = ("F32", "F16", "BF16", "F64")


def stocks_for(parts: Sequence[HeaderPart], rng: Generator) -> Stocks:
    """What a model of these parts is filled from; its keys stand in the first one."""
    keys = parts[0].header.metadata
    n_expert = keys.get(f"{keys.get('general.architecture')}.expert_count")
    if not isinstance(n_expert, int) or not n_expert:
        return Stocks(rng)
    has_head = any(
        tensor.name == "output.weight" for part in parts for tensor in part.header.tensors
    )
    return Stocks(rng, ROUTED_EMBEDDING_RMS if has_head else EMBEDDING_RMS, n_expert)


class Stocks:
    """
    Random weights of each type, made when first needed and used again from changing places.

    `embedding_rms` is the root mean square of what tokens are looked up in.
    """

    def __init__(
        self, rng: Generator, embedding_rms: float = EMBEDDING_RMS, n_expert: int = 1
    ) -> None:
        self.rng = rng
        self._embedding_rms = embedding_rms
        self._n_expert = n_expert
        self._stocks: dict[tuple[str, float], memoryview] = {}

    def pieces(self, tensor: Tensor) -> Iterator[memoryview]:
        """The data of `tensor`, in pieces of at most some megabytes."""
        if is_expert_table(tensor):
            yield expert_table(tensor, self._n_expert, self.rng).data
            return
        if tensor.type_name in _FLOATS:
            numbers = small_numbers(tensor, self.rng)
            if numbers is not None:
                yield stored(numbers, tensor.type_name).data
                return
        block_bytes = TYPES_BY_NAME[tensor.type_name].block_bytes
        rms = self._embedding_rms if "token_embd." in tensor.name else WEIGHT_RMS
        stock = self._stock(tensor.type_name, rms)
        start = int(self.rng.integers(len(stock) // block_bytes)) * block_bytes
        n_left = tensor.n_bytes
        while n_left:
            piece = stock[start : start + n_left]
            yield piece
            n_left -= len(piece)
            start = 0

    def _stock(self, type_name: str, rms: float) -> memoryview:
        if (type_name, rms) not in self._stocks:
            # A prime number of blocks shares no factor with a row, so rows do not repeat.
            n_blocks = _prime_below(_STOCK_BYTES // TYPES_BY_NAME[type_name].block_bytes)
            blocks = random_blocks(type_name, n_blocks, self.rng, rms)
            self._stocks[type_name, rms] = blocks.reshape(-1).data
        return self._stocks[type_name, rms]


def _prime_below(n: int) -> int:
    while any(n % divisor == 0 for divisor in range(2, int(n**0.5) + 1)):
        n -= 1
    return n
