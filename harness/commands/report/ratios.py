"""What was measured side by side in one experiment, each against the first."""

from __future__ import annotations

from collections.abc import Sequence

from harness import units
from harness.analysis.comparison import compare, confidence_of, was_asked_often
from harness.analysis.measured import Measured
from harness.report.measured_page import MeasuredResult
from harness.report.page import Page, notes
from harness.report.ratios import NamedPair, ratio_parts
from harness.report.scope import moment_text, scopes

# A sweep of a hundred settings is a table that nobody reads.
_MOST_PAIRS = 20


def ratios_page(measured: Sequence[MeasuredResult]) -> Page:
    """For each experiment with two configurations and more their ratios; nothing without one."""
    several = [it for it in measured if len(it.groups) > 1]
    parts: list[Page] = []
    for number, each in enumerate(several, start=1):
        name = f"ratios-{number}" if len(several) > 1 else "ratios"
        parts.append(_of_one(each, name))
    return tuple(part for page in parts for part in page)


def _of_one(measured: MeasuredResult, name: str) -> Page:
    (scope,) = scopes(measured.groups)
    first, *others = scope.shown
    confidence = confidence_of(is_asked_often=was_asked_often(measured.stops))
    pairs = [
        NamedPair(
            first.name,
            other.name,
            tuple(compare(first.group, other.group, confidence=confidence)),
            "rehearsed" if _is_rehearsed(first.group, other.group) else "measured",
        )
        for other in others[:_MOST_PAIRS]
    ]
    started = moment_text(measured.experiment.started_at)
    parts = ratio_parts(pairs, f"Against {first.name}, {started}", name)
    n_more = len(others) - _MOST_PAIRS
    if n_more <= 0:
        return parts
    return (*parts, *notes(f"{units.counted(n_more, 'more configuration')} not compared here."))


def _is_rehearsed(*groups: Measured) -> bool:
    return any(group.model.is_twin for group in groups)
