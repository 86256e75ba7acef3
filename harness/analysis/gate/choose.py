"""Which earlier experiment is a baseline: what makes it one, and how good it is."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from statistics import NormalDist, fmean, median, stdev

from harness.analysis.gate.match import match
from harness.analysis.measured import Measured, measured_of
from harness.analysis.metrics import headline
from harness.schema.experiment import Experiment
from harness.schema.workload import parse_workload


def unlike(earlier: Experiment, candidate: Experiment, across: Collection[str] = ()) -> str | None:
    """
    Why `earlier` is no baseline for `candidate`; None where all that must match does.

    The same models and Settings, the same workloads, and what `match` asks for.
    """
    if set(earlier.plan.workloads) != set(candidate.plan.workloads):
        return f"it has the workloads {', '.join(earlier.plan.workloads)}"
    checks = match(measured_of(earlier, ()), measured_of(candidate, ()), across).checks
    if not checks:
        return None
    return f"{checks[0].model} {checks[0].text}".strip()


def headline_score(sides: Sequence[Measured]) -> float | None:
    """
    How good an experiment is: larger is better; None where a case has no figure.

    The mean, over all models, Settings and workloads, of the logarithm of the median headline
    figure (a time counts as its inverse). So a difference of 0.01 is 1 % in the geometric mean.
    """
    logs = []
    for side in sides:
        for workload in side.workloads:
            metric = headline(parse_workload(workload))
            found = [side.values(run, workload) for run in side.runs]
            values = [each[metric.name] for each in found if each.get(metric.name, 0) > 0]
            if not values:
                return None
            sign = 1 if metric.is_more_better else -1
            logs.append(sign * math.log(median(values)))
    return fmean(logs) if logs else None


def selection_bias(scores: Sequence[float]) -> float:
    """
    By how much the best of `scores` would exceed their mean if all were equally good, as a share.

    Their standard deviation times the expected largest of n normal values: 0.56 for 2, 1.16 for 5,
    1.54 for 10, 2.04 for 30. By Blom's formula (Statistical Estimates and Transformed
    Beta-Variables, 1958), which is within 0.03 of these.
    """
    n = len(scores)
    if n < 2:
        return 0.0
    return math.exp(stdev(scores) * NormalDist().inv_cdf((n - 0.375) / (n + 0.25))) - 1
