"""A gate's judgement as a page."""

from __future__ import annotations

from collections.abc import Sequence

from harness import units
from harness.analysis.gate.judge import FAMILY_CONFIDENCE, PASS_CONFIDENCE, Check, Judgement
from harness.analysis.gate.judge import sure_confidence as confidence_of_each
from harness.commands.gate.gate import GateResult, JudgedExperiment
from harness.report.gate_words import (
    case_name,
    change_text,
    check_text,
    figure_name,
    sentence,
    values_text,
    waiver_text,
)
from harness.report.page import Cell, Column, Facts, Judged, Note, Page, Table, notes
from harness.schema.figure import Figure, FigureKind

_COLUMNS = (
    Column("figure", "figure"),
    Column("baseline → now"),
    Column("worse by, %"),
    Column("n", "n", "right"),
    Column("verdict", "verdict"),
    *(Column(None, key) for key in ("case", "baseline_", "candidate_", "worse_by_")),
    *(Column(None, key) for key in ("limit", "cause")),
)
_UNSEEN = tuple(Column(None, column.key) for column in _COLUMNS)


def page(result: GateResult) -> Page:
    """What was judged against what, a row for each figure, what else is to know, the verdict."""
    return (*details(result), *verdict(result))


def details(result: GateResult) -> Page:
    """Everything but the verdict."""
    judgement = result.judgement
    told = tuple(finding.text for finding in result.findings)
    return (
        Facts((("Baseline", _baseline_text(result)), ("Candidate", _text(result.candidate)))),
        *((Note(told, "warning"),) if told else ()),
        *(
            table
            for name, checks in _by_case(judgement).items()
            for table in _tables(name, checks, bool(result.waived_by))
        ),
        *notes([check_text(check) for check in _noted(judgement)], level="finding"),
        *notes(_legend_text(judgement) if judgement.n_estimated else ""),
    )


def verdict(result: GateResult) -> Page:
    """The verdict, what decided it, and what it means for the exit code."""
    waiver = waiver_text(result.judgement, result.waived_by)
    return notes([sentence(result.judgement), *([waiver] if waiver else [])])


def _tables(name: str, checks: Sequence[Check], is_waived: bool) -> Page:
    """The figures of a case, and what stands in its way, which only sentences tell people."""
    figures = [check for check in checks if check.a or check.b or check.level]
    unjudged = [check for check in checks if check not in figures]
    found = ((_COLUMNS, figures), (_UNSEEN, unjudged))
    return tuple(
        Table(columns, tuple(_row(check, is_waived) for check in shown), name)
        for columns, shown in found
        if shown
    )


def _row(check: Check, is_waived: bool) -> tuple[Cell, ...]:
    return (
        figure_name(check),
        values_text(check),
        change_text(check.change),
        check.n or None,
        _judged(check, is_waived),
        case_name(check),
        check.a,
        check.level or check.b,
        _worse_by(check),
        check.limit,
        check.cause,
    )


def _worse_by(check: Check) -> Figure | None:
    """The share by which it is worse, with the interval that a pass is judged by."""
    change = check.change
    if change is None:
        return None
    kind: FigureKind = "exact" if change.is_exact else "interval"
    return Figure(change.value, change.low, change.high, "ratio", kind, check.n)


def _judged(check: Check, is_waived: bool) -> Judged:
    """A regression fails; what is inconclusive is an error, unless it was asked to pass."""
    message = check_text(check)
    if check.verdict == "regression":
        return Judged("REGRESSION", "failure", message, check.cause or "regression")
    if check.verdict == "pass":
        return Judged("pass", "pass", message)
    return Judged("inconclusive", "skipped" if is_waived else "error", message, check.cause or "")


def _by_case(judgement: Judgement) -> dict[str, list[Check]]:
    """All checks under the names of their cases."""
    found: dict[str, list[Check]] = {}
    for check in judgement.checks:
        found.setdefault(case_name(check), []).append(check)
    return found


def _noted(judgement: Judgement) -> list[Check]:
    """What the table does not tell in full: what cannot be judged, and why not."""
    found = [check for check in judgement.checks if check.verdict == "inconclusive"]
    # A single one is all that the verdict speaks of.
    return [] if len(found) == 1 and judgement.verdict == "inconclusive" else found


def _legend_text(judgement: Judgement) -> str:
    """How the columns came about."""
    limits, n = judgement.limits, judgement.n_estimated
    sure, plain, family = (
        f"{units.significant(share * 100, 4).rstrip('0').rstrip('.')} %"
        for share in (confidence_of_each(n), PASS_CONFIDENCE, FAMILY_CONFIDENCE)
    )
    at_once = f", as {n} figures at once need for {family} together" if n > 1 else ""
    return (
        "Baseline → now: geometric means over Runs. "
        f"Worse by: percent more time or memory, with the {plain} interval; below 0 is better. "
        f"Allowed: {units.percent(limits.max_slowdown)} of time, "
        f"{units.percent(limits.max_memory)} of memory. A pass has this interval within, a "
        f"regression the {sure} interval beyond{at_once}."
    )


def _baseline_text(result: GateResult) -> str:
    found = _text(result.baseline) if result.baseline else "none"
    return f"{result.request.baseline}: {found}"


def _text(judged: JudgedExperiment) -> str:
    experiment = judged.experiment
    parts = [
        f"experiment {experiment.id} of {experiment.started_at[:10]}",
        units.counted(judged.n_runs, "Run"),
        f"build {experiment.provenance.engine.build}",
        f"machine {experiment.machine.id}",
    ]
    if experiment.origin != "harness":
        parts.append(f"imported from {experiment.origin}")
    return ", ".join(parts)
