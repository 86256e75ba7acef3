"""What a sequence of a context holds, taken out of the engine and put back."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import llama_cpp.llama_cpp as lib

LEAST_FREE = 2
"""So many times what a copy takes must be free, in memory or on the disk: as much again is left."""


class SavedState:
    """The cache of one sequence, as it is now: `n_bytes`, of which a copy may be taken."""

    def __init__(self, context: object, sequence: int) -> None:
        self._context = context
        self._sequence = sequence
        self._bytes: ctypes.Array[ctypes.c_uint8] | None = None
        self.n_bytes = int(lib.llama_state_seq_get_size(context, sequence))

    def make_room(self) -> None:
        """Memory for a copy, so that taking it is the engine's copying alone."""
        self._bytes = (ctypes.c_uint8 * self.n_bytes)()

    def take(self) -> None:
        """Copies what the sequence holds."""
        if self._bytes is None:
            self.make_room()
        lib.llama_state_seq_get_data(self._context, self._bytes, self.n_bytes, self._sequence)

    def put_back(self) -> bool:
        """Makes the sequence hold what was taken; False where the engine cannot."""
        size = lib.llama_state_seq_set_data(
            self._context, self._bytes, self.n_bytes, self._sequence
        )
        return bool(size)

    def write(self, path: Path, tokens: Sequence[int]) -> bool:
        """Writes what the sequence holds, with the tokens that it came of; False if that failed."""
        array = (lib.llama_token * len(tokens))(*tokens)
        name = str(path).encode()
        n = lib.llama_state_seq_save_file(self._context, name, self._sequence, array, len(tokens))
        return bool(n)

    def read(self, path: Path, n_tokens: int) -> bool:
        """Makes the sequence, which holds nothing, hold what was written; False if that failed."""
        array = (lib.llama_token * n_tokens)()
        count = ctypes.c_size_t()
        name = str(path).encode()
        n = lib.llama_state_seq_load_file(
            self._context, name, self._sequence, array, n_tokens, ctypes.byref(count)
        )
        return bool(n) and count.value == n_tokens
