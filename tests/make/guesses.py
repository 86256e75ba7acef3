"""Rounds of a model with and without guesses, on a machine whose batches cost what a test says."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from harness.schema.experiment import Experiment, Run, Trial
from harness.schema.request import Request, Speculation
from harness.schema.settings import NGRAM, Settings
from make.records import make_experiment, make_run
from make.trials import make_trial

PLAIN = Settings(n_threads=2)
GUESSING = Settings(n_threads=2, draft=NGRAM, draft_max=3)
STEP_NS = 10_000_000
BATCHES = ("verify1@d256", "verify4@d256")
N_TOKENS = 25

Cost = Callable[[int], float]
"""c(n): the time of a batch in that of one token."""


def answer(
    accepted: Sequence[int] | None, cost: Cost, slow: float = 1.0, n_alike: int = N_TOKENS
) -> Request:
    """
    One answer, each of whose steps guesses 3 tokens but the last; plain where nothing is accepted
    because nothing is guessed.

    Args:
        accepted: Right guesses of each step but the last ones, which give a token each.
        cost: Of the machine's batches.
        slow: How many times as long everything takes.
        n_alike: So many tokens are as in a plain answer.
    """
    n_later = N_TOKENS - 1
    drafted, right = [0] * n_later, [0] * n_later
    if accepted is not None:
        n_single = n_later - sum(accepted) - len(accepted)
        drafted = [3] * len(accepted) + [0] * n_single
        right = [*accepted, *[0] * n_single]
    gaps = tuple(round(STEP_NS * slow * cost(1 + n)) for n in drafted)
    guessed = Speculation(drafted=tuple(drafted), accepted=tuple(right), draft_ns=0)
    same = min(n_alike, N_TOKENS)
    return Request(
        ttft_ns=round(50_000_000 * slow),
        gap_ns=gaps,
        n_prompt=100,
        n_tokens=N_TOKENS,
        token_ids=(*range(same), *[9999] * (N_TOKENS - same)),
        speculation=guessed if accepted is not None else None,
    )


def made_guesses(
    texts: Sequence[Sequence[int]],
    cost: Cost,
    *,
    n_rounds: int = 6,
    real_cost: Cost | None = None,
    batches: Sequence[str] = BATCHES,
    noise: float = 0.01,
) -> tuple[Experiment, list[Run]]:
    """
    Rounds of the task "rewrite", with n-grams and without, while the machine drifts.

    Args:
        texts: Of each text the right guesses of its steps.
        cost: What batches of random tokens cost.
        n_rounds: How many.
        real_cost: What steps of guesses cost; else the same.
        batches: Workloads that measure the former.
        noise: By how much Runs of one round differ.
    """
    rng = random.Random(3)
    runs = []
    for at in range(n_rounds):
        drift = rng.uniform(0.7, 1.4)
        slow = [drift * rng.uniform(1 - noise, 1 + noise) for _ in range(2)]
        plain = [answer(None, cost, slow[0]) for _ in texts]
        guessed = [answer(each, real_cost or cost, slow[1], n_alike=5 + n)
                   for n, each in enumerate(texts)]  # fmt: skip
        names = ("rewrite", *batches)
        trials = [_task(plain), *(_batch(name, cost, slow[0]) for name in batches)]
        runs.append(make_run(2 * at, names, trials=trials, settings=PLAIN, round=at))
        runs.append(
            make_run(2 * at + 1, ("rewrite",), trials=[_task(guessed)], settings=GUESSING, round=at)
        )
    experiment = make_experiment(("rewrite", *batches), settings=(PLAIN, GUESSING))
    return experiment, runs


def _task(answers: Sequence[Request]) -> Trial:
    return make_trial(
        "rewrite",
        requests=tuple(answers),
        n_tokens=sum(it.n_tokens or 0 for it in answers),
        total_ns=sum(it.answered_ns for it in answers),
    )


def _batch(name: str, cost: Cost, slow: float) -> Trial:
    n = int(name.removeprefix("verify").partition("@")[0])
    step_ns = round(STEP_NS * slow * cost(n))
    return make_trial(name, n_tokens=n * 8, step_ns=(step_ns,) * 8, total_ns=step_ns * 8)
