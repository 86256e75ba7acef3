"""
Trials that took turns: what two sides of a round say by the ratios of neighbours.

A Run's own value is a median over all of its trials. Between two sides whose trials took turns the
machine's drift is in both values, and in neighbours it is the same: so the ratio of a round is the
median of the ratios of its pairs of neighbours, and the pairs of which others disturbed one trial
are left out whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median

from harness.analysis import formulas
from harness.analysis.formulas import Values
from harness.analysis.measured import Measured, Round
from harness.schema.experiment import Run, Trial

ByRound = Mapping[Round, float]


def ratios(a: Measured, b: Measured, workload: str) -> dict[str, dict[Round, float]]:
    """
    Metric to round to the ratio of B to A by neighbours; empty where no trials took turns.

    Of a metric that needs more than one trial, such as a percentile of many steps, there is none.
    A round in which a side failed is lost.
    """
    if not workload or a.experiment.id != b.experiment.id:
        return {}
    runs_a, runs_b = ({run.round: run for run in side.runs if _counts(run)} for side in (a, b))
    found: dict[str, dict[Round, float]] = {}
    for number in sorted(runs_a.keys() & runs_b.keys()):
        one, other = _by_index(a, runs_a[number], workload), _by_index(b, runs_b[number], workload)
        logs: dict[str, list[float]] = {}
        for index in one.keys() & other.keys():
            for metric in one[index].keys() & other[index].keys():
                values = one[index][metric], other[index][metric]
                if min(values) > 0:
                    logs.setdefault(metric, []).append(math.log(values[1] / values[0]))
        for metric, each in logs.items():
            found.setdefault(metric, {})[a.experiment.id, number] = math.exp(median(each))
    return found


def with_ratios(a: ByRound, b: ByRound, found: ByRound) -> tuple[ByRound, ByRound]:
    """
    The values of both sides in the rounds of `found`, moved so that they have just its ratios.

    Their geometric mean stays: where the ratio of neighbours differs from that of the Runs' values,
    each side takes half of it.
    """
    rounds = [at for at in a if at in b and at in found]
    middles = {at: math.sqrt(a[at] * b[at]) for at in rounds}
    halves = {at: math.sqrt(found[at]) for at in rounds}
    return (
        {at: middles[at] / halves[at] for at in rounds},
        {at: middles[at] * halves[at] for at in rounds},
    )


def _counts(run: Run) -> bool:
    """Whether the Run took turns, and came to its end."""
    return run.is_in_turns and (run.outcome.status == "ok" or bool(run.case_failures))


def _by_index(side: Measured, run: Run, workload: str) -> dict[int, Values]:
    """Index to what that trial alone says, of the clean ones."""
    machine = side.experiment.machine

    def is_clean(trial: Trial) -> bool:
        return formulas.why_disturbed(trial, run, machine) is None

    return {
        trial.index: formulas.trial_values(trial)
        for trial in formulas.trials_of(run, workload)
        if is_clean(trial)
    }
