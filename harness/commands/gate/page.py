"""A gate's judgement as text of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from harness import units
from harness.commands.gate.judge import FAMILY_CONFIDENCE, PASS_CONFIDENCE, Check, Judgement
from harness.commands.gate.judge import sure_confidence as confidence_of_each
from harness.commands.gate.words import (
    Gated,
    case_name,
    change_text,
    check_text,
    figure_name,
    safe,
    sentence,
    values_text,
    waiver_text,
)
from harness.report.text import wrapped
from harness.schema.experiment import Experiment

HEADER = ("figure", "baseline → now", "worse by, %", "n", "verdict")
ALIGNMENT = ("left", "left", "left", "right", "left")


def gate_text(gated: Gated, *, is_lenient: bool = False) -> str:
    """
    What was judged against what, a line for each figure, what else is to know, the verdict.

    Without a line break at the end.
    """
    judgement = gated.judgement
    lines = [
        *wrapped(baseline_text(gated), lead="Baseline   "),
        *wrapped(candidate_text(gated), lead="Candidate  "),
    ]
    lines += [line for text in gated.remarks for line in wrapped(safe(text), lead="!  ")]
    for name, checks in by_case(judgement).items():
        table = [row(check) for check in checks]
        lines += ["", *wrapped(name, lead="Case  "), ""]
        lines.append(tabulate(table, HEADER, "simple", disable_numparse=True, colalign=ALIGNMENT))
    notes = noted(judgement)
    if notes:
        lines.append("")
        lines += [line for check in notes for line in wrapped(check_text(check), lead="-  ")]
    if judgement.n_estimated:
        lines += ["", *wrapped(legend_text(judgement))]
    lines += ["", *wrapped(sentence(judgement))]
    waiver = waiver_text(gated, is_lenient)
    return "\n".join([*lines, *(wrapped(waiver) if waiver else [])])


def by_case(judgement: Judgement) -> dict[str, list[Check]]:
    """The figures of each case, under the case's name."""
    found: dict[str, list[Check]] = {}
    for check in judgement.checks:
        if check.a or check.b or check.level:
            found.setdefault(case_name(check), []).append(check)
    return found


def noted(judgement: Judgement) -> list[Check]:
    """What the table does not tell in full: obstacles, and why figures are inconclusive."""
    found = [check for check in judgement.checks if check.verdict == "inconclusive"]
    # A single one is all that the verdict speaks of.
    return [] if len(found) == 1 and judgement.verdict == "inconclusive" else found


def row(check: Check) -> list[str]:
    """The cells of one figure."""
    verdict = check.verdict.upper() if check.verdict == "regression" else check.verdict
    n = str(check.n) if check.n else ""
    return [figure_name(check), values_text(check), change_text(check.change), n, verdict]


def legend_text(judgement: Judgement) -> str:
    """How the columns came about."""
    limits, n = judgement.limits, judgement.n_estimated
    sure, plain, family = (
        f"{units.significant(share * 100, 4).rstrip('0').rstrip('.')} %"
        for share in (confidence_of_each(n), PASS_CONFIDENCE, FAMILY_CONFIDENCE)
    )
    at_once = f", as {n} figures at once need for {family} together" if n > 1 else ""
    return (
        f"Worse by: percent more time or memory, with the {plain} interval; below 0 is better. "
        f"Allowed: {units.percent(limits.max_slowdown)} of time, "
        f"{units.percent(limits.max_memory)} of memory. A pass has this interval within, a "
        f"regression the {sure} interval beyond{at_once}."
    )


def baseline_text(gated: Gated) -> str:
    """What the candidate is judged against."""
    if gated.baseline is None:
        return safe(f"{gated.asked}: none")
    return safe(f"{gated.asked}: " + _experiment_text(gated.baseline, gated.n_baseline_runs))


def candidate_text(gated: Gated) -> str:
    """What is judged."""
    return safe(_experiment_text(gated.candidate, gated.n_candidate_runs))


def _experiment_text(experiment: Experiment, n_runs: int) -> str:
    engine = experiment.provenance.engine
    parts = [
        f"experiment {experiment.id} of {experiment.started_at[:10]}",
        f"{n_runs} Runs",
        f"build {engine.library_commit or engine.binding_version}",
        f"machine {experiment.machine.id}",
    ]
    if experiment.origin != "harness":
        parts.append(f"imported from {experiment.origin}")
    return ", ".join(parts)


def worst_first(checks: Sequence[Check]) -> list[Check]:
    """Regressions, then what is inconclusive, then what passes."""
    order = ("regression", "inconclusive", "pass")
    return sorted(checks, key=lambda check: order.index(check.verdict))
