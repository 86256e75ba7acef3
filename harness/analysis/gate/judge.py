"""
Whether a candidate is worse than its baseline by more than is allowed: figures and verdicts.

A figure is worse by a share: 0.05 when it takes 5 % longer (for a rate: when a token does) or 5 %
more memory; less than 0 when it is better. It passes when its whole interval lies within the
limit, regresses when its whole interval lies beyond, and otherwise nothing is known for sure.

The two use different intervals. One figure out of many looks bad by chance, so a regression is
judged at the family's confidence divided among all figures (Bonferroni). A pass needs every
figure to pass, and a true regression slips through only if its own figure errs: that calls for no
division (an intersection-union test, Berger 1982).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.analysis.comparison import ComparedFigure, compare
from harness.analysis.measured import Measured
from harness.analysis.metrics import GATED, METRICS
from harness.analysis.stats import interval as stats
from harness.analysis.stats.ratio import CONFIDENCE, Comparison
from harness.schema.figure import Figure
from harness.schema.settings import AnySettings

Verdict = Literal["pass", "regression", "inconclusive"]
Cause = Literal[
    "undecided",
    "few-runs",
    "no-figure",
    "no-baseline",
    "not-comparable",
    "failed",
    "missing",
    "no-quality",
]

# Required of the candidate itself: a model that crashes, or was not measured at all, never passes.
_REQUIRED: tuple[Cause, ...] = ("failed", "missing", "no-quality")

# Why the candidate has no figure; that all its trials were disturbed is nobody's fault.
_ABSENT: dict[str, Cause] = {"failed": "failed", "absent": "missing"}

PASS_CONFIDENCE = stats.CONFIDENCE
"""Of the interval that must lie within the limit: a figure beyond it passes once in 40 times."""
FAMILY_CONFIDENCE = CONFIDENCE
"""Of all intervals together that show regressions: with every figure exactly at its limit, a false
alarm once in 200 times; see docs/method/gate.md for what that makes of a quiet year."""
LEAST_RUNS = 3
"""Two values can lie close together by chance so often that their interval is worth nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much worse is allowed, as shares; `max_kl` in nats, None where it is not judged."""

    max_slowdown: float = 0.05
    max_memory: float = 0.03
    max_kl: float | None = None

    def of(self, metric: str) -> float:
        """The limit that `metric` is held to."""
        limit: float = getattr(self, limit_of(metric))
        return limit


def limit_of(metric: str) -> str:
    """Which of the Limits `metric` is held to, by the name of the field."""
    return "max_memory" if METRICS[metric].unit == "bytes" else "max_slowdown"


@dataclass(frozen=True, slots=True)
class Change:
    """
    By which share a figure is worse, with its interval; an end is None where it is unknown.

    `sure_low` is the lower end of the wider interval, which a regression is judged by.
    """

    value: float
    low: float | None
    high: float | None
    sure_low: float | None
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """
    One thing that was judged, or that stands in the way of judging.

    Attributes:
        model: Its key; empty where the whole experiment is meant.
        settings: None where the model or the experiment is meant.
        workload: Empty for the model as a whole.
        metric: Of METRICS; empty where there is no figure.
        cause: Why it is inconclusive.
        text: What is to be said of it, where there is no figure or the table does not tell.
        limit: What it was held to.
        change: Of a figure that is compared.
        means: The geometric means of baseline and candidate that the change is between.
        level: Of a figure that is held to the limit by itself.
        n: Runs of the side that has fewer, rounds, or chunks of text.
    """

    verdict: Verdict
    model: str = ""
    settings: AnySettings | None = None
    workload: str = ""
    metric: str = ""
    cause: Cause | None = None
    text: str = ""
    limit: float | None = None
    a: Figure | None = None
    b: Figure | None = None
    change: Change | None = None
    means: tuple[float, float] | None = None
    level: Figure | None = None
    n: int = 0

    @property
    def is_required(self) -> bool:
        """Whether the candidate must not pass without it, however lenient the gate is."""
        return self.cause in _REQUIRED


@dataclass(frozen=True, slots=True)
class Judgement:
    """All checks and what follows from them."""

    checks: tuple[Check, ...]
    limits: Limits

    @property
    def verdict(self) -> Verdict:
        """A regression decides, then anything that is not known; nothing at all is no pass."""
        found = {check.verdict for check in self.checks}
        if "regression" in found:
            return "regression"
        return "inconclusive" if "inconclusive" in found or not found else "pass"

    @property
    def is_waivable(self) -> bool:
        """Whether `--inconclusive pass` lets it pass: nothing is lacking that is required."""
        is_open = self.verdict == "inconclusive" and bool(self.checks)
        return is_open and not any(check.is_required for check in self.checks)

    @property
    def n_estimated(self) -> int:
        """How many figures were judged by intervals of sampled values."""
        changes = [check.change for check in self.checks]
        return sum(change is not None and not change.is_exact for change in changes)


def unjudged(cause: Cause, text: str, side: Measured | None = None, workload: str = "") -> Check:
    """What makes a gate inconclusive without being a figure; with a `side`, of that alone."""
    if side is None:
        return Check("inconclusive", cause=cause, text=text)
    return Check(
        "inconclusive",
        model=side.model.key,
        settings=side.settings,
        workload=workload,
        cause=cause,
        text=text,
    )


def sure_confidence(n_estimated: int) -> float:
    """The confidence of each of `n_estimated` intervals that together err as FAMILY_CONFIDENCE."""
    return 1 - (1 - FAMILY_CONFIDENCE) / max(1, n_estimated)


def judge_figures(
    pairs: Sequence[tuple[Measured, Measured]], limits: Limits, wanted: Sequence[str] = GATED
) -> list[Check]:
    """
    Every wanted figure of each baseline and candidate, judged together.

    Args:
        pairs: Baseline first.
        limits: How much worse is allowed.
        wanted: Of COMPARED.
    """
    plain = [compare(a, b, confidence=PASS_CONFIDENCE, wanted=wanted) for a, b in pairs]
    confidence = sure_confidence(sum(_is_estimated(each) for figures in plain for each in figures))
    checks = []
    for (a, b), figures in zip(pairs, plain, strict=True):
        wide = compare(a, b, confidence=confidence, wanted=wanted)
        checks += [
            _judge(b, figure, sure.comparison, limits)
            for figure, sure in zip(figures, wide, strict=True)
        ]
    return checks


def decide(change: Change, limit: float) -> Verdict:
    """What a figure with this change is, held to `limit`."""
    if change.sure_low is not None and change.sure_low > limit:
        return "regression"
    if change.high is not None and change.high <= limit:
        return "pass"
    return "inconclusive"


def change_of(comparison: Comparison, sure: Comparison) -> Change:
    """Both intervals of one figure as shares by which B is worse than A."""
    value, low, high = _worse(comparison)
    _, sure_low, _ = _worse(sure)
    return Change(value or 0.0, low, high, sure_low, is_exact=comparison.pairing == "exact")


def _worse(comparison: Comparison) -> tuple[float | None, ...]:
    ends = [comparison.ratio, comparison.low, comparison.high]
    if comparison.is_more_better:
        ends = [1 / end if end > 0 else math.inf for end in (ends[0], ends[2], ends[1])]
    is_known = comparison.low > 0 and math.isfinite(comparison.high)
    value, low, high = (end - 1 for end in ends)
    return (value, low, high) if is_known else (value, None, None)


def _judge(
    side: Measured, figure: ComparedFigure, sure: Comparison | None, limits: Limits
) -> Check:
    open_check = Check(
        "inconclusive",
        model=side.model.key,
        settings=side.settings,
        workload=figure.workload,
        metric=figure.metric,
        a=figure.a,
        b=figure.b,
    )
    found = figure.comparison
    if found is None or sure is None:
        cause = _ABSENT.get(figure.b_state, "no-figure")
        return replace(open_check, cause=cause, text=_in_words(figure.note))
    limit, change = limits.of(figure.metric), change_of(found, sure)
    judged = replace(open_check, limit=limit, change=change, means=found.means, n=found.n)
    if found.n < LEAST_RUNS and not change.is_exact:
        runs = "Run" if found.n == 1 else "Runs"
        text = f"{found.n} {runs} on a side, and an interval needs {LEAST_RUNS}"
        return replace(judged, cause="few-runs", text=text)
    verdict = decide(change, limit)
    if verdict != "inconclusive":
        return replace(judged, verdict=verdict)
    return replace(judged, cause="undecided", text=_why_open(change, limit))


def _is_estimated(figure: ComparedFigure) -> bool:
    return figure.comparison is not None and figure.comparison.pairing != "exact"


def _in_words(note: str) -> str:
    """A note of compare with the sides by the names they have here."""
    for letter, name in (("A", "the baseline"), ("B", "the candidate")):
        note = re.sub(rf"\b{letter}\b", name, note)
    return note


def _why_open(change: Change, limit: float) -> str:
    if change.low is None:
        return "so few Runs tell nothing of a difference"
    if change.low > limit:
        return "beyond the limit; of so many figures one may look so by chance"
    if change.value > limit:
        return "perhaps beyond the limit"
    return "perhaps within the limit"
