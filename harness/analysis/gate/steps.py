"""A case measured again and again: each time judged against the time before, as by the gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.analysis.gate.judge import Check, Judgement, Limits, judge_figures
from harness.analysis.gate.match import failures, match
from harness.analysis.measured import Measured

# From one time to the next the engine may be what was changed; nothing else may be.
_ACROSS = ("build",)

Step = tuple[Measured, Measured]
"""What was measured before and what was measured then, of one model under one Settings."""


@dataclass(frozen=True, slots=True)
class JudgedSteps:
    """The judgements of all steps, which `judge_steps` makes."""

    checks: dict[tuple[str, str], tuple[Check, ...]]
    limits: Limits

    def of(self, step: Step, workload: str) -> Judgement:
        """What is to be said of the workload, and of the model as a whole, in one of the steps."""
        before, now = step
        found = self.checks[before.experiment.id, now.experiment.id]
        own = (it for it in found if not it.model or _is_of(it, now, workload))
        return Judgement(tuple(own), self.limits)


def judge_steps(steps: Iterable[Step], limits: Limits) -> JudgedSteps:
    """
    Each step judged; those between the same two experiments together, as the gate judges these.

    Args:
        steps: Each may be there several times.
        limits: How much worse is allowed.
    """
    between: dict[tuple[str, str], list[Step]] = {}
    for before, now in steps:
        known = between.setdefault((before.experiment.id, now.experiment.id), [])
        if not any(now is it for _, it in known):
            known.append((before, now))
    return JudgedSteps({ids: _checks(of_two, limits) for ids, of_two in between.items()}, limits)


def _checks(steps: Sequence[Step], limits: Limits) -> tuple[Check, ...]:
    candidate = [now for _, now in steps]
    matched = match([before for before, _ in steps], candidate, _ACROSS)
    return (*judge_figures(matched.pairs, limits), *failures(candidate), *matched.checks)


def _is_of(check: Check, side: Measured, workload: str) -> bool:
    is_of_side = (check.model, check.settings) == (side.model.key, side.settings)
    return is_of_side and check.workload in (workload, "")
