"""What was noticed in the trials of a case: labels that count, and sentences that warn."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from harness import units
from harness.analysis import disturbance as trust
from harness.analysis import formulas as metrics
from harness.analysis.formulas import Values
from harness.analysis.metrics import headline
from harness.analysis.stats import interval as stats
from harness.schema.experiment import Plan, Run
from harness.schema.figure import Figure
from harness.schema.machine import MachineFacts
from harness.schema.workload import parse_workload


def labels(
    workload: str,
    runs: Sequence[Run],
    values: Sequence[Values],
    machine: MachineFacts,
    usual_ns: float | None,
) -> dict[str, int]:
    """What was noticed, to the number of trials, of Runs or of values; only what was noticed."""
    found: Tally[str] = Tally()
    for run in runs:
        trials = metrics.trials_of(run, workload)
        for trial in trials:
            if trial.counters is None:
                continue
            is_clean = metrics.why_disturbed(trial, run, machine) is None
            found.update(trust.labels(trial.counters, usual_ns if is_clean else None))
        found["slow first trial"] += stats.is_first_slow([trial.total_ns for trial in trials])
    odd = stats.outliers(_headline_values(workload, values))
    found["mild outlier"] += odd.n_mild
    found["severe outlier"] += odd.n_severe
    return {label: count for label, count in sorted(found.items()) if count}


def flags(
    plan: Plan,
    workload: str,
    runs: Sequence[Run],
    values: Sequence[Values],
    figures: dict[str, Figure],
) -> tuple[str, ...]:
    """Sentences on figures that should not be believed, or mean something else, as they stand."""
    found = []
    share = figures.get("mbu")
    if share is not None and share.value > 1:
        times = units.significant(share.value)
        found.append(
            f"{workload} is not believable: it would take {times} times what this memory delivered"
        )
    if random_prompt := _random_prompt(workload, runs):
        found.append(random_prompt)
    trend = stats.drift(_headline_values(workload, values))
    # A change below the wanted precision is none, however regular.
    if trend is not None and trend.is_real and abs(trend.change_ratio) > plan.precision:
        found.append(
            f"{workload} drifted by {units.percent(trend.change_ratio)} from the first Run to the "
            "last"
        )
    return tuple(found)


def _random_prompt(workload: str, runs: Sequence[Run]) -> str | None:
    """That a chat's prompt was no text; only text is tokenized."""
    if not parse_workload(workload).is_text:
        return None
    for trial in (trial for run in runs for trial in metrics.trials_of(run, workload)):
        if trial.tokenize_ns is None:
            return f"{workload} ran on {trial.n_prompt} random tokens: the model has no tokenizer"
    return None


def _headline_values(workload: str, values: Sequence[Values]) -> list[float]:
    name = headline(parse_workload(workload)).name
    return [of_run[name] for of_run in values if name in of_run]
