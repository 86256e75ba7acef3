"""Conversations turn by turn, over the Runs of a case: what each waited for, and what was kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from harness.analysis import formulas
from harness.analysis.cases import Case
from harness.analysis.measured import Measured
from harness.analysis.requests import answers_tok_per_s
from harness.analysis.stats import interval as stats
from harness.analysis.turns import answered, is_evicted, is_full
from harness.schema.experiment import Trial
from harness.schema.figure import Figure
from harness.schema.request import History, Request
from harness.schema.workload import parse_workload
from harness.schema.workload_turns import Turns


@dataclass(frozen=True, slots=True)
class Turn:
    """
    One turn of a conversation, or the last one asked once more.

    Attributes:
        number: From 1.
        history: What it found of the conversation.
        n_prompt: Tokens of the whole conversation up to its answer; None where nobody counts.
        n_cached: How many of them came from the cache; None where a server does not tell.
        ttft: To the first token of its answer.
        tok_per_s: Of its answer; None of one of a single token.
        is_evicted: Whether much of what the turn before had left was no longer in the cache, in
            any Run.
    """

    number: int
    history: History
    n_prompt: int | None
    n_cached: int | None
    ttft: Figure
    tok_per_s: Figure | None
    is_evicted: bool = False


@dataclass(frozen=True)
class Conversation:
    """
    A case of conversations.

    Attributes:
        is_disturbed: There is no clean trial, and what is told is of all of them.
        full: Which turn the context had no room for, in a sentence; None where it had.
        tok_per_s: Of each Run, tokens of all answers over the time of all turns.
    """

    group: Measured
    case: Case
    task: Turns
    turns: tuple[Turn, ...]
    is_disturbed: bool
    full: str | None
    tok_per_s: tuple[float, ...]

    @property
    def kept(self) -> tuple[Turn, ...]:
        """The turns as they came."""
        return tuple(turn for turn in self.turns if turn.history == "kept")

    def again(self, history: History) -> Turn | None:
        """The last turn, asked once more."""
        return next((turn for turn in self.turns if turn.history == history), None)


def conversations(group: Measured) -> Iterator[Conversation]:
    """Those of a configuration that had any answer, in the order of its workloads."""
    for case in group.cases:
        task = parse_workload(case.workload)
        if not isinstance(task, Turns):
            continue
        machine = group.experiment.machine
        clean = [
            formulas.filtered_trials(run, case.workload, machine, "clean") for run in case.runs
        ]
        is_disturbed = not any(clean)
        of_runs = clean
        if is_disturbed:
            of_runs = [formulas.trials_of(run, case.workload) for run in case.runs]
        turns = tuple(_turns([trials for trials in of_runs if trials]))
        if turns:
            rates = tuple(_rate(trials) for trials in of_runs if trials)
            yield Conversation(group, case, task, turns, is_disturbed, _full(of_runs), rates)


def _rate(trials: Sequence[Trial]) -> float:
    return sum(it.n_tokens for it in trials) / sum(it.total_ns for it in trials) * 1e9


def _turns(of_runs: Sequence[Sequence[Trial]]) -> Iterator[Turn]:
    histories: tuple[History, ...] = ("kept", "edited", "dropped")
    for history in histories:
        found: dict[int, list[list[Request]]] = {}
        for trials in of_runs:
            requests = [it for trial in trials for it in answered(trial, history)]
            for number in sorted({it.turn for it in requests if it.turn is not None}):
                of_turn = [it for it in requests if it.turn == number]
                found.setdefault(number, []).append(of_turn)
        evicted = _evicted(of_runs) if history == "kept" else set()
        for number in sorted(found):
            if turn := _turn(number, history, found[number], is_evicted=number in evicted):
                yield turn


def _turn(
    number: int, history: History, of_runs: Sequence[Sequence[Request]], *, is_evicted: bool
) -> Turn | None:
    """One value of each Run: the median over what its users, or trials, got."""
    ttfts = [[it.ttft_ns for it in requests if it.ttft_ns] for requests in of_runs]
    rates = [[rate for it in run if (rate := answers_tok_per_s([it]))] for run in of_runs]
    requests = [it for run in of_runs for it in run]
    waits = [median(each) for each in ttfts if each]
    if not waits:
        return None
    speeds = [median(each) for each in rates if each]
    return Turn(
        number=number + 1,
        history=history,
        n_prompt=_middle([it.n_prompt for it in requests]),
        n_cached=_middle([it.n_cached for it in requests]),
        ttft=stats.estimate(waits, "ns"),
        tok_per_s=stats.estimate(speeds, "tok/s") if speeds else None,
        is_evicted=is_evicted,
    )


def _middle(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return round(median(known)) if known and len(known) == len(counts) else None


def _evicted(of_runs: Sequence[Sequence[Trial]]) -> set[int]:
    """The turns, from 0, of which some user's cache was gone."""
    found = set()
    for trial in (trial for trials in of_runs for trial in trials):
        kept = answered(trial, "kept")
        for user in {it.user for it in kept}:
            for before, request in pairwise(it for it in kept if it.user == user):
                if request.turn is not None and is_evicted(request, before):
                    found.add(request.turn)
    return found


def _full(of_runs: Sequence[Sequence[Trial]]) -> str | None:
    failures = (
        it.failure
        for trials in of_runs
        for trial in trials
        for it in trial.requests
        if it.failure and is_full(it)
    )
    return next((failure.message for failure in failures), None)
