"""The request for one answer, as servers of either kind take it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Api = Literal["openai", "ollama"]
"""OpenAI's chat completions, which nearly all servers have, or Ollama's own chat."""

PATHS: dict[Api, str] = {"openai": "/v1/chat/completions", "ollama": "/api/chat"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose body is written, so that none of it is done while the clock runs."""

    path: str
    body: bytes
    model: str


Message = tuple[Literal["system", "user", "assistant"], str]
"""Who says it, and what."""


def chat_call(
    model: str, text: str, n_tokens: int, api: Api, seed: int, *, is_streaming: bool = True
) -> Call:
    """A chat of one message whose prompt is not cached, where that can be asked for."""
    return conversation_call(
        model,
        [("user", text)],
        n_tokens,
        api,
        seed,
        is_streaming=is_streaming,
        uses_cache=False,
    )


def conversation_call(
    model: str,
    messages: Sequence[Message],
    n_tokens: int,
    api: Api,
    seed: int,
    *,
    is_streaming: bool = True,
    uses_cache: bool = True,
) -> Call:
    """
    The next answer of a chat, of `n_tokens` tokens where the server can be told so.

    The most likely token is taken each time, and the answer goes on behind its end where the server
    knows how (keys that a server does not know, it passes over).
    """
    told = [{"role": role, "content": text} for role, text in messages]
    body: dict[str, Any] = {"model": model, "messages": told, "stream": is_streaming}
    if api == "ollama":
        body["options"] = {"num_predict": n_tokens, "seed": seed, "temperature": 0}
    else:
        body |= {
            "max_tokens": n_tokens,
            "min_tokens": n_tokens,
            "ignore_eos": True,
            "temperature": 0,
            "seed": seed,
            "cache_prompt": uses_cache,
        }
        if is_streaming:
            body["stream_options"] = {"include_usage": True}
    return Call(PATHS[api], json.dumps(body).encode(), model)
