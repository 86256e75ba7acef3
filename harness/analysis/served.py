"""What is to be known of answers of a server before their figures are believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from harness import units
from harness.analysis.cases import Case
from harness.analysis.finding import Finding
from harness.analysis.measured import Measured
from harness.analysis.requests import decode_tok_per_s, own_tok_per_s, tokens_per_event
from harness.analysis.turns import is_full
from harness.schema.request import Request
from harness.schema.workload import parse_workload
from harness.schema.workload_turns import Turns

# What a server says of its own speed, and what its user sees, may differ by what lies between:
# beyond this it is named.
_AGREE_RATIO = 0.05
# A template's tokens are the same in every prompt, and cached rightly.
_CACHED_RATIO = 0.15
# One event more or less than tokens is the end of the answer.
_ONE_TOKEN_RATIO = 1.05
_LOAD_NS = 500_000_000
MOST_TOK_PER_S = 20_000
"""No stream of one user is so fast: the fastest services make some 3,000 tokens a second."""


def place_findings(measured: Sequence[Measured]) -> Iterator[Finding]:
    """Of what served models ran on nothing is known; whole sentences."""
    for each in measured:
        served = each.model.served
        if served is None or not each.runs:
            continue
        if not served.is_local:
            yield Finding(
                "info",
                f"{each.model.key} ran elsewhere: this machine only asked, and what else the "
                "server's machine did meanwhile is not known.",
            )
        elif not any(run.memory for run in each.runs):
            yield Finding(
                "info",
                f"{each.model.key}: the server's process cannot be read (another user's, or "
                "behind a container, a tunnel or a proxy), "
                "so its memory and what other programs took are not known.",
            )


def server_findings(case: Case) -> Iterator[Finding]:
    """What limits the trust in a case of a served model, a sentence each without its dot."""
    requests = [
        request
        for run in case.runs
        for trial in run.trials
        if trial.workload == case.workload and not trial.is_warm_up
        for request in trial.requests
    ]
    is_conversation = isinstance(parse_workload(case.workload), Turns)
    if is_conversation:  # whose cache is to be used, and which ends where the context does
        requests = [it for it in requests if it.history == "kept" and not is_full(it)]
    answered = [request for request in requests if request.failure is None]
    if not answered:
        return
    yield from _of_errors(requests)
    yield from _of_length(case, answered)
    if not is_conversation:
        yield from _of_cache(answered)
    yield from _of_events(answered)
    yield from _of_own_times(answered)
    yield from _of_loads(answered)
    yield from _of_model(answered)
    yield from _of_pieces(answered)


def _of_errors(requests: Sequence[Request]) -> Iterator[Finding]:
    failures = [request.failure for request in requests if request.failure]
    if failures:
        share = units.percent(len(failures) / len(requests))
        yield Finding(
            "warning",
            f"{len(failures)} of {len(requests)} requests ({share}) failed: {failures[0].message}",
        )


def _of_length(case: Case, answered: Sequence[Request]) -> Iterator[Finding]:
    n_asked = parse_workload(case.workload).n_generated
    short = [it for it in answered if it.n_tokens is not None and it.n_tokens < n_asked]
    if short:
        least = min(it.n_tokens or 0 for it in short)
        yield Finding(
            "warning",
            f"{case.workload}: {len(short)} of {len(answered)} answers ended before "
            f"{n_asked} tokens, the shortest after {least}; the server does not keep to a length",
        )


def _of_cache(answered: Sequence[Request]) -> Iterator[Finding]:
    if any(it.n_cached is None or not it.n_prompt for it in answered):
        yield Finding("info", "cache use unknown: the server does not tell it of a prompt")
        return
    share = max((it.n_cached or 0) / it.n_prompt for it in answered if it.n_prompt)
    if share > _CACHED_RATIO:
        yield Finding(
            "warning",
            f"up to {units.percent(share)} of a prompt came from the server's cache although each "
            "begins anew, so TTFT and prefill are too good",
        )


def _of_events(answered: Sequence[Request]) -> Iterator[Finding]:
    if all(it.n_tokens is None for it in answered):
        yield Finding(
            "warning", "the server counts no tokens: tok/s are events per second, which may be less"
        )
        return
    per_event = tokens_per_event(answered) or 1.0
    if per_event > _ONE_TOKEN_RATIO:
        yield Finding(
            "info",
            f"{units.significant(per_event)} tokens an event: ITL is between events, not tokens",
        )
    if per_event < 1 / _ONE_TOKEN_RATIO:
        # An event with text has a token at the least.
        yield Finding(
            "warning",
            f"the server counts {units.significant(per_event)} tokens an event, which cannot be: "
            "tok/s, which stand on its count, are too low",
        )
    drafted = sum(it.server.n_draft or 0 for it in answered if it.server)
    if drafted:
        accepted = sum(it.server.n_draft_accepted or 0 for it in answered if it.server)
        share = units.percent(accepted / drafted)
        yield Finding("info", f"the server guesses ahead: {share} of {drafted} tokens were right")


def _of_own_times(answered: Sequence[Request]) -> Iterator[Finding]:
    ratios = [
        own / ours
        for it in answered
        if (ours := decode_tok_per_s(it)) and (own := own_tok_per_s(it))
    ]
    if not ratios or abs(median(ratios) - 1) <= _AGREE_RATIO:
        return
    ratio = median(ratios)
    much = units.percent(abs(ratio - 1))
    yield Finding(
        "warning",
        f"the server's own times say {much} {'more' if ratio > 1 else 'less'} decode tok/s than "
        "its answers show",
    )


def _of_loads(answered: Sequence[Request]) -> Iterator[Finding]:
    loads = [it.server.load_ns for it in answered if it.server and it.server.load_ns]
    late = [load_ns for load_ns in loads if load_ns > _LOAD_NS]
    if late:
        yield Finding(
            "warning",
            f"the server loaded the model again in {len(late)} of {len(answered)} requests, up to "
            f"{units.duration(max(late))} of their TTFT",
        )


def _of_model(answered: Sequence[Request]) -> Iterator[Finding]:
    """That another model answered than was asked for; a server may call the same one otherwise."""
    names = [it.model for it in answered if it.model]
    if not names:
        return
    if len({*names}) == 1 and len(names) == len(answered):
        yield Finding("info", f"the server calls the model that answered {names[0]}")
        return
    called = ", ".join(dict.fromkeys(names))
    yield Finding(
        "warning",
        f"another model answered {len(names)} of {len(answered)} requests, by the server's word: "
        f"{called}; it was swapped meanwhile",
    )


def _of_pieces(answered: Sequence[Request]) -> Iterator[Finding]:
    """That answers came whole, as from a proxy that waits for their end."""
    rates = [rate for it in answered if (rate := decode_tok_per_s(it))]
    if rates and median(rates) > MOST_TOK_PER_S:
        yield Finding(
            "error",
            "answers came in one piece: the server or a proxy before it holds them back, or this "
            "client did not get to read them; TTFT is the time of all, and decode tok/s is none",
        )
