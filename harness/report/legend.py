"""What is printed below a table of figures: formulas, and what its marks mean."""

from __future__ import annotations

from collections.abc import Iterable

from harness.analysis.metrics import METRICS
from harness.analysis.stats.interval import min_values
from harness.report.cells import RANGE_MARK

DOUBT_MARK = " !"
DISTURBED_MARK = " ?"

_OPEN = "{energy}"


def formulas(metrics: Iterable[str], energies: Iterable[str] = ()) -> list[str]:
    """
    What each of these metrics is, one sentence or two a line.

    `energies` say what each kind of joules per token is of.
    """
    names = set(metrics)
    shown = [row for name, row in METRICS.items() if name in names]
    texts = list(dict.fromkeys(row.formula for row in shown if row.formula))
    explained = [text for text in texts if _OPEN not in text]
    explained += [
        text.replace(_OPEN, energy) for text in texts if _OPEN in text for energy in energies
    ]
    if shown:
        explained.append("Each figure is the median over n Runs (fresh processes).")
    return explained


def marks(*, has_range: bool, has_doubt: bool, has_disturbed: bool = False) -> list[str]:
    """How far to trust figures that have a mark, a line for each mark."""
    told = [range_line()] if has_range else []
    if has_doubt:
        told.append(
            f"{DOUBT_MARK.strip()} more than this memory delivered: the case's figures are not to "
            "be believed."
        )
    if has_disturbed:
        told.append(disturbed_line())
    return told


def disturbed_line() -> str:
    """What the mark of a figure from disturbed trials says."""
    return (
        f"{DISTURBED_MARK.strip()} from disturbed trials alone: a glimpse; no verdict, "
        "comparison or gate uses it."
    )


def range_line() -> str:
    """What the mark of a range says."""
    return (
        f"{RANGE_MARK.strip()} fewer than {min_values()} Runs: smallest and largest (min–max), not "
        "an interval."
    )
