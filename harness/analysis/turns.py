"""
What conversations say: how long each turn waits, and what a kept cache is worth.

    ttft               of the first turn, which finds nothing in the cache
    ttft_kept          of later turns, the median: what they find is kept
    ttft_edited        of the last turn once more, after the first message was changed
    ttft_dropped       of the last turn once more, with nothing in the cache
    kept_saves         1 - TTFT of the last turn / the same with nothing in the cache
    cached_ratio       of later turns' prompts what came from the cache, the median
    full_turn          the turn for which the context had no room, from 1
    decode_tok_per_s   of all answers together: tokens after their first / the sum of the gaps
    session_*          the size of the last turn's cache, and what saving and restoring takes
    tok_per_s          of several users: tokens of all answers / the time of all turns
    tok_per_s_per_user of several users: median of (tokens - 1) / (last event - first)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from harness.analysis.requests import answers_tok_per_s
from harness.schema.experiment import Trial
from harness.schema.request import History, Request

# Of what the turn before left at the least so much is there where nothing was thrown out.
_EVICTED_RATIO = 0.5

Values = dict[str, float]


def turns_values(trials: Sequence[Trial]) -> Values:
    """Metric name to value of the conversations of one user in one Run."""
    kept = [answered(trial, "kept") for trial in trials]
    later = [it for of_trial in kept for it in of_trial if it.turn]
    told: dict[str, Sequence[float]] = {
        "ttft_kept": _ttfts(later),
        "ttft": _ttfts(of_trial[0] for of_trial in kept if of_trial),
        "ttft_edited": _ttfts(it for trial in trials for it in answered(trial, "edited")),
        "ttft_dropped": _ttfts(it for trial in trials for it in answered(trial, "dropped")),
        "kept_saves": [it for trial in trials if (it := _saved(trial)) is not None],
        "cached_ratio": [it for request in later if (it := cached_ratio(request)) is not None],
        "prefill_tok_per_s": [
            it.n_prompt / it.ttft_ns * 1e9
            for of_trial in kept
            for it in of_trial[:1]
            if it.n_prompt and it.ttft_ns
        ],
        "decode_tok_per_s": [
            it for of_trial in kept if (it := answers_tok_per_s(of_trial)) is not None
        ],
        "full_turn": [it + 1 for trial in trials if (it := full_turn(trial)) is not None],
    }
    return {name: median(found) for name, found in told.items() if found} | _session(trials)


def together_values(trials: Sequence[Trial]) -> Values:
    """The same of several users at once."""
    values = turns_values(trials)
    # Of one that is not alone these are no rates of reading and writing.
    values.pop("prefill_tok_per_s", None)
    values.pop("decode_tok_per_s", None)
    firsts = _ttfts(it for trial in trials for it in answered(trial, "kept") if it.turn == 0)
    if firsts:
        values["ttft"] = median(firsts)
    total_ns = sum(trial.total_ns for trial in trials)
    values["tok_per_s"] = sum(trial.n_tokens for trial in trials) / total_ns * 1e9
    each = [it for trial in trials for it in answered(trial, "kept")]
    if rates := [rate for request in each if (rate := answers_tok_per_s([request]))]:
        values["tok_per_s_per_user"] = median(rates)
    return values


def gaps_of(trials: Sequence[Trial]) -> list[int]:
    """The gaps between tokens of all answers."""
    return [gap for trial in trials for it in answered(trial, "kept") for gap in it.gap_ns]


def answered(trial: Trial, history: History) -> list[Request]:
    """Whole answers to users whose conversation was found so, in order."""
    return [it for it in trial.requests if it.failure is None and it.history == history]


def full_turn(trial: Trial) -> int | None:
    """The turn, from 0, for which the context had no room; None where there was enough."""
    return next((it.turn for it in trial.requests if is_full(it) and it.turn is not None), None)


def is_full(request: Request) -> bool:
    """Whether the context had no room for it."""
    return request.failure is not None and request.failure.reason == "context-full"


def cached_ratio(request: Request) -> float | None:
    """Which share of the prompt came from the cache; None where a server does not tell."""
    if request.n_cached is None or not request.n_prompt:
        return None
    return request.n_cached / request.n_prompt


def is_evicted(request: Request, before: Request) -> bool:
    """Whether much of what the turn before had in the cache was no longer there."""
    if request.n_cached is None or not before.n_prompt:
        return False
    return request.n_cached < _EVICTED_RATIO * before.n_prompt


def _saved(trial: Trial) -> float | None:
    kept, dropped = answered(trial, "kept"), answered(trial, "dropped")
    if not kept or not dropped or kept[-1].turn != dropped[-1].turn:
        return None
    ours, whole = kept[-1].ttft_ns, dropped[-1].ttft_ns
    return 1 - ours / whole if ours and whole else None


def _session(trials: Sequence[Trial]) -> Values:
    sessions = [trial.session for trial in trials if trial.session]
    if not sessions:
        return {}
    told: dict[str, list[float]] = {
        "session_bytes": [it.n_bytes for it in sessions],
        "session_save": [it.save_ns for it in sessions],
        "session_restore": [it.restore_ns for it in sessions],
        "session_write": [it.write_ns for it in sessions if it.write_ns],
        "session_read": [it.read_ns for it in sessions if it.read_ns],
    }
    return {name: median(found) for name, found in told.items() if found}


def _ttfts(requests: Iterable[Request]) -> list[float]:
    return [it.ttft_ns for it in requests if it.ttft_ns]
