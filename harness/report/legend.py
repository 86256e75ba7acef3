"""What is printed below a table of figures: formulas, and what its marks mean."""

from __future__ import annotations

from collections.abc import Iterable

from harness.analysis.metrics import METRICS
from harness.analysis.stats.interval import min_values

RANGE_MARK = " *"
DOUBT_MARK = " !"
DISTURBED_MARK = " ?"

_OPEN = "{energy}"


def lines(
    metrics: Iterable[str],
    *,
    has_range: bool,
    has_doubt: bool,
    has_disturbed: bool = False,
    energies: Iterable[str] = (),
) -> list[str]:
    """
    The explanations that a table of these metrics needs, one sentence or two a line.

    `energies` say what each kind of joules per token in it is of.
    """
    names = set(metrics)
    shown = [row for name, row in METRICS.items() if name in names]
    formulas = list(dict.fromkeys(row.formula for row in shown if row.formula))
    explained = [text for text in formulas if _OPEN not in text]
    explained += [
        text.replace(_OPEN, energy) for text in formulas if _OPEN in text for energy in energies
    ]
    if shown:
        explained.append("Each figure is the median over n Runs (fresh processes).")
    if has_range:
        explained.append(range_line())
    if has_doubt:
        explained.append(
            f"{DOUBT_MARK.strip()} more than this memory delivered: the case's figures are not to "
            "be believed."
        )
    if has_disturbed:
        explained.append(disturbed_line())
    return explained


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
