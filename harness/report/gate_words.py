"""The words of a gate's judgement, shared by all the forms in which it is told."""

from __future__ import annotations

from harness import units
from harness.analysis.gate.judge import Change, Check, Judgement
from harness.analysis.metrics import METRICS
from harness.schema.settings import settings_text

# Twice the default: what had so few Runs that nothing was decided has a chance with these.
_MORE_RUNS = 24


def case_name(check: Check) -> str:
    """The model and its Settings, as far as the check is about them."""
    if not check.model:
        return "experiment"
    if check.settings is None:
        return check.model
    return " · ".join(filter(None, (check.model, settings_text(check.settings))))


def figure_name(check: Check) -> str:
    """What was judged of the case: "tg128 tok/s", "memory peak", or why nothing was."""
    if not check.metric:
        return f"{check.workload} {check.cause or ''}".strip()
    metric = METRICS[check.metric]
    # How far a model is from its reference is about nothing else.
    topic = check.workload or ("" if metric.topic == "quality" else metric.topic)
    return f"{topic} {metric.label}".strip()


def values_text(check: Check) -> str:
    """
    Both sides, "104 → 98.2"; of a figure by itself its value with the interval.

    The geometric means that the change is between, so that both always go the same way; medians
    where nothing is compared.
    """
    if check.level:
        low, high = check.level.low, check.level.high
        value = units.significant(check.level.value)
        if low is None or high is None:
            return value
        return f"{value} ({units.significant(low)} – {units.significant(high)})"
    if check.a is None and check.b is None:
        return ""
    values = check.means or tuple(each.value if each else None for each in (check.a, check.b))
    unit = METRICS[check.metric].unit
    texts = ["-" if value is None else units.quantity(value, unit) for value in values]
    return " → ".join(texts)


def change_text(change: Change | None) -> str:
    """By how many percent it is worse: "+5.9 (+4.1, +7.7)"; "" where that is unknown."""
    if change is None:
        return ""
    if change.is_exact:
        return f"{_signed(change.value)} exactly"
    if change.low is None or change.high is None:
        return f"{_signed(change.value)} (unknown)"
    return f"{_signed(change.value)} ({_signed(change.low)}, {_signed(change.high)})"


def limit_text(check: Check) -> str:
    """What is allowed: "5.0 %", or nats."""
    if check.limit is None:
        return ""
    metric = METRICS[check.metric]
    if metric.topic == "quality":
        return f"{units.significant(check.limit)} {metric.unit}"
    return units.percent(check.limit)


def check_text(check: Check) -> str:
    """One check in a sentence, without saying what it counts for."""
    what = figure_name(check) if check.metric or check.workload else ""
    if check.model:
        what = f"{what} of {case_name(check)}".removeprefix(" of ") if what else case_name(check)
    measured = "" if check.cause == "few-runs" else _measured(check)
    said = [each for each in (measured, check.text) if each]
    return f"{what}: {'; '.join(said)}" if what else "; ".join(said)


def sentence(judgement: Judgement) -> str:
    """The verdict and what decided it."""
    verdict = judgement.verdict
    decisive = [check for check in judgement.checks if check.verdict == verdict]
    if verdict == "pass":
        limits = judgement.limits
        allowed = f"{units.percent(limits.max_slowdown)} slower, "
        allowed += f"{units.percent(limits.max_memory)} more memory"
        if limits.max_kl is not None:
            allowed += f", {units.significant(limits.max_kl)} nats from the reference"
        figures = (
            "the one figure lies" if len(decisive) == 1 else f"all {len(decisive)} figures lie"
        )
        return f"Pass: {figures} within what is allowed: {allowed}."
    if not decisive:
        return "Inconclusive: there is nothing to judge."
    first = min(decisive, key=_weight)
    text = f"{verdict.capitalize()}: {check_text(first).rstrip('.')}."
    others = len(decisive) - 1
    if others and verdict == "regression":
        text += f" {others} more {'figure' if others == 1 else 'figures'} regressed."
    elif others:
        text += f" {others} more {'is' if others == 1 else 'are'} inconclusive."
    if any(check.cause in ("undecided", "few-runs") and check.change for check in decisive):
        n_more = max(_MORE_RUNS, 2 * max(check.n for check in decisive))
        text += (
            " More Runs of both sides narrow the intervals: measure each as before, with --runs "
            f"{n_more}."
        )
    return text


def verdict_text(judgement: Judgement, metric: str) -> str:
    """
    The verdict in a word; where another figure than `metric` decided it, with the name of that.

    Args:
        judgement: Of one workload and the model as a whole.
        metric: Of the workload, what is spoken of.
    """
    verdict = judgement.verdict
    decisive = [check for check in judgement.checks if check.verdict == verdict]
    if verdict == "pass" or not decisive:
        return verdict
    first = min(decisive, key=_weight)
    is_known = first.metric == metric and bool(first.workload)
    return verdict if is_known else f"{verdict}: {figure_name(first)}"


def waiver_text(judgement: Judgement, waived_by: str) -> str:
    """What an inconclusive verdict means for the exit code; "" for the other verdicts."""
    if judgement.verdict != "inconclusive":
        return ""
    if not judgement.is_waivable:
        return "This is required of the candidate: --inconclusive pass does not let it pass."
    if waived_by:
        return f"It passes because {waived_by} asks for that."
    return "--inconclusive pass would let it pass."


def _weight(check: Check) -> tuple[bool, float]:
    """What weighs most comes first: what is required, then the largest change."""
    return not check.is_required, -(check.change.value if check.change else float("inf"))


def _measured(check: Check) -> str:
    if check.level:
        return f"{values_text(check)} {check.level.unit}, and {limit_text(check)} are allowed"
    change = check.change
    if change is None:
        return ""
    better, worse = METRICS[check.metric].words
    # Better is said in the same measure: -0.05 is 5 % less time or memory.
    text = f"{units.percent(abs(change.value))} {worse if change.value >= 0 else better}"
    if change.low is not None and change.high is not None and not change.is_exact:
        text += f" ({_signed(change.low)} to {_signed(change.high)} %)"
    return f"{text}, and {limit_text(check)} is allowed"


def _signed(share: float) -> str:
    digits = 1 if abs(share) < 1 else 0
    return f"{share * 100:+.{digits}f}".replace("-0.0", "+0.0")
