"""What was measured, in sentences: the one that a page begins with, and a verdict on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness import units
from harness.analysis import disturbance
from harness.analysis.cases import Case
from harness.analysis.measured import Measured
from harness.analysis.verdict import LEVELS, Verdict, word
from harness.analysis.verdict_measured import NoVerdict
from harness.schema.settings import difference_text, settings_text

Judged = Sequence[tuple[Measured, Verdict | NoVerdict]]
"""Configurations, each with the verdict on it."""


def answer(judged: Judged) -> str:
    """
    The one sentence: the verdict, or of several configurations how many have which.

    "2 configurations (measured): 1 comfortable, 1 usable; decode from 12.0 tok/s (threads 1) to
    21.3 tok/s (threads 2)." Which of them is the faster is not said: that is for `compare`.
    """
    if len(judged) < 2:
        return "".join(_sentence(group.model.key, verdict) for group, verdict in judged)
    verdicts = [verdict for _, verdict in judged if isinstance(verdict, Verdict)]
    counts = Counter(verdict.level for verdict in verdicts)
    parts = [f"{counts[level]} {word(level)}" for level in LEVELS if counts[level]]
    n_unknown = len(judged) - len(verdicts)
    parts += [f"no verdict on {n_unknown}"] if n_unknown else []
    kinds = " and ".join(sorted({verdict.evidence for verdict in verdicts}))
    head = f"{len(judged)} configurations" + (f" ({kinds})" if kinds else "")
    return f"{head}: {', '.join(parts)}{_between(judged)}."


def verdict_lines(judged: Judged) -> Iterator[str]:
    """
    Of several configurations the verdict on each, and what is to be known of them.

    Settings are named where a model has several. What is to be known of all is said once, behind
    them.
    """
    told = [it.notes for _, it in judged if isinstance(it, Verdict)] or [()]
    is_of_all = len(told) > 1 or len(judged) == 1
    shared = [note for note in told[0] if all(note in it for it in told)] if is_of_all else []
    for group, verdict in judged:
        own = verdict.notes if isinstance(verdict, Verdict) else ()
        said = [note for note in own if note not in shared]
        if len(judged) > 1:
            others = [it.settings for it, _ in judged if it.model.key == group.model.key]
            in_which = f" ({settings_text(group.settings, others)})" if len(others) > 1 else ""
            said = [_sentence(group.model.key + in_which, verdict), *said]
        if said:
            yield " ".join(said)
    yield from shared


def distinct_name(group: Measured, groups: Sequence[Measured]) -> str:
    """What tells a group from the others: its model, its settings or both."""
    several = len({each.model.key for each in groups}) > 1
    settings = difference_text(group.settings, [other.settings for other in groups])
    return " · ".join(filter(None, (group.model.key if several else "", settings)))


def case_note(case: Case) -> str:
    """Why a case has no figure, or what its figure stands on; empty of one that is as planned."""
    runs = units.counted(case.n_runs, "Run")
    if case.outcome.status != "ok":
        word = "failed" if case.outcome.status == "failed" else "not run"
        kept = f" Figures are from {runs} that had trials." if case.metrics else ""
        return f"{word}: {case.outcome.message or case.outcome.reason or 'unknown'}{kept}"
    if case.disturbed:
        return f"no clean trial in {runs}: {disturbance.in_all(case.disturbances)}"
    if case.n_runs_without_value:
        return f"{case.n_runs_without_value} of {runs} had no clean trial"
    return ""


def _sentence(name: str, verdict: Verdict | NoVerdict) -> str:
    if isinstance(verdict, NoVerdict):
        return f"{name}: no verdict: {verdict.reason}."
    return verdict.sentence(name)


def _between(judged: Judged) -> str:
    """The slowest and the fastest, where both were measured in the same workload."""
    rates = [
        (verdict.decode, group)
        for group, verdict in judged
        if isinstance(verdict, Verdict) and verdict.decode
    ]
    if len(rates) < 2 or len({decode.source for decode, _ in rates}) > 1:
        return ""
    groups = [group for group, _ in judged]
    (slow, slowest), *_, (fast, fastest) = sorted(rates, key=lambda pair: pair[0].value)
    return (
        f"; decode from {units.significant(slow.value)} tok/s "
        f"({distinct_name(slowest, groups)}) to {units.significant(fast.value)} tok/s "
        f"({distinct_name(fastest, groups)})"
    )
