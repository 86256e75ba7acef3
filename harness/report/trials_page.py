"""Every trial as a small bar: a drift, a slow first one and two kinds of Runs can be seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness import units
from harness.analysis import formulas
from harness.analysis.measured import Measured
from harness.analysis.metrics import headline
from harness.report.blocks import sparkline
from harness.report.measured_answer import distinct_name
from harness.report.page import Facts, Page
from harness.schema.experiment import Run
from harness.schema.workload import parse_workload

_DISTURBED = "x"
_TITLE = (
    "Trials in order, those of a Run together, between the lowest and the highest; "
    f"{_DISTURBED}: disturbed and left out"
)
# Some lines of them: more are read in the record, or seen in a report.
_MOST_RUNS = 100


def trials_part(groups: Sequence[Measured]) -> Page:
    """The trials of each case in the figure that it is judged by; nothing where there are none."""
    items = tuple(
        (" ".join(filter(None, (distinct_name(group, groups), workload))), text)
        for group in groups
        for workload in group.workloads
        if (text := _trials(group, workload))
    )
    return (Facts(items, _TITLE),) if items else ()


def _trials(group: Measured, workload: str) -> str:
    """The bars and what they lie between; nothing without two trials that count."""
    metric = headline(parse_workload(workload))
    runs = [list(_values(group, run, workload, metric.name)) for run in group.runs]
    counted = [value for run in runs for value in run if value is not None]
    if len(counted) < 2:
        return ""
    low, high = min(counted), max(counted)
    shown = [
        "".join(_DISTURBED if it is None else sparkline([it], low, high) for it in run)
        for run in runs[:_MOST_RUNS]
        if run
    ]
    if len(runs) > _MOST_RUNS:
        shown.append(f"and {len(runs) - _MOST_RUNS} Runs more")
    lowest, highest = (units.quantity(value, metric.unit) for value in (low, high))
    unit = " tok/s" if metric.unit == "tok/s" else ""
    return f"{' '.join(shown)}  {lowest} – {highest}{unit}"


def _values(group: Measured, run: Run, workload: str, metric: str) -> Iterator[float | None]:
    """What each trial says; None of a disturbed one."""
    for trial in formulas.trials_of(run, workload):
        found = formulas.trial_values(trial).get(metric)
        if found is not None:
            is_disturbed = formulas.why_disturbed(trial, run, group.experiment.machine)
            yield None if is_disturbed else found
