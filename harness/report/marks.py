"""Figures as marks of a picture, with words that say all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness import units
from harness.analysis import disturbance, formulas
from harness.analysis.cases import Case
from harness.analysis.metrics import METRICS
from harness.report.cells import bounds_of
from harness.report.picture import Mark
from harness.report.scope import Shown
from harness.schema.figure import Figure, FigureKind

_BOUNDS: dict[FigureKind, str] = {
    "interval": "95 % interval",
    "range": "smallest to largest",
    "predicted": "90 % interval",
}
# Of these `units.quantity` writes the number alone.
_BARE = ("tok/s", "J/token", "nats")

AXES: Mapping[str, tuple[str, float]] = {
    "ns": ("s", 1e-9),
    "bytes": ("GiB", 2.0**-30),
    "bytes/s": ("GB/s", 1e-9),
}
"""Of a unit, what an axis has instead, and by what its values are multiplied then."""

MOST_SINGLES = 1200
"""Runs that a picture shows as points: three times as many as 50 cases usually have; each takes
some 300 bytes of the page."""


def value_text(value: float, unit: str) -> str:
    """A number with its unit, however that is written: "104 tok/s", "1.20 s"."""
    text = units.quantity(value, unit)
    return f"{text} {unit}" if unit in _BARE else text


def figure_text(figure: Figure) -> str:
    """A figure with all that is known of it: "104 tok/s, 95 % interval 98.8 – 113, n = 12"."""
    parts = [value_text(figure.value, figure.unit)]
    known = figure.low is not None or figure.high is not None
    if figure.kind in _BOUNDS and known and figure.n != 1:
        parts.append(f"{_BOUNDS[figure.kind]} {bounds_of(figure).rstrip(' *')}")
    if figure.n:
        parts.append(f"n = {figure.n}")
    return ", ".join(parts)


def figure_mark(
    shown: Shown,
    row: str,
    what: str,
    figure: Figure,
    *,
    is_disturbed: bool = False,
    factor: float = 1.0,
) -> Mark:
    """
    A figure along x, in a row of its own.

    Args:
        shown: What it is of.
        row: Where it stands.
        what: The workload, the metric or both, in words.
        figure: The value.
        is_disturbed: It is from disturbed trials alone.
        factor: From its unit to that of the axis.
    """
    suffix = ", disturbed trials alone" if is_disturbed else f", {shown.evidence}"
    return Mark(
        x=figure.value * factor,
        y=row,
        label=f"{shown.name}: {what} {figure_text(figure)}{suffix}",
        low=None if figure.low is None else figure.low * factor,
        high=None if figure.high is None else figure.high * factor,
        evidence=shown.evidence,
        is_disturbed=is_disturbed,
    )


def run_marks(
    shown: Shown, case: Case, metric: str, row: str, *, factor: float = 1.0
) -> Iterator[Mark]:
    """Every Run of a case as a point: by its clean trials, and by those that were disturbed."""
    machine, unit = shown.group.experiment.machine, METRICS[metric].unit
    for run, clean in zip(case.runs, case.values, strict=True):
        about = f"{shown.name}: {case.workload}, Run {run.index + 1}"
        if metric in clean:
            text = value_text(clean[metric], unit)
            yield Mark(
                clean[metric] * factor,
                row,
                f"{about}: {text}",
                evidence=shown.evidence,
                is_single=True,
            )
        disturbed = formulas.run_values(run, case.workload, machine, "disturbed")
        if metric in disturbed:
            text = value_text(disturbed[metric], unit)
            trials = formulas.trials_of(run, case.workload)
            reasons = [formulas.why_disturbed(trial, run, machine) for trial in trials]
            why = disturbance.in_all([reason for reason in reasons if reason])
            yield Mark(
                disturbed[metric] * factor,
                row,
                f"{about}: {text}, disturbed and left out: {why}",
                evidence=shown.evidence,
                is_single=True,
                is_disturbed=True,
            )


def bounded(marks: list[Mark]) -> list[Mark]:
    """`marks` without single Runs where those are more than a page can carry."""
    if sum(mark.is_single for mark in marks) <= MOST_SINGLES:
        return marks
    return [mark for mark in marks if not mark.is_single]
