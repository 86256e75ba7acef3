"""Whether what was measured is known well enough, asked behind each Run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from harness.analysis import formulas
from harness.analysis.metrics import headline
from harness.analysis.stats import interval as stats
from harness.schema.experiment import Run
from harness.schema.machine import MachineFacts
from harness.schema.workload import parse_workload


class Precision:
    """
    The headlines of one configuration's Runs, kept as they come.

    Each Run is evaluated once: with 1,000 of them, all anew behind each took a second.
    """

    def __init__(self, machine: MachineFacts) -> None:
        self._machine = machine
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(self, run: Run) -> None:
        """One more Run, in whatever it has clean trials of."""
        for workload in run.workloads:
            metric = headline(parse_workload(workload)).name
            values = formulas.run_values(run, workload, self._machine)
            if metric in values:
                self._values[workload].append(values[metric])

    def is_reached(self, workloads: Sequence[str], precision: float) -> bool:
        """
        Whether the headline of every one of `workloads` is known to within `precision`.

        True from the sixth Run with a clean value on, the first with a 95 % interval, when half the
        interval is at most `precision` (0.02 for 2 %) of the median. Asking after each Run does no
        harm with this interval: stopping so still covered 95 to 96 % in simulations.
        """
        return bool(workloads) and all(self._is_reached(each, precision) for each in workloads)

    def _is_reached(self, workload: str, precision: float) -> bool:
        values = self._values.get(workload)
        if not values:
            return False
        figure = stats.estimate(values, headline(parse_workload(workload)).unit)
        return figure.kind == "interval" and stats.relative_half_width(figure) <= precision
