"""
What guessing tokens ahead gains, by task, beside the same configuration without it.

    speed-up    decode tok/s with guesses / without, over the rounds that both have
    of texts    the same of each text over those rounds, over the texts: they differ, and which one
                a user brings is not known
    predicted   tokens / (sum over the steps of c(batch) + time spent guessing in units of a plain
                token), by rounds, with c(n) the time of a batch of n tokens in that of one
                (verification.py); Leviathan et al. 2023, theorem 3.8, for steps as they were

What is predicted knows the acceptance and the time of the guesses from the same Runs, and the rest
from batches of random tokens: where it does not hold, the batches are not what they were taken for.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean

from harness.analysis.cases import Case
from harness.analysis.comparison import compare
from harness.analysis.measured import Measured, Round
from harness.analysis.stats.ratio import Comparison, compare_rounds
from harness.analysis.task_answers import TaskAnswers
from harness.schema.request import Request
from harness.schema.settings import AnySettings, Settings
from harness.schema.workload import Verify, parse_workload

RATE = "decode_tok_per_s"
# Four texts a task: an interval of 99 % of so few would say nothing at all.
TEXTS_CONFIDENCE = 0.95
BATCH_DEPTH = 256
"""Tokens before a batch: about as many as a task's prompt and half of its answer have."""

Costs = Mapping[int, float]
"""c(n) by n, in one round; 1 of one token."""


@dataclass(frozen=True, slots=True)
class GuessedTask:
    """
    A task with and without guesses.

    Attributes:
        speed_up: Guessed over plain, by rounds; None where no round has both, as `note` says.
        of_texts: The same over the task's texts.
        whole: Plain time of a whole answer, prompt included, over guessed, by rounds.
        predicted: What acceptance and batches make of it, by rounds; None without such batches.
        of_predicted: The speed-up over what is predicted of it, by rounds.
        n_alike: Of each text, how many tokens both answers have in common from their beginning.
    """

    workload: str
    plain: Case
    guessed: Case
    speed_up: Comparison | None
    of_texts: Comparison | None
    whole: Comparison | None
    predicted: Comparison | None
    of_predicted: Comparison | None
    n_alike: tuple[int, ...]
    note: str = ""

    @property
    def is_as_predicted(self) -> bool | None:
        """
        Whether the speed-up is what was predicted, as far as rounds tell; None of a single one.

        Both have an interval, and what slowed a round slowed both: so their ratio is judged as any
        comparison is, and differences below its threshold are none.
        """
        found = self.of_predicted
        if found is None or not math.isfinite(found.high):
            return None
        return found.verdict not in ("better", "worse")


@dataclass(frozen=True, slots=True)
class Guessing:
    """A configuration that guesses, beside itself without guesses."""

    plain: Measured
    guessed: Measured
    tasks: tuple[GuessedTask, ...]

    @property
    def n_most(self) -> int:
        """The most tokens guessed ahead."""
        assert isinstance(self.guessed.settings, Settings)
        return self.guessed.settings.draft_max or 0


def guessings(groups: Sequence[Measured]) -> tuple[Guessing, ...]:
    """Each of `groups` that guesses and has its like among them that does not."""
    return tuple(
        Guessing(plain, group, tuple(_tasks(plain, group)))
        for group in groups
        if (plain := _without(group, groups)) is not None
    )


def batch_workloads(most: Iterable[int]) -> tuple[str, ...]:
    """
    The workloads whose cost says what guessing up to `most` tokens ahead should gain: a batch of
    one token, and of each most with the one that is known.
    """
    sizes = (1, *sorted({n + 1 for n in most}))
    return tuple(Verify(n, BATCH_DEPTH).name for n in sizes)


def has_batches(guessing: Guessing) -> bool:
    """Whether the batches that tell what to expect of it were to be measured, at some depth."""
    wanted = {1, guessing.n_most + 1}
    tasks = [parse_workload(name) for name in guessing.plain.workloads]
    batches = [task for task in tasks if isinstance(task, Verify)]
    return any(wanted <= {it.n for it in batches if it.depth == each.depth} for each in batches)


def guessed_workloads(group: Measured) -> set[str]:
    """The workloads of a configuration that stand beside the same with, or without, guesses."""
    plan = group.experiment.plan.engine_settings
    bare = _bare(group.settings)
    alike = [each.draft is not None for each in plan if _bare(each) == bare]
    if bare is None or len({*alike}) < 2:
        return set()
    return {name for name in group.workloads if parse_workload(name).takes_draft}


def _bare(settings: AnySettings) -> Settings | None:
    if not isinstance(settings, Settings):
        return None
    return settings.model_copy(update={"draft": None, "draft_max": None})


