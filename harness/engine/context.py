"""A context: its cache, and prompts and steps laid out in memory before the clock starts."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from time import perf_counter_ns

import llama_cpp.llama_cpp as lib
import numpy as np
from numpy.typing import NDArray

from harness.engine.failure import EngineFailed
from harness.engine.saved_state import SavedState
from harness.engine.sequences import prompt_batches, step_batches
from harness.schema.experiment import Buffer


class Context:
    """
    A context and its cache. `buffers` are the engine's own figures; of `n_ctx` positions, which
    `n_sequences` share in equal parts of `n_ctx_each`, it is given `n_batch` in one call at most,
    and computes `n_ubatch` at once.

    With `reads_whole` a text goes in at once, and nothing can be decoded behind it. `threadpool`
    computes, ggml's handle of it; 0: the library's own.
    """

    def __init__(
        self,
        handle: object,
        buffers: tuple[Buffer, ...],
        *,
        reads_whole: bool = False,
        threadpool: int = 0,
    ) -> None:
        self.buffers = buffers
        self.threadpool = threadpool
        self._handle = handle
        self._memory = lib.llama_get_memory(handle)
        self._saved: list[SavedState] = []
        self.n_ctx = int(lib.llama_n_ctx(handle))
        self.n_ctx_each = int(lib.llama_n_ctx_seq(handle))
        self.n_sequences = int(lib.llama_n_seq_max(handle))
        self.n_batch = int(lib.llama_n_batch(handle))
        self.n_ubatch = int(lib.llama_n_ubatch(handle))
        self._n_at_once = self.n_ubatch if reads_whole else None
        has_encoder = bool(lib.llama_model_has_encoder(lib.llama_get_model(handle)))
        self._encodes = has_encoder or not self._memory

    def clear(self) -> None:
        """Empties the cache."""
        lib.llama_memory_clear(self._memory, False)

    def wake(self, position: int = 0) -> None:
        """
        Decodes one token of each sequence for nothing, so that the compute threads are awake when a
        clock starts.

        They fall asleep while the worker waits for its parent; the step that wakes them took
        0.15 to 0.2 ms longer. llama-bench never pauses between its repetitions.

        Args:
            position: How many tokens each of several sequences has.
        """
        if self.n_sequences == 1:
            self.prompt([0])()
        else:
            self.parallel_steps(np.zeros((1, self.n_sequences), np.int32), position)(None)

    def save(self) -> None:
        """Remembers the cache as it is, for `restore`."""
        self._saved = [SavedState(self._handle, it) for it in range(self.n_sequences)]
        for state in self._saved:
            state.take()

    def restore(self) -> bool:
        """Puts back what `save` remembered; False where the engine cannot."""
        self.clear()
        return bool(self._saved) and all(state.put_back() for state in self._saved)

    def saved(self, sequence: int = 0) -> SavedState:
        """What a sequence holds now, of which no copy is taken yet."""
        return SavedState(self._handle, sequence)

    def rewind(self, n_keep: int, sequence: int | None = None) -> bool:
        """
        Drops all positions of every sequence, or of one, from `n_keep` on; False where the engine
        cannot.
        """
        which = range(self.n_sequences) if sequence is None else (sequence,)
        return all(lib.llama_memory_seq_rm(self._memory, it, n_keep, -1) for it in which)

    def copy(self, source: int, target: int) -> None:
        """Gives a sequence that holds nothing all that another holds; in a common pool no copy."""
        lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def prompt(self, tokens: Sequence[int]) -> Callable[[], None]:
        """
        A function that prefills `tokens` in chunks of n_batch and synchronizes once at the end.

        All memory is laid out here, so that calling the result costs nothing but the engine.

        Raises:
            EngineFailed: The model reads a text at once, and this one is longer than a micro-batch.
        """
        if self._n_at_once is not None and len(tokens) > self._n_at_once:
            # The library would abort.
            raise EngineFailed(
                "context-too-large",
                f"this model reads a text at once, and {len(tokens)} tokens are more than a "
                f"micro-batch of {self._n_at_once}",
            )
        chunks = [tokens[i : i + self.n_batch] for i in range(0, len(tokens), self.n_batch)]
        arrays = [(lib.llama_token * len(chunk))(*chunk) for chunk in chunks]
        batches = [lib.llama_batch_get_one(array, len(array)) for array in arrays]
        # What has no cache is encoded, and of an encoder-decoder the encoder is what reads.
        compute = lib.llama_encode if self._encodes else lib.llama_decode
        return self._computed(compute, batches, arrays)

    def parallel_prompts(
        self, tokens: NDArray[np.int32], first: int, sequence: int = 0
    ) -> Callable[[], None]:
        """
        The same of several sequences, of which each has as many tokens.

        Args:
            tokens: A row for each sequence.
            first: The position of each row's first token.
            sequence: Of the first row.

        Raises:
            EngineFailed: The model does not write one token after the other.
        """
        self.require_decoding()
        batches = prompt_batches(tokens, first, self.n_batch, sequence)
        return self._computed(lib.llama_decode, batches.calls, batches.arrays)

    def verification(self, tokens: Sequence[int]) -> Callable[[], None]:
        """
        A function that does what `read` does, and synchronizes at the end.

        Raises:
            EngineFailed: The model does not write, or they are more than a batch takes.
        """
        self.require_decoding()
        if len(tokens) > self.n_batch:
            raise EngineFailed(
                "settings-invalid",
                f"{len(tokens)} tokens at once are more than a batch of {self.n_batch} takes",
            )
        batch, arrays = _asked_of_all(tokens)
        return self._computed(lib.llama_decode, [batch], arrays)

    def _computed(
        self, compute: Callable[..., int], batches: Sequence[lib.llama_batch], arrays: object
    ) -> Callable[[], None]:
        """A function that computes `batches`, which point into `arrays`, one synchronize behind."""
        handle, synchronize = self._handle, lib.llama_synchronize

        def run() -> None:
            for batch in batches:
                result = compute(handle, batch)
                if result:
                    raise _decode_failed(result)
            synchronize(handle)
            _ = arrays

        return run

    def steps(self, tokens: Sequence[int]) -> Callable[[int | None], list[int]]:
        """
        A function that decodes `tokens` one by one, synchronizing after every step.

        It returns one time stamp a step (perf_counter_ns), taken when the step was complete. It
        stops early after the first stamp that is past its argument, when that is not None.
        """
        self.require_decoding()
        array = (lib.llama_token * len(tokens))(*tokens)
        width = ctypes.sizeof(lib.llama_token)
        singles = [lib.llama_token.from_buffer(array, i * width) for i in range(len(tokens))]
        batches = [lib.llama_batch_get_one(ctypes.pointer(single), 1) for single in singles]
        return self._stamped(batches, array)

    def parallel_steps(
        self, tokens: NDArray[np.int32], first: int | NDArray[np.int32]
    ) -> Callable[[int | None], list[int]]:
        """
        The same of several sequences: a step decodes a row of `tokens`, one for each of them.

        Args:
            tokens: A row for each step.
            first: The position of the first row, or that of each sequence.

        Raises:
            EngineFailed: The model does not write one token after the other.
        """
        self.require_decoding()
        batches = step_batches(tokens, first)
        return self._stamped(batches.calls, batches.arrays)

    def _stamped(
        self, batches: Sequence[lib.llama_batch], arrays: object
    ) -> Callable[[int | None], list[int]]:
        """A function that decodes `batches`, which point into `arrays`, and stamps each."""
        handle, decode, synchronize = self._handle, lib.llama_decode, lib.llama_synchronize

        def run(until_ns: int | None) -> list[int]:
            stamps: list[int] = []
            for batch in batches:
                result = decode(handle, batch)
                if result:
                    raise _decode_failed(result)
                synchronize(handle)
                stamps.append(perf_counter_ns())
                if until_ns is not None and stamps[-1] >= until_ns:
                    break
            _ = arrays
            return stamps

        return run

    def logits(self, tokens: NDArray[np.int32], scored: range, n_vocab: int) -> NDArray[np.float32]:
        """
        The logits after each position in `scored`, when `tokens` are decoded from an empty cache.

        Args:
            tokens: No more than one batch takes; else the rows would not lie in one piece.
            scored: Positions in `tokens`. Only these are computed to the end.
            n_vocab: Tokens of the model's vocabulary.

        Returns:
            Shape (len(scored), n_vocab): the engine's own memory, overwritten by the next call.

        Raises:
            EngineFailed: The engine refused, or the model gives no logits.
        """
        self.require_decoding()
        self.clear()
        tokens = np.ascontiguousarray(tokens, dtype=np.int32)
        flags = np.zeros(len(tokens), dtype=np.int8)
        flags[scored.start : scored.stop] = 1
        batch = lib.llama_batch_get_one(tokens.ctypes.data_as(lib.llama_token_p), len(tokens))
        batch.logits = flags.ctypes.data_as(ctypes.POINTER(ctypes.c_int8))
        result = lib.llama_decode(self._handle, batch)
        if result:
            raise _decode_failed(result)
        found = lib.llama_get_logits(self._handle)
        if not found:
            raise EngineFailed("decode-failed", "this model gives no logits")
        return np.ctypeslib.as_array(found, shape=(len(scored), n_vocab))

    def read(self, tokens: Sequence[int]) -> None:
        """
        Decodes `tokens` behind what is in the cache, in one batch, each with the logits of what
        follows it, for `sample`. No more than a batch takes.
        """
        batch, _arrays = _asked_of_all(tokens)
        result = lib.llama_decode(self._handle, batch)
        if result:
            raise _decode_failed(result)

    def sample(self, sampler: object, row: int = -1) -> int:
        """The next token after token `row` of the last batch; after the last one without it."""
        return int(lib.llama_sampler_sample(sampler, self._handle, row))

    def require_decoding(self) -> None:
        """
        Nothing, if the model writes one token after the other.

        Raises:
            EngineFailed: It does not, whatever its header says.
        """
        if self._n_at_once is not None:
            raise EngineFailed(
                "settings-invalid",
                "this model does not write one token after the other: it has neither a decode "
                "speed nor a perplexity",
            )


def _asked_of_all(tokens: Sequence[int]) -> tuple[lib.llama_batch, object]:
    """
    A batch of `tokens` behind what is in the cache, each with the logits of what follows it; and
    what it points into.
    """
    array = (lib.llama_token * len(tokens))(*tokens)
    flags = (ctypes.c_int8 * len(tokens))(*(1 for _ in tokens))
    batch = lib.llama_batch_get_one(array, len(tokens))
    batch.logits = flags
    return batch, (array, flags)


def _decode_failed(result: int) -> EngineFailed:
    if result == 1:
        return EngineFailed("context-too-large", "the context is full: no room for this batch")
    return EngineFailed("decode-failed", f"llama_decode answered {result}")
