"""How busy the machine was while it measured, and what that left of the trials."""

from __future__ import annotations

from collections.abc import Sequence

from harness import units
from harness.analysis import disturbance, formulas
from harness.analysis.cases import Case
from harness.analysis.finding import Finding, Level
from harness.analysis.measured import Measured


def of_load(measured: Sequence[Measured]) -> Finding:
    """One judgement of how busy the machine was, and the evidence that it rests on."""
    cases = [case for each in measured for case in each.cases]
    clean = _how_many_clean(cases)
    is_any_disturbed = any(case.n_disturbed for case in cases)
    counters = [it for case in cases for it in formulas.counters_of(case.runs, case.workload)]
    whole = [run.counters for each in measured for run in each.runs if run.counters]
    if all(each.system_busy_ns is None for each in (*counters, *whole)):
        text = f"This system does not tell what other programs took; {clean}."
        return Finding("warning" if is_any_disturbed else "info", text)
    n_logical = measured[0].experiment.machine.n_cores_logical
    of_trials, of_runs = (
        disturbance.others_share(each, n_logical) if n_logical else None
        for each in (counters, whole)
    )
    if of_trials is not None and of_trials >= disturbance.OTHERS_LIMIT_RATIO:
        return Finding("warning", f"The machine was busy: {_took(of_trials)}; {clean}.")
    if _are_many_disturbed(cases):
        # Where the share of all CPUs is low all the same, it is no evidence of this.
        why = disturbance.in_all([each for case in cases for each in case.disturbances])
        return Finding("warning", f"The machine was busy: {clean} ({why}).")
    if of_runs is not None and of_runs >= disturbance.OTHERS_LIMIT_RATIO:
        during = "" if of_trials is None else f", during trials {units.percent(of_trials)}"
        text = f"The machine was busy: {_took(of_runs)} over whole Runs{during}; {clean}."
        return Finding("warning", text)
    level: Level = "warning" if is_any_disturbed else "info"
    if of_trials is not None:
        return Finding(level, f"The machine was quiet: {_took(of_trials)}; {clean}.")
    in_all = units.duration(sum(each.wall_ns for each in counters))
    short = f"trials of {in_all} in all are too short to tell"
    if of_runs is not None:
        took = f"{_took(of_runs)} over whole Runs ({short})"
        return Finding(level, f"The machine was quiet: {took}; {clean}.")
    text = f"{short.capitalize()} what other programs took; {clean}."
    return Finding(level, text)


def of_disturbance(cases: Sequence[Case]) -> list[Finding]:
    """What the trials that others disturbed leave of the figures."""
    without = [case.workload for case in cases if case.disturbed]
    if without:
        text = (
            f"{', '.join(dict.fromkeys(without))}: no clean trial at all, so no figure that "
            "anything is judged by. Close other programs and measure again."
        )
        return [Finding("error", text)]
    if _are_many_disturbed(cases):
        text = "Many trials had to be left out. Close other programs for tighter figures."
        return [Finding("warning", text)]
    return []


def _took(share: float) -> str:
    return f"other programs took {units.percent(share)} of the CPUs"


def _how_many_clean(cases: Sequence[Case]) -> str:
    n_trials = sum(case.n_trials for case in cases)
    n_disturbed = sum(case.n_disturbed for case in cases)
    left_out = " and left out" if 0 < n_disturbed < n_trials else ""
    return disturbance.how_many(n_disturbed, n_trials) + left_out


def _are_many_disturbed(cases: Sequence[Case]) -> bool:
    """A third gone: the budget went into repeating, and the rest may be the luckier moments."""
    return 3 * sum(case.n_disturbed for case in cases) > sum(case.n_trials for case in cases)
