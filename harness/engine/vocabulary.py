"""A model's vocabulary: which tokens there are, and what a text becomes in it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import llama_cpp.llama_cpp as lib
import numpy as np
from numpy.typing import NDArray

from harness.engine import log
from harness.engine.failure import EngineFailed
from harness.engine.library import Engine

Tokens = NDArray[np.int32]
# SPEC_VOCAB_MAX_SIZE_DIFFERENCE and SPEC_VOCAB_CHECK_START_TOKEN_ID of common/speculative.cpp.
_MOST_MORE_TOKENS, _N_MARKS = 128, 5


class NoTokenizer(EngineFailed):
    """A model's tokens have no texts."""


class Vocabulary:
    """
    The vocabulary of a model. `bos` is None where the model does not want one in front of a text.

    Raises:
        NoTokenizer: The model has no tokenizer; the library would abort when it is used.
    """

    def __init__(self, model: object) -> None:
        self._vocab = lib.llama_model_get_vocab(model)
        self._kind = int(lib.llama_vocab_type(self._vocab))
        if self._kind == lib.LLAMA_VOCAB_TYPE_NONE:
            raise NoTokenizer("model-invalid", "it has no tokenizer, and so no text goes into it")
        self.n_tokens = int(lib.llama_vocab_n_tokens(self._vocab))
        adds_bos = bool(lib.llama_vocab_get_add_bos(self._vocab))
        self.bos = int(lib.llama_vocab_bos(self._vocab)) if adds_bos else None

    def tokens_of(self, text: bytes) -> Tokens:
        """
        The tokens of `text` (UTF-8), BOS in front where the model wants one, markup not parsed.

        As llama.cpp's common_tokenize with add_special; an end mark that some models add is left
        out, for it would be scored as if it belonged to the text.
        """
        found = np.empty(len(text) + 8, dtype=np.int32)
        n = self._tokenize(text, found)
        if n < 0:  # more tokens than bytes: a space may be three bytes in the vocabulary
            found = np.empty(-n, dtype=np.int32)
            n = self._tokenize(text, found)
        if n < 0:
            raise EngineFailed("decode-failed", f"llama_tokenize answered {n}")
        if n and lib.llama_vocab_get_add_eos(self._vocab):
            n -= int(found[n - 1]) == int(lib.llama_vocab_eos(self._vocab))
        return found[:n].copy()

    def _tokenize(self, text: bytes, room: Tokens) -> int:
        pointer = room.ctypes.data_as(lib.llama_token_p)
        answer = lib.llama_tokenize(self._vocab, text, len(text), pointer, len(room), True, False)
        return int(answer)

    def sha256(self) -> str:
        """
        The digest of all tokens' texts in their order, the kind of tokenizer and what begins a
        text. Scores and flags are left out: conversions differ in them, and no figure depends on
        them beyond the tokens that a text becomes.
        """
        digest = hashlib.sha256(f"{self._kind} {self.n_tokens} {self.bos}\n".encode())
        for token in range(self.n_tokens):
            text = lib.llama_vocab_get_text(self._vocab, token) or b""
            digest.update(len(text).to_bytes(4, "little") + text)
        return digest.hexdigest()

    def why_unlike(self, draft: Vocabulary) -> str | None:
        """
        Why the tokens of a `draft` are not this model's, half a sentence; None where they are.

        What llama.cpp asks for (common_speculative_are_compatible): the same kind of tokenizer, the
        same token before a text, at most 128 tokens more or less, and the same text of each but the
        first five, which are marks.
        """
        if self._kind != draft._kind:
            return "it has another kind of tokenizer"
        if self.bos != draft.bos:
            return "it wants another token before a text"
        sizes = self.n_tokens, draft.n_tokens
        if abs(sizes[0] - sizes[1]) > _MOST_MORE_TOKENS:
            return f"it has {sizes[1]} tokens and the model {sizes[0]}"
        for token in range(_N_MARKS, min(sizes)):
            texts = [lib.llama_vocab_get_text(it._vocab, token) for it in (self, draft)]
            if texts[0] != texts[1]:
                shown = [ascii((text or b"").decode(errors="replace")[:20]) for text in texts]
                return f"its token {token} is {shown[1]} and the model's {shown[0]}"
        return None


@contextlib.contextmanager
def vocabulary_alone(engine: Engine, path: str) -> Iterator[Vocabulary]:
    """
    The vocabulary of the model at `path`, of which nothing else is read; gone at the end.

    Raises:
        EngineFailed: Damaged file, unknown architecture, no tokenizer.
    """
    engine.forget_log()
    params = lib.llama_model_default_params()
    params.vocab_only = True
    handle = lib.llama_model_load_from_file(path.encode(), params)
    if not handle:
        reason = log.cause(engine.errors(), "model-invalid")
        raise EngineFailed(reason, log.explanation(engine.errors()))
    try:
        yield Vocabulary(handle)
    finally:
        lib.llama_model_free(handle)
