"""
What requests to a server say, each and together.

    tok_per_s          tokens of all whole answers / from the first request to the last event
    tok_per_s_per_user median of (tokens - 1) / (last event - first)
    ttft, end_to_end   from when a request was due: of an open loop by its schedule, so that what
                       it waited to be sent counts
    queued             TTFT - the server's own time for the prompt
    requests_per_s     whole answers / the same time
    goodput            those of them within the service level, as vLLM's benchmark has it: TTFT and
                       the mean time of a token after the first at most as asked for
    failed_ratio       of all requests that were sent
    accepted_ratio     of all guessed tokens, those that the model would have written
    tokens_per_step    tokens after the first / (the same - accepted ones): without guesses 1
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from harness.analysis.stats import interval as stats
from harness.schema.experiment import Trial
from harness.schema.request import Request, ServiceLevel

_LEAST_FOR_P95 = 20

Values = dict[str, float]


def load_values(trials: Sequence[Trial]) -> Values:
    """Metric name to value of all trials of a load in one Run."""
    requests = [request for trial in trials for request in trial.requests]
    good = [request for request in requests if request.failure is None]
    total_ns = sum(trial.total_ns for trial in trials)
    values: Values = {
        "tok_per_s": sum(trial.n_tokens for trial in trials) / total_ns * 1e9,
        "requests_per_s": len(good) / total_ns * 1e9,
        "failed_ratio": 1 - len(good) / len(requests),
    }
    if rates := [rate for request in good if (rate := decode_tok_per_s(request))]:
        values["tok_per_s_per_user"] = median(rates)
    if ttfts := sorted(_waited_ns(it) + it.ttft_ns for it in good if it.ttft_ns):
        values["ttft"] = median(ttfts)
        if len(ttfts) >= _LEAST_FOR_P95:
            values["ttft_p95"] = stats.percentile(ttfts, 95)
        values["end_to_end"] = median(_waited_ns(it) + it.answered_ns for it in good)
    if waits := [wait for request in good if (wait := _queued_ns(request)) is not None]:
        values["queued"] = median(waits)
    return values


def server_values(requests: Sequence[Request]) -> Values:
    """What a server says of its own times, and in how large pieces its answers came."""
    prompts = [it.server.prompt_ns for it in requests if it.server and it.server.prompt_ns]
    rates = [rate for it in requests if (rate := own_tok_per_s(it))]
    told = {
        "tokens_per_event": tokens_per_event(requests),
        "server_prompt": median(prompts) if prompts else None,
        "server_decode_tok_per_s": median(rates) if rates else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def guess_values(requests: Sequence[Request]) -> Values:
    """
    How well tokens were guessed ahead, by the engine here or by a server's word; nothing where
    neither says that any were.

    A server that guesses says nothing of an answer for which it found no guess: where it has said
    something of another one, that is none.
    """
    told = [counted_guesses(request) for request in requests]
    if not any(told):
        return {}
    n_drafted = sum(it[0] for it in told if it)
    n_accepted = sum(it[1] for it in told if it)
    n_later = sum(max(0, (it.n_tokens or 0) - 1) for it in requests)
    values: Values = {"accepted_ratio": n_accepted / n_drafted} if n_drafted else {}
    if n_later > n_accepted:
        values["tokens_per_step"] = n_later / (n_later - n_accepted)
    return values


def counted_guesses(request: Request) -> tuple[int, int] | None:
    """Guessed tokens and those of them that were right; None where nobody tells."""
    if own := request.speculation:
        return own.n_drafted, own.n_accepted
    server = request.server
    if server is None or server.n_draft is None:
        return None
    return server.n_draft, min(server.n_draft, server.n_draft_accepted or 0)


def slo_values(trials: Sequence[Trial], level: ServiceLevel | None) -> Values:
    """How many answers came within a service level; nothing without one."""
    requests = [request for trial in trials for request in trial.requests]
    if level is None or not requests:
        return {}
    n_within = sum(is_within(request, level) for request in requests)
    total_ns = sum(trial.total_ns for trial in trials)
    return {"goodput": n_within / total_ns * 1e9, "within_slo": n_within / len(requests)}


def is_within(request: Request, level: ServiceLevel) -> bool:
    """Whether a request was answered, and as fast as the level wants it."""
    if request.failure is not None or request.ttft_ns is None:
        return False
    ttft_ns = _waited_ns(request) + request.ttft_ns
    n_later = (request.n_tokens or request.n_events) - 1
    itl_ns = request.decode_ns / n_later if n_later > 0 else 0.0
    return all(
        limit_ns is None or value_ns <= limit_ns
        for value_ns, limit_ns in ((ttft_ns, level.ttft_ns), (itl_ns, level.itl_ns))
    )


def decode_tok_per_s(request: Request) -> float | None:
    """(tokens - 1) / (last event - first one); None where they are not counted, or are one."""
    if request.n_tokens is None or request.n_tokens < 2 or not request.decode_ns:
        return None
    return (request.n_tokens - 1) / request.decode_ns * 1e9


def answers_tok_per_s(requests: Sequence[Request]) -> float | None:
    """
    Of several answers together: tokens after the first of each / the sum of their gaps; of a server
    that counts no tokens events. None where no answer has a second one.
    """
    later = [it for it in requests if it.decode_ns]
    decode_ns = sum(it.decode_ns for it in later)
    n_later = sum((it.n_tokens or it.n_events) - 1 for it in later)
    return n_later / decode_ns * 1e9 if decode_ns else None


def own_tok_per_s(request: Request) -> float | None:
    """By the server's own times; its first token belongs to the prompt's time."""
    server = request.server
    if server is None or not server.decode_ns or not server.n_tokens or server.n_tokens < 2:
        return None
    return (server.n_tokens - 1) / server.decode_ns * 1e9


def tokens_per_event(requests: Sequence[Request]) -> float | None:
    """In the median; None where the server counts no tokens."""
    found = [it.n_tokens / it.n_events for it in requests if it.n_tokens and it.n_events]
    return median(found) if found else None


def _waited_ns(request: Request) -> int:
    """From when it was due until it was sent."""
    return 0 if request.due_ns is None else max(0, request.sent_ns - request.due_ns)


def _queued_ns(request: Request) -> int | None:
    if request.ttft_ns is None or request.server is None or request.server.prompt_ns is None:
        return None
    return max(0, _waited_ns(request) + request.ttft_ns - request.server.prompt_ns)
