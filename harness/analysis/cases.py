"""One workload of a configuration: what its Runs say of it together."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from harness.analysis import bandwidth, disturbance, energy, formulas
from harness.analysis.bandwidth import Reading
from harness.analysis.disturbance import Disturbance
from harness.analysis.energy import NO_ENERGY, CaseEnergy
from harness.analysis.formulas import Values
from harness.analysis.metrics import METRICS
from harness.analysis.requests import slo_values
from harness.analysis.stats import interval as stats
from harness.schema.experiment import Experiment, Run
from harness.schema.figure import Figure
from harness.schema.machine import MachineFacts
from harness.schema.request import ServiceLevel
from harness.schema.workload import parse_workload

Status = Literal["ok", "failed", "not-run"]


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """
    Whether a case was measured; `message` is a sentence when something went wrong.

    "failed": in some Run the worker failed before this case had its trials; what was measured
    all the same is kept. "not-run": no Run got as far as this case, or the user ended it there.
    """

    status: Status
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """
    One workload of one configuration.

    Attributes:
        metrics: Name to figure over Runs, from clean trials only.
        disturbed: The same from disturbed trials, where there is no clean one at all.
        not_applicable: Metric to the reason why it has no figure here.
        runs: Those that made at least one trial of it.
        values: What each of them says by its clean trials; nothing where it has none.
        disturbances: What its disturbed trials were disturbed by, one each.
        others_ratio: Share of the CPUs that others took in its trials; None where unknown, or where
            they were too short to tell.
        energy: What the joules per token are of.
    """

    workload: str
    outcome: CaseOutcome
    metrics: dict[str, Figure]
    disturbed: dict[str, Figure]
    not_applicable: dict[str, str]
    runs: tuple[Run, ...]
    values: tuple[Values, ...]
    n_trials: int
    disturbances: tuple[Disturbance, ...]
    others_ratio: float | None
    energy: CaseEnergy = NO_ENERGY

    @property
    def n_runs(self) -> int:
        """Runs that made at least one trial of it."""
        return len(self.runs)

    @property
    def context_bytes(self) -> float | None:
        """The engine's buffers for its context, weights left out; None where it tells none."""
        found = [
            sum(buffer.n_bytes for buffer in context.buffers)
            for run in self.runs
            for context in run.contexts
            if context.workload == self.workload
        ]
        return median(found) if found else None

    @property
    def n_disturbed(self) -> int:
        """Trials that are left out of the headline."""
        return len(self.disturbances)

    @property
    def n_runs_without_value(self) -> int:
        """Those of them without a clean trial."""
        return sum(not values for values in self.values)


def case_of(
    experiment: Experiment, reading: Reading | None, workload: str, runs: Sequence[Run]
) -> Case:
    """
    What `runs`, all of one configuration, say of `workload`.

    Args:
        experiment: Line 1 of the file.
        reading: What its model asks of a machine; None where a server reads it.
        workload: Its name, "tg128@d4096".
        runs: In order, however far they got.
    """
    machine = experiment.machine
    tried = [run for run in runs if formulas.trials_of(run, workload)]
    trials = [(run, trial) for run in tried for trial in formulas.trials_of(run, workload)]
    reasons = [formulas.why_disturbed(trial, run, machine) for run, trial in trials]
    slo = experiment.plan.slo
    clean = [
        _values(run, reading, workload, machine, "clean")
        | _within(run, workload, machine, slo, "clean")
        for run in tried
    ]
    taken = energy.of_case([formulas.run_energy(run, workload, machine) for run in tried])
    figures = estimates(clean, left_out=taken.not_applicable)
    disturbed = [
        _values(run, reading, workload, machine, "disturbed")
        | _within(run, workload, machine, slo, "disturbed")
        for run in tried
    ]
    counters = formulas.counters_of(tried, workload)
    n_logical = machine.n_cores_logical
    return Case(
        workload=workload,
        outcome=_outcome(experiment.plan.n_trials, workload, runs, has_trials=bool(tried)),
        metrics=figures,
        disturbed={} if figures else estimates(disturbed),
        not_applicable=_not_applicable(reading, workload, tried, machine, figures)
        | taken.not_applicable,
        runs=tuple(tried),
        values=tuple(clean),
        n_trials=len(trials),
        disturbances=tuple(reason for reason in reasons if reason),
        others_ratio=disturbance.others_share(counters, n_logical) if n_logical else None,
        energy=taken,
    )


def _values(
    run: Run,
    reading: Reading | None,
    workload: str,
    machine: MachineFacts,
    which: formulas.TrialFilter,
) -> Values:
    """The Run's values, with its MBU where the workload has one and nothing stands against it."""
    values = formulas.run_values(run, workload, machine, which)
    task = parse_workload(workload)
    speed = bandwidth.bandwidth(run)
    if not values or not METRICS["mbu"].is_of(task) or speed is None or reading is None:
        return values
    if bandwidth.reason_missing(reading, task, machine, run):
        return values
    n_bytes = reading.token_bytes(task)
    return values | {"mbu": n_bytes * values["tok_per_s"] / speed}


def _within(
    run: Run,
    workload: str,
    machine: MachineFacts,
    slo: ServiceLevel | None,
    which: formulas.TrialFilter,
) -> Values:
    if not METRICS["within_slo"].is_of(parse_workload(workload)):
        return {}
    return slo_values(formulas.filtered_trials(run, workload, machine, which), slo)


def estimates(values: Sequence[Values], left_out: Container[str] = ()) -> dict[str, Figure]:
    """Each metric of `values`, which are one a Run, as a figure over Runs."""
    return {
        name: stats.estimate(found, METRICS[name].unit)
        for name, found in formulas.over_runs(values).items()
        if name not in left_out
    }


def _outcome(n_wanted: int, workload: str, runs: Sequence[Run], *, has_trials: bool) -> CaseOutcome:
    """The first failure that kept the workload from its trials, if any."""
    for run in runs:
        if run.outcome.status == "ok" or workload not in run.workloads:
            continue
        own = next((f for f in run.case_failures if f.workload == workload), None)
        if own:
            return CaseOutcome("failed", own.reason, own.message)
        if run.case_failures and run.outcome.reason == run.case_failures[0].reason:
            continue  # only other workloads failed in this Run
        if run.outcome.reason == "interrupted":
            # Whoever presses Ctrl-C has seen enough; nothing failed.
            if has_trials:
                continue
            return CaseOutcome("not-run", run.outcome.reason, run.outcome.message)
        if len(formulas.trials_of(run, workload)) < parse_workload(workload).n_trials(n_wanted):
            return CaseOutcome("failed", run.outcome.reason, run.outcome.message)
    if has_trials:
        return CaseOutcome("ok")
    return CaseOutcome("not-run", None, "No Run got as far as this workload.")


def _not_applicable(
    reading: Reading | None,
    workload: str,
    runs: Sequence[Run],
    machine: MachineFacts,
    figures: dict[str, Figure],
) -> dict[str, str]:
    task = parse_workload(workload)
    if not runs or "mbu" in figures or not METRICS["mbu"].is_of(task):
        return {}
    reasons = [bandwidth.reason_missing(reading, task, machine, run) for run in runs]
    return {"mbu": next((reason for reason in reasons if reason), "no clean trial")}
