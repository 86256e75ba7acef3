"""The question after each Run: is this model under these Settings measured well enough."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis import formulas
from harness.analysis.metrics import headline
from harness.analysis.stats import interval as stats
from harness.schema.experiment import Run
from harness.schema.machine import Machine
from harness.schema.workload import parse_workload


def is_precise(
    runs: Sequence[Run], workloads: Sequence[str], precision: float, machine: Machine
) -> bool:
    """
    Whether the headline of every workload is known to within `precision`.

    True from the sixth Run with a clean value on, the first with a 95 % interval, when half the
    interval is at most `precision` of the median. Asking after each Run does no harm with this
    interval: stopping so still covered 95 to 96 % in simulations.

    Args:
        runs: All Runs of ONE model under ONE Settings.
        workloads: Names of the workloads that have to be precise.
        precision: 0.02 for 2 %.
        machine: Where they ran; decides which trials are clean.
    """
    return bool(workloads) and all(
        _is_precise(runs, workload, precision, machine) for workload in workloads
    )


def _is_precise(runs: Sequence[Run], workload: str, precision: float, machine: Machine) -> bool:
    metric = headline(parse_workload(workload))
    found = (formulas.run_values(run, workload, machine) for run in runs)
    values = [of_run[metric.name] for of_run in found if metric.name in of_run]
    if not values:
        return False
    figure = stats.estimate(values, metric.unit)
    return figure.kind == "interval" and stats.relative_half_width(figure) <= precision
