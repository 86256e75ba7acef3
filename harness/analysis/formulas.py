"""
From trials to one value for each Run: the formulas of every figure that a workload yields.

pp and tg   tok_per_s = n_tokens / total_ns; the median over the Run's trials. Of several
            sequences together n_tokens are those of all of them, and tok_per_s_per_user is the
            same divided by their number.
tg          itl_p50, itl_p95, itl_p99: percentiles over the decode steps of all of the Run's
            trials together; each step gives every sequence a token.
chat        ttft: text in to first text out, tokenizing and the first sample included.
            itl_*: percentiles over the gaps between later tokens.
            end_to_end: text in to last text out.
            prefill_tok_per_s = n_prompt / ttft (so it includes tokenizing and sampling).
            decode_tok_per_s = (n_tokens - 1) / the sum of the gaps.
tasks       decode_tok_per_s = (tokens - 1) / the sum of the gaps, over all answers of the Run's
            trials together. accepted_ratio, tokens_per_step: requests.py.
verify      batch: the median over the batches of all of the Run's trials.
turns       analysis/turns.py; ITL as for chat, over the gaps of all answers.
sustain     tok_per_s = all tokens / all time. first_quarter and last_quarter are the rates over
            the first and last fourth of the windows; throttle_ratio = last / first.
all         joules_per_token = joules above the rest / tokens, over all of the Run's trials together
            (energy.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Literal

from harness.analysis import disturbance, energy
from harness.analysis.disturbance import Disturbance
from harness.analysis.energy import PerToken
from harness.analysis.metrics import METRICS
from harness.analysis.requests import answers_tok_per_s, guess_values, load_values, server_values
from harness.analysis.stats import interval as stats
from harness.analysis.turns import answered, gaps_of, together_values, turns_values
from harness.schema.experiment import Run, Trial
from harness.schema.machine import Counters, Machine, MachineFacts
from harness.schema.settings import computing_threads
from harness.schema.workload import (
    Decode,
    ParallelDecode,
    ParallelPrefill,
    Prefill,
    Sustain,
    Verify,
    parse_workload,
)
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import Chat, Exchange, UserLoad
from harness.schema.workload_tasks import TextTask
from harness.schema.workload_turns import Turns, TurnsTogether

# The p-th percentile of fewer than 1 / (1 - p) values is the largest of them under another name.
_PERCENTILES = {"itl_p50": (50, 2), "itl_p95": (95, 20), "itl_p99": (99, 100)}

# Four quarters need four windows.
_MIN_WINDOWS = 4

Values = dict[str, float]
TrialFilter = Literal["clean", "disturbed"]


def trials_of(run: Run, workload: str) -> list[Trial]:
    """The trials of one workload in a Run, in order, without its warm-up."""
    return [trial for trial in run.trials if trial.workload == workload and not trial.is_warm_up]


def counters_of(runs: Sequence[Run], workload: str) -> list[Counters]:
    """What was counted in the trials of one workload, in all of `runs`."""
    return [trial.counters for run in runs for trial in trials_of(run, workload) if trial.counters]


def why_disturbed(trial: Trial, run: Run, machine: MachineFacts) -> Disturbance | None:
    """
    Why a trial does not count for the headline, or None where it does.

    Of a trial that another program measured nothing of the kind is known, and it counts.
    """
    if not isinstance(machine, Machine):
        return None
    return disturbance.why_disturbed(
        trial.counters,
        n_logical=machine.n_cores_logical,
        n_threads=computing_threads(run.settings),
        n_usable=machine.n_cores_usable,
    )


def run_values(
    run: Run, workload: str, machine: MachineFacts, which: TrialFilter = "clean"
) -> Values:
    """
    What one Run says of one workload: metric name to value, empty without any such trial.

    Args:
        run: The Run.
        workload: Its name, "tg128@d4096".
        machine: Where it ran; decides which trials are clean.
        which: Take the clean trials, or those that others disturbed.
    """
    trials = filtered_trials(run, workload, machine, which)
    if not trials:
        return {}
    values = _FORMULAS[type(parse_workload(workload))](trials)
    # Of a disturbed trial the counters hold what the others took as well.
    is_counted = METRICS[energy.METRIC].is_of(parse_workload(workload))
    joules = energy.per_token(run, trials).joules if which == "clean" and is_counted else None
    return values if joules is None else values | {energy.METRIC: joules}


def trial_values(trial: Trial) -> Values:
    """What one trial says by itself: metric name to value, energy left out."""
    return _FORMULAS[type(parse_workload(trial.workload))]([trial])


def run_energy(run: Run, workload: str, machine: MachineFacts) -> PerToken:
    """The joules per token of one Run with all that is to be said of them, or the reason."""
    return energy.per_token(run, filtered_trials(run, workload, machine, "clean"))


def filtered_trials(
    run: Run, workload: str, machine: MachineFacts, which: TrialFilter
) -> list[Trial]:
    """The trials of one workload in a Run that are clean, or those that others disturbed."""
    return [
        trial
        for trial in trials_of(run, workload)
        if (why_disturbed(trial, run, machine) is None) == (which == "clean")
    ]


def _prompt(trials: Sequence[Trial]) -> Values:
    return {"tok_per_s": median(_tok_per_s(trial.n_tokens, trial.total_ns) for trial in trials)}


def _decode(trials: Sequence[Trial]) -> Values:
    return _prompt(trials) | _inter_token(trials)


def _parallel_prompt(trials: Sequence[Trial]) -> Values:
    values = _prompt(trials)
    n_sequences = parse_workload(trials[0].workload).n_sequences
    return values | {"tok_per_s_per_user": values["tok_per_s"] / n_sequences}


def _parallel_decode(trials: Sequence[Trial]) -> Values:
    return _parallel_prompt(trials) | _inter_token(trials)


def _chat(trials: Sequence[Trial]) -> Values:
    values: Values = {"end_to_end": median(trial.total_ns for trial in trials)}
    answered = [(trial, trial.ttft_ns) for trial in trials if trial.ttft_ns]
    if answered:
        values["ttft"] = median(ttft_ns for _, ttft_ns in answered)
    behind = [it.answer_ns for trial in trials for it in trial.requests if it.answer_ns]
    if behind:
        values["answer"] = median(behind)
    prefills = [_tok_per_s(trial.n_prompt, ttft) for trial, ttft in answered if trial.n_prompt]
    if prefills:
        values["prefill_tok_per_s"] = median(prefills)
    decodes = [
        _tok_per_s(trial.n_tokens - 1, sum(trial.step_ns))
        for trial in trials
        if sum(trial.step_ns) and trial.n_tokens > 1
    ]
    if decodes:
        values["decode_tok_per_s"] = median(decodes)
    requests = [request for trial in trials for request in trial.requests]
    return values | _inter_token(trials) | server_values(requests) | guess_values(requests)


def _user_load(trials: Sequence[Trial]) -> Values:
    gaps = [gap for trial in trials for it in trial.requests for gap in it.gap_ns]
    return load_values(trials) | _percentiles(gaps)


def _task(trials: Sequence[Trial]) -> Values:
    requests = [request for trial in trials for request in trial.requests]
    rate = answers_tok_per_s(requests)
    values: Values = {} if rate is None else {"decode_tok_per_s": rate}
    # An event of the engine here is a step of its own.
    told = {} if any(it.token_ids for it in requests) else server_values(requests)
    return values | told | guess_values(requests)


def _verified(trials: Sequence[Trial]) -> Values:
    return _prompt(trials) | {"batch": median(it for trial in trials for it in trial.step_ns)}


def _turns(trials: Sequence[Trial]) -> Values:
    return turns_values(trials) | _of_answers(trials)


def _turns_together(trials: Sequence[Trial]) -> Values:
    return together_values(trials) | _of_answers(trials)


def _of_answers(trials: Sequence[Trial]) -> Values:
    told = server_values([it for trial in trials for it in answered(trial, "kept")])
    # Its own time for a prompt is another one in each turn.
    told.pop("server_prompt", None)
    # In this process each event is a token.
    if not any(it.server for trial in trials for it in trial.requests):
        told.pop("tokens_per_event", None)
    return _percentiles(gaps_of(trials)) | told


def _sustained(trials: Sequence[Trial]) -> Values:
    values = _prompt(trials)
    windowed = [trial for trial in trials if len(trial.window_ns) >= _MIN_WINDOWS]
    if not windowed:
        return values
    firsts = [_window_rate(trial, slice(None, _quarter(trial))) for trial in windowed]
    lasts = [_window_rate(trial, slice(-_quarter(trial), None)) for trial in windowed]
    ratios = [last / first for first, last in zip(firsts, lasts, strict=True) if first]
    values["first_quarter"] = median(firsts)
    values["last_quarter"] = median(lasts)
    if ratios:
        values["throttle_ratio"] = median(ratios)
    return values


def _inter_token(trials: Sequence[Trial]) -> Values:
    return _percentiles([step for trial in trials for step in trial.step_ns])


def _percentiles(steps: Sequence[int]) -> Values:
    steps = sorted(steps)
    return {
        name: stats.percentile(steps, percent)
        for name, (percent, n_least) in _PERCENTILES.items()
        if len(steps) >= n_least
    }


def _quarter(trial: Trial) -> int:
    return len(trial.window_ns) // 4


def _window_rate(trial: Trial, part: slice) -> float:
    return _tok_per_s(sum(trial.window_tokens[part]), sum(trial.window_ns[part]))


def _tok_per_s(n_tokens: int, ns: int) -> float:
    return n_tokens / ns * 1e9


_FORMULAS: dict[type[Workload], Callable[[Sequence[Trial]], Values]] = {
    Prefill: _prompt,
    Decode: _decode,
    ParallelPrefill: _parallel_prompt,
    ParallelDecode: _parallel_decode,
    Chat: _chat,
    Exchange: _chat,
    UserLoad: _user_load,
    TextTask: _task,
    Verify: _verified,
    Turns: _turns,
    TurnsTogether: _turns_together,
    Sustain: _sustained,
}


def over_runs(values: Iterable[Values]) -> dict[str, list[float]]:
    """
    One list of values for each metric, over the Runs that have one, in the order of METRICS.

    Raises:
        KeyError: A formula yields what has no row there.
    """
    collected: dict[str, list[float]] = {}
    for of_one_run in values:
        for name, value in of_one_run.items():
            collected.setdefault(name, []).append(value)
    order = {name: place for place, name in enumerate(METRICS)}
    return {name: collected[name] for name in sorted(collected, key=order.__getitem__)}
