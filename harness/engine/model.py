"""A loaded model: its vocabulary, its chat template, its contexts."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import llama_cpp.llama_cpp as lib

from harness.engine import log
from harness.engine.context import Context
from harness.engine.failure import EngineFailed
from harness.engine.library import Engine
from harness.engine.params import context_params, model_params
from harness.engine.tensors import tensors_by_buffer
from harness.engine.vocabulary import Vocabulary
from harness.schema.experiment import ChatTemplate
from harness.schema.model_kind import ModelKind
from harness.schema.settings import Settings

Message = tuple[Literal["system", "user", "assistant"], str]
"""Who says it, and what."""

_USUAL_TEMPLATE = b"chatml"  # by its name in llama-chat.cpp


def load_model(
    engine: Engine,
    path: str,
    settings: Settings,
    *,
    kind: ModelKind = "generates",
    only_plans: bool = False,
) -> Model:
    """
    The model at `path`, ready for contexts; with `only_plans` nothing is read but its header, and
    its contexts are planned, not allocated. `kind` is what its header says that it does.

    Raises:
        EngineFailed: Damaged file, unknown architecture, not enough memory, no such device.
    """
    engine.forget_log()
    params, keep = model_params(settings, engine.ggml)
    if only_plans:
        params.no_alloc = True
        params.load_mode = lib.LLAMA_LOAD_MODE_NONE  # the library aborts with any other
    handle = lib.llama_model_load_from_file(path.encode(), params)
    del keep  # what the params pointed to had to outlive the call above
    if not handle:
        reason = log.cause(engine.errors(), "model-invalid")
        raise EngineFailed(reason, log.explanation(engine.errors()))
    return Model(engine, handle, settings, kind)


class Model:
    """A loaded model."""

    def __init__(self, engine: Engine, handle: object, settings: Settings, kind: ModelKind) -> None:
        self.engine = engine
        self._kind = kind
        self._handle = handle
        self._settings = settings
        self.weights = engine.buffers()
        self._vocab = lib.llama_model_get_vocab(handle)
        self.n_vocab = int(lib.llama_vocab_n_tokens(self._vocab))
        # A twin made from the catalogue's shape has none, nor a file converted without.
        self.has_tokenizer = bool(lib.llama_vocab_type(self._vocab) != lib.LLAMA_VOCAB_TYPE_NONE)
        self.n_ctx_train = int(lib.llama_model_n_ctx_train(handle))
        self.bos = lib.llama_vocab_bos(self._vocab) if self._adds_bos() else None
        # Removing the tail of a cache is exact where every cell is kept; sliding windows and
        # recurrent states forget.
        self._has_window = bool(lib.llama_model_n_swa(handle))
        self._has_state = bool(
            lib.llama_model_is_recurrent(handle) or lib.llama_model_is_hybrid(handle)
        )
        self.can_rewind = not (self._has_window or self._has_state)

    def why_unforgettable(self, n_tokens: int) -> str | None:
        """
        Why the last `n_tokens` that a context has read cannot be taken back; None where they can.

        A sliding window's cache has room for a micro-batch more than the window holds
        (llama_kv_cache_iswa), so what is read in one overwrites nothing that is still needed: with
        more than that, logits of a tiny model were off by 4, with less by what rounding does.
        """
        if self._has_state:
            return "it has recurrent layers, which keep no single tokens"
        if self._has_window and n_tokens > self._settings.n_ubatch:
            return (
                f"it has sliding-window layers, which keep a micro-batch of "
                f"{self._settings.n_ubatch} tokens more than they need, and a step has {n_tokens}"
            )
        return None

    def _adds_bos(self) -> bool:
        return bool(lib.llama_vocab_get_add_bos(self._vocab))

    @contextlib.contextmanager
    def context(
        self,
        n_ctx: int,
        settings: Settings | None = None,
        *,
        n_sequences: int = 1,
        is_shared: bool = False,
        beside: Context | None = None,
    ) -> Iterator[Context]:
        """
        A context of `n_ctx` positions for all of `n_sequences`, freed at the end; `settings` None
        takes the model's own. With `is_shared` they lie in one pool, else each has an equal part.
        One that computes in turn with another, `beside` it, shares its threads: those of two pools
        would wait for work on the same cores.

        Raises:
            EngineFailed: It does not fit into memory, or the settings do not go together.
        """
        settings = settings or self._settings
        if n_sequences > settings.n_batch:
            # The library would abort.
            raise EngineFailed(
                "settings-invalid",
                f"{n_sequences} sequences are more than a batch of {settings.n_batch} tokens takes",
            )
        self.engine.forget_log()
        params = context_params(settings, n_ctx, self._kind, n_sequences, is_shared=is_shared)
        handle = lib.llama_init_from_model(self._handle, params)
        if not handle:
            reason = log.cause(self.engine.errors(), "context-failed")
            raise EngineFailed(
                reason,
                f"no context of {n_ctx} positions: {log.explanation(self.engine.errors())}",
            )
        pool = self._attach_threadpool(handle, beside.threadpool if beside else 0)
        try:
            yield Context(
                handle,
                self.engine.buffers(),
                reads_whole=self._reads_whole(handle),
                threadpool=pool,
            )
        finally:
            lib.llama_free(handle)
            if pool and beside is None:
                self.engine.ggml.free_threadpool(pool)

    def _reads_whole(self, context: object) -> bool:
        """Whether a text goes in at once: by the header, or by what the engine says."""
        return (
            self._kind != "generates"
            or bool(lib.llama_model_has_encoder(self._handle))
            or not lib.llama_model_has_decoder(self._handle)
            or bool(lib.llama_model_is_diffusion(self._handle))
            or not lib.llama_get_memory(context)
        )

    def _attach_threadpool(self, context: object, shared: int) -> int:
        # As llama-bench does. Without OpenMP (macOS) the library would otherwise start and end
        # its threads at every single step.
        attach = getattr(lib._lib, "llama_attach_threadpool", None)
        pool = shared
        if attach and not pool:
            pool = self.engine.ggml.new_threadpool(self._settings.n_threads)
        if attach and pool:
            attach.argtypes = [lib.llama_context_p_ctypes, ctypes.c_void_p, ctypes.c_void_p]
            attach.restype = None
            attach(context, pool, None)
        return pool

    def vocabulary(self) -> Vocabulary:
        """
        See vocabulary.py.

        Raises:
            EngineFailed: The model has no tokenizer.
        """
        return Vocabulary(self._handle)

    def tensors_by_buffer(self) -> Mapping[str, tuple[str, ...]]:
        """See tensors.py."""
        return tensors_by_buffer(self._handle, self.engine.ggml, self.engine.rpc)

    def tokenize(self, text: str) -> list[int]:
        """
        The tokens of `text`, with what the model adds in front; markup is parsed.

        Only for models that have a tokenizer: without, the library would abort.
        """
        data = text.encode()
        tokens = (lib.llama_token * (len(data) + 8))()
        n = lib.llama_tokenize(self._vocab, data, len(data), tokens, len(tokens), True, True)
        if n < 0:
            raise EngineFailed("decode-failed", f"llama_tokenize answered {n}")
        return list(tokens[:n])

    def piece(self, token: int) -> bytes:
        """The text of one token; may end in the middle of a character; none without tokenizer."""
        if not self.has_tokenizer:
            return b""  # the library would abort
        buffer = ctypes.create_string_buffer(256)
        n = lib.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(n, 0)]

    def chat_text(self, message: str) -> tuple[str, ChatTemplate]:
        """`message` as the model's own chat template wraps it, and whether it did; bare if not."""
        template = lib.llama_model_chat_template(self._handle, None)
        if not template:
            return message, "absent"
        text = _templated(template, [("user", message)])
        # llama.cpp's own short list has none like it.
        return (message, "unknown") if text is None else (text, "applied")

    def conversation_text(self, messages: Sequence[Message]) -> tuple[str, ChatTemplate]:
        """
        All of `messages` as the model's own chat template puts them, with the beginning of an
        answer, and whether it did: where there is none, or none that llama.cpp knows, its usual
        one is taken, ChatML, as its own programs do.

        Raises:
            EngineFailed: Not even that takes them.
        """
        template = lib.llama_model_chat_template(self._handle, None)
        text = _templated(template, messages) if template else None
        if text is not None:
            return text, "applied"
        text = _templated(_USUAL_TEMPLATE, messages)
        if text is None:
            raise EngineFailed(
                "settings-invalid", f"no chat template takes {len(messages)} messages"
            )
        return text, "unknown" if template else "absent"

    @contextlib.contextmanager
    def greedy_sampler(self) -> Iterator[object]:
        """Always the likeliest token, never an end-of-generation one, so that lengths agree."""
        ends = [t for t in range(self.n_vocab) if lib.llama_vocab_is_eog(self._vocab, t)]
        biases = (lib.llama_logit_bias * max(len(ends), 1))()
        for bias, token in zip(biases, ends, strict=False):
            bias.token, bias.bias = token, float("-inf")
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        lib.llama_sampler_chain_add(
            chain, lib.llama_sampler_init_logit_bias(self.n_vocab, len(ends), biases)
        )
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_greedy())
        try:
            yield chain
        finally:
            lib.llama_sampler_free(chain)

    def close(self) -> None:
        """Frees the weights."""
        lib.llama_model_free(self._handle)


def _templated(template: bytes, messages: Sequence[Message]) -> str | None:
    """Messages as a template puts them; None where llama.cpp knows none like it."""
    told = [(role.encode(), text.encode()) for role, text in messages]
    turns = (lib.llama_chat_message * len(told))(*(lib.llama_chat_message(*it) for it in told))
    n_bytes = sum(len(text) for _, text in told) * 2 + 4096
    while True:
        buffer = ctypes.create_string_buffer(n_bytes)
        n = lib.llama_chat_apply_template(template, turns, len(told), True, buffer, n_bytes)
        if n <= n_bytes:
            break
        n_bytes = n  # a template with a long text of its own
    return buffer.raw[:n].decode(errors="replace") if n > 0 else None