def _without(group: Measured, groups: Sequence[Measured]) -> Measured | None:
    settings = group.settings
    if not isinstance(settings, Settings) or settings.draft is None:
        return None
    bare = _bare(settings)
    return next(
        (
            it
            for it in groups
            if it.settings == bare
            and it.model.key == group.model.key
            and it.experiment.id == group.experiment.id
        ),
        None,
    )


def _tasks(plain: Measured, guessed: Measured) -> Iterator[GuessedTask]:
    costs = _costs(plain)
    for figure in compare(plain, guessed, wanted=[RATE]):
        cases = plain.case(figure.workload), guessed.case(figure.workload)
        if cases[0] is None or cases[1] is None:
            continue
        sides = TaskAnswers.of(plain, figure.workload), TaskAnswers.of(guessed, figure.workload)
        expected = _expected(*sides, costs)
        yield GuessedTask(
            workload=figure.workload,
            plain=cases[0],
            guessed=cases[1],
            speed_up=figure.comparison,
            of_texts=_of_texts(*sides),
            whole=compare_rounds(sides[1].answer_ns(), sides[0].answer_ns(), is_more_better=True),
            predicted=compare_rounds(dict.fromkeys(expected, 1.0), expected, is_more_better=True),
            of_predicted=compare_rounds(expected, _gained(*sides), is_more_better=True),
            n_alike=_alike(*sides),
            note=figure.note,
        )


def _of_texts(plain: TaskAnswers, guessed: TaskAnswers) -> Comparison | None:
    sides: tuple[dict[int, float], dict[int, float]] = ({}, {})
    rates = plain.text_rates(), guessed.text_rates()
    for number in rates[0]:
        common = [at for at in rates[0][number] if at in rates[1].get(number, {})]
        for side, of_side in zip(sides, rates, strict=True):
            if common:
                side[number] = geometric_mean([of_side[number][at] for at in common])
    return compare_rounds(*sides, is_more_better=True, confidence=TEXTS_CONFIDENCE)


def _alike(plain: TaskAnswers, guessed: TaskAnswers) -> tuple[int, ...]:
    return tuple(
        n_alike(a.token_ids, b.token_ids)
        for a, b in zip(plain.first, guessed.first, strict=False)
        if a.token_ids and b.token_ids
    )


def n_alike(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens both have in common from their beginning."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((at for at, (x, y) in pairs if x != y), min(len(a), len(b)))


# ------------------------------------------------------------------ predicted


def _costs(plain: Measured) -> dict[Round, Costs]:
    """What batches cost in each round, at the depth where the most sizes were measured."""
    by_depth: dict[int, dict[int, str]] = {}
    for name in plain.workloads:
        task = parse_workload(name)
        if isinstance(task, Verify):
            by_depth.setdefault(task.depth, {})[task.n] = name
    known = [names for _, names in sorted(by_depth.items()) if 1 in names]
    if not known:
        return {}
    names = max(known, key=len)
    times = {n: plain.by_round(name).get("batch", {}) for n, name in names.items()}
    return {
        at: {n: of_n[at] / one for n, of_n in times.items() if at in of_n}
        for at, one in times[1].items()
    }


def cost_of(n: int, costs: Costs) -> float | None:
    """
    c(n), between the next smaller and larger batch that were measured; None beyond them.

    What is between them are the last steps of an answer, which guess no further than to its end.
    """
    sizes = sorted(costs)
    if n in costs:
        return costs[n]
    place = bisect_left(sizes, n)
    if place in (0, len(sizes)):
        return None
    below, above = sizes[place - 1], sizes[place]
    share = (n - below) / (above - below)
    return costs[below] + share * (costs[above] - costs[below])


def _gained(plain: TaskAnswers, guessed: TaskAnswers) -> dict[Round, float]:
    """The speed-up of each round that both have."""
    times = plain.step_ns(), guessed.step_ns()
    return {at: times[0][at] / times[1][at] for at in times[0] if at in times[1]}


def _expected(
    plain: TaskAnswers, guessed: TaskAnswers, costs: Mapping[Round, Costs]
) -> dict[Round, float]:
    """What it should be in each round of which the batches are known."""
    return {
        at: gain
        for at, step_ns in plain.step_ns().items()
        if at in costs and at in guessed.answers
        if (gain := _gain(guessed.answers[at], costs[at], step_ns))
    }


def _gain(trials: Sequence[Sequence[Request]], costs: Costs, step_ns: float) -> float | None:
    """How many times as fast those answers should be; None where a batch of theirs is unknown."""
    answers = [answer for trial in trials for answer in trial]
    guesses = [answer.speculation for answer in answers if answer.speculation]
    steps = [cost_of(1 + n, costs) for each in guesses for n in each.drafted]
    if not steps or None in steps:
        return None
    drafting = sum(each.draft_ns for each in guesses) / step_ns
    n_tokens = sum((answer.n_tokens or 1) - 1 for answer in answers)
    return n_tokens / (sum(filter(None, steps)) + drafting)
