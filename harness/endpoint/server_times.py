"""
What servers themselves say of a request: their times, and how many tokens they counted. Pure.

    llama-server    `timings` of its last event: prompt_ms holds the first token too
    vLLM            `metrics` beside the usage, with --enable-per-request-metrics
    Ollama          durations in the last line of its own chat, in nanoseconds
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.endpoint.events import Document
from harness.endpoint.values import count, mapping, scaled
from harness.schema.request import ServerTimes

_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens, as the server counts them: `n_prompt` with those that it had cached."""

    n_prompt: int | None = None
    n_cached: int | None = None
    n_tokens: int | None = None


def openai_counts(usage: Document, timings: Document) -> Counts:
    """Those of the usage, and where that is silent those of llama-server's timings."""
    n_computed, n_reused = count(timings.get("prompt_n")), count(timings.get("cache_n"))
    details = mapping(usage.get("prompt_tokens_details"))
    n_cached = count(details.get("cached_tokens"))
    n_prompt = count(usage.get("prompt_tokens"))
    if n_prompt is None and n_computed is not None and n_reused is not None:
        n_prompt = n_computed + n_reused
    n_tokens = count(usage.get("completion_tokens"))
    return Counts(
        n_prompt,
        n_reused if n_cached is None else n_cached,
        count(timings.get("predicted_n")) if n_tokens is None else n_tokens,
    )


def openai_times(timings: Document, metrics: Document, n_tokens: int | None) -> ServerTimes | None:
    """Those of llama-server or of vLLM; None where there are neither."""
    if timings:
        return _told(
            ServerTimes(
                prompt_ns=scaled(timings.get("prompt_ms"), _NS_PER_MS),
                n_prompt=count(timings.get("prompt_n")),
                decode_ns=scaled(timings.get("predicted_ms"), _NS_PER_MS),
                n_tokens=count(timings.get("predicted_n")),
                n_draft=count(timings.get("draft_n")),
                n_draft_accepted=count(timings.get("draft_n_accepted")),
            )
        )
    queue_ns = scaled(metrics.get("queue_time_ms"), _NS_PER_MS)
    first_ns = scaled(metrics.get("time_to_first_token_ms"), _NS_PER_MS)
    gap_ns = scaled(metrics.get("mean_itl_ms"), _NS_PER_MS)
    # Its first token is counted from the arrival, so that waiting is in it.
    prompt_ns = None if first_ns is None or queue_ns is None else max(0, first_ns - queue_ns)
    decode_ns = None if gap_ns is None or not n_tokens else gap_ns * (n_tokens - 1)
    return _told(
        ServerTimes(
            queue_ns=queue_ns,
            prompt_ns=prompt_ns,
            decode_ns=decode_ns,
            n_tokens=None if decode_ns is None else n_tokens,
        )
    )


def ollama_counts(last: Document) -> Counts:
    """Those of the line that ends Ollama's own chat."""
    return Counts(
        count(last.get("prompt_eval_count")),
        count(last.get("prompt_eval_cached_count")),
        count(last.get("eval_count")),
    )


def ollama_times(last: Document) -> ServerTimes | None:
    """
    Those of the line that ends Ollama's own chat.

    Its count of the prompt holds cached tokens; how many it computed is told by versions alone that
    count those too.
    """
    counts = ollama_counts(last)
    n_computed = None
    if counts.n_prompt is not None and counts.n_cached is not None:
        n_computed = max(0, counts.n_prompt - counts.n_cached)
    return _told(
        ServerTimes(
            load_ns=count(last.get("load_duration")),
            prompt_ns=count(last.get("prompt_eval_duration")),
            n_prompt=n_computed,
            decode_ns=count(last.get("eval_duration")),
            n_tokens=counts.n_tokens,
        )
    )


def _told(times: ServerTimes) -> ServerTimes | None:
    return None if times == ServerTimes() else times
