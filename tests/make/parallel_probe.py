"""
What several sequences together give in one context, beside what each of them gives alone.

    python parallel_probe.py FILE     one JSON document; the engine may abort, so it runs here

Prompts of 40 tokens behind 24 cached ones, in calls of 32 tokens that cut them anywhere, then three
steps. After each the logits of every sequence are held against those of a context of its own.
"""

from __future__ import annotations

import json
import sys

import llama_cpp.llama_cpp as lib
import numpy as np
from numpy.typing import NDArray

from harness.engine.context import Context
from harness.engine.library import Engine
from harness.engine.model import load_model
from harness.schema.settings import Settings

N_SEQUENCES, N_DEPTH, N_PROMPT, N_STEPS = 3, 24, 40, 3
Floats = NDArray[np.float32]


def main() -> None:
    engine = Engine(lambda _: None)
    model = load_model(engine, sys.argv[1], Settings(n_threads=1, n_batch=32, n_ubatch=32))
    rng = np.random.default_rng(1)
    n_tokens = N_DEPTH + N_PROMPT + N_STEPS
    tokens = rng.integers(3, model.n_vocab, size=(N_SEQUENCES, n_tokens), dtype=np.int32)
    with model.context(3 * 256, n_sequences=N_SEQUENCES) as context:
        facts = [context.n_ctx, context.n_ctx_each, context.n_sequences]
        first = _steps(context, tokens, model.n_vocab)
        again = _after_return(context, tokens, model.n_vocab, can_rewind=model.can_rewind)
    alone = []
    for row in tokens:
        with model.context(256) as context:
            scored = range(n_tokens - N_STEPS, n_tokens)
            half = n_tokens // 2 // 32 * 32
            context.prompt(row[:half].tolist())()
            alone.append(_logits(context, row[half:], model.n_vocab)[-len(scored) :])
    told = {
        "facts": facts,
        "can_rewind": model.can_rewind,
        "together": first.tolist(),
        "again": again.tolist(),
        "alone": np.swapaxes(np.array(alone), 0, 1).tolist(),
    }
    print(json.dumps(told))


def _steps(context: Context, tokens: NDArray[np.int32], n_vocab: int) -> Floats:
    """Logits of each step and sequence, behind a prompt behind what was cached before."""
    context.clear()
    context.parallel_prompts(tokens[:, :N_DEPTH], 0)()
    context.save()
    return _behind(context, tokens, n_vocab)


def _after_return(
    context: Context, tokens: NDArray[np.int32], n_vocab: int, *, can_rewind: bool
) -> Floats:
    """The same once the cache is as it was before the prompt."""
    assert context.rewind(N_DEPTH) if can_rewind else context.restore()
    return _behind(context, tokens, n_vocab)


def _behind(context: Context, tokens: NDArray[np.int32], n_vocab: int) -> Floats:
    n_before = N_DEPTH + N_PROMPT
    context.parallel_prompts(tokens[:, N_DEPTH:n_before], N_DEPTH)()
    found = []
    for step in range(N_STEPS):
        row = tokens[:, n_before + step][None, :]
        context.parallel_steps(row, n_before + step)(None)
        logits = lib.llama_get_logits(context._handle)
        found.append(np.ctypeslib.as_array(logits, shape=(N_SEQUENCES, n_vocab)).copy())
    return np.array(found)


def _logits(context: Context, tokens: NDArray[np.int32], n_vocab: int) -> Floats:
    """Logits behind each of `tokens`, one after the other."""
    found = []
    for token in tokens.tolist():
        context.steps([token])(None)
        logits = lib.llama_get_logits(context._handle)
        found.append(np.ctypeslib.as_array(logits, shape=(n_vocab,)).copy())
    return np.array(found)


if __name__ == "__main__":
    main()
