"""
What a kept cache gives after each change of a conversation, beside a context that computes it all.

    python kept_probe.py FILE     one JSON document; the engine may abort, so it runs here
"""

from __future__ import annotations

import json
import sys

import llama_cpp.llama_cpp as lib
import numpy as np
from numpy.typing import NDArray

from harness.engine.context import Context
from harness.engine.kept_cache import KeptCache, common_length
from harness.engine.library import Engine
from harness.engine.model import load_model
from harness.schema.settings import Settings

N_USERS = 3
Tokens = NDArray[np.int32]


def main() -> None:
    engine = Engine(lambda _: None)
    model = load_model(engine, sys.argv[1], Settings(n_threads=1, n_batch=32, n_ubatch=32))
    rng = np.random.default_rng(1)

    def some(n: int) -> Tokens:
        return rng.integers(3, model.n_vocab, size=n, dtype=np.int32)

    def fresh(tokens: Tokens) -> list[float]:
        with model.context(256) as context:
            context.prompt(tokens.tolist())()
            return _logits(context, model.n_vocab, 0)

    first = some(70)
    longer = np.concatenate((first, some(30)))
    edited = longer.copy()
    edited[20] = (edited[20] + 1) % model.n_vocab
    told = []
    with model.context(256) as context:
        cache = KeptCache(context, can_rewind=model.can_rewind)
        for tokens in (first, longer, edited, edited[:60]):
            n_kept = cache.keep(tokens)
            cache.read(tokens[n_kept:])
            cache.mark()
            told.append([n_kept, _logits(context, model.n_vocab, 0), fresh(tokens)])
            cache.step([7])
            assert common_length(cache.held(), tokens) == len(tokens)
    prompts = [np.concatenate((first, some(10 + user))) for user in range(N_USERS)]
    with model.context(256, n_sequences=N_USERS, is_shared=True) as context:
        cache = KeptCache(context, can_rewind=model.can_rewind)
        cache.share(first)
        for user, prompt in enumerate(prompts):
            n_kept = cache.keep(prompt, user)
            cache.read(prompt[n_kept:], user)
            told.append([n_kept, _logits(context, model.n_vocab, 0), fresh(prompt)])
        cache.step([5, 6, 7])
        for user, prompt in enumerate(prompts):
            ours = _logits(context, model.n_vocab, user)
            told.append([0, ours, fresh(np.append(prompt, np.int32(5 + user)))])
    print(json.dumps({"can_rewind": model.can_rewind, "told": told}))


def _logits(context: Context, n_vocab: int, row: int) -> list[float]:
    """Behind the last token of a sequence, whose row it is among those of the last batch."""
    found = lib.llama_get_logits(context._handle)
    rows = np.ctypeslib.as_array(found, shape=(row + 1, n_vocab))
    return [float(value) for value in rows[row]]


if __name__ == "__main__":
    main()
