"""Batches of several sequences, laid out in memory before the clock starts."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import llama_cpp.llama_cpp as lib
import numpy as np
from numpy.typing import NDArray

_Int32 = NDArray[np.int32]


@dataclass(frozen=True)
class Batches:
    """
    Calls of llama_decode, one after the other; they point into `arrays`.

    The arrays are numpy's, not llama_batch_init's: filled without a loop over tokens, and gone with
    this object.
    """

    calls: tuple[lib.llama_batch, ...]
    arrays: tuple[NDArray[np.generic], ...]


def prompt_batches(tokens: _Int32, first: int, n_batch: int, sequence: int = 0) -> Batches:
    """
    Row i of `tokens` for sequence `sequence` + i, from position `first` on, all rows one behind the
    other.

    What is asked for is what follows each row's last token. As llama-batched-bench, cut into calls
    of `n_batch` tokens, wherever that falls.
    """
    n_sequences, n_tokens = tokens.shape
    positions = np.tile(np.arange(first, first + n_tokens), n_sequences)
    sequences = np.repeat(np.arange(sequence, sequence + n_sequences), n_tokens)
    outputs = np.zeros(tokens.shape, dtype=np.int8)
    outputs[:, -1] = 1
    return _laid_out(tokens, positions, sequences, outputs, n_batch)


def step_batches(tokens: _Int32, first: int | _Int32) -> Batches:
    """
    Row i of `tokens` at position `first` + i, which may be another one for each sequence: a call
    with a token of every sequence.
    """
    n_steps, n_sequences = tokens.shape
    positions = (np.arange(n_steps)[:, None] + np.full(n_sequences, first)).ravel()
    sequences = np.tile(np.arange(n_sequences), n_steps)
    outputs = np.ones(tokens.shape, dtype=np.int8)
    return _laid_out(tokens, positions, sequences, outputs, n_sequences)


def _laid_out(
    tokens: _Int32,
    positions: NDArray[np.int64],
    sequences: NDArray[np.int64],
    outputs: NDArray[np.int8],
    n_each: int,
) -> Batches:
    ids = np.ascontiguousarray(tokens, dtype=np.int32).ravel()
    places = positions.astype(np.int32)
    flags = outputs.ravel()
    counts = np.ones(len(ids), dtype=np.int32)
    numbers = sequences.astype(np.int32)
    # llama_batch wants a pointer to the sequences of each token.
    pointers = (numbers.ctypes.data + numbers.itemsize * np.arange(len(ids))).astype(np.uintp)
    calls = tuple(
        lib.llama_batch(
            n_tokens=min(n_each, len(ids) - start),
            token=_pointer(ids, start, lib.llama_token),
            pos=_pointer(places, start, lib.llama_pos),
            n_seq_id=_pointer(counts, start, ctypes.c_int32),
            seq_id=_pointer(pointers, start, ctypes.POINTER(lib.llama_seq_id)),
            logits=_pointer(flags, start, ctypes.c_int8),
        )
        for start in range(0, len(ids), n_each)
    )
    return Batches(calls, (ids, places, flags, counts, numbers, pointers))


def _pointer(array: NDArray[np.generic], start: int, kind: type) -> object:
    address = array.ctypes.data + start * array.itemsize
    return ctypes.cast(ctypes.c_void_p(address), ctypes.POINTER(kind))
