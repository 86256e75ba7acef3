"""The request for one answer, as servers of either kind take it."""

from __future__ import annotations

import json
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


def chat_call(
    model: str, text: str, n_tokens: int, api: Api, seed: int, *, is_streaming: bool = True
) -> Call:
    """
    A chat of one message, whose answer has `n_tokens` tokens where the server can be told so.

    The most likely token is taken each time, prompts are not cached where that can be asked for,
    and the answer goes on behind its end where the server knows how (keys that a server does not
    know, it passes over).
    """
    messages = [{"role": "user", "content": text}]
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": is_streaming}
    if api == "ollama":
        body["options"] = {"num_predict": n_tokens, "seed": seed, "temperature": 0}
    else:
        body |= {
            "max_tokens": n_tokens,
            "min_tokens": n_tokens,
            "ignore_eos": True,
            "temperature": 0,
            "seed": seed,
            "cache_prompt": False,
        }
        if is_streaming:
            body["stream_options"] = {"include_usage": True}
    return Call(PATHS[api], json.dumps(body).encode(), model)
