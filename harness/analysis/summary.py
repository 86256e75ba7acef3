"""From an experiment and its Runs to what a person wants to know of each case."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from harness.analysis import bandwidth as mbu
from harness.analysis import disturbance as trust
from harness.analysis import energy, memory, noticed
from harness.analysis import formulas as metrics
from harness.analysis.energy import NO_ENERGY, CaseEnergy
from harness.analysis.formulas import Values
from harness.analysis.metrics import METRICS
from harness.analysis.stats import interval as stats
from harness.schema.experiment import Experiment, ModelFile, Run
from harness.schema.figure import Figure, exact
from harness.schema.machine import MachineFacts
from harness.schema.settings import Settings
from harness.schema.workload import parse_workload

Status = Literal["ok", "failed", "not-run"]


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """
    Whether a case was measured; `message` is a sentence when something went wrong.

    "failed": in some Run the worker failed before this case had its trials; what was measured
    all the same is kept. "not-run": no Run got as far as this case.
    """

    status: Status
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """
    One workload of one group.

    Attributes:
        metrics: Name to figure over Runs, from clean trials only.
        disturbed: The same from contaminated trials, where there is no clean one at all.
        not_applicable: Metric to the reason why it has no figure here.
        n_runs: Runs that made at least one trial of it.
        n_runs_without_value: Those of them without a clean trial.
        labels: What was noticed, to the number of trials (of Runs, for "slow first trial" and
            "outlier") it was noticed in.
        flags: Sentences on figures that should not be believed as they stand.
        others_ratio: Median share of the CPUs that others took; None where unknown.
        energy: What the joules per token are of.
    """

    workload: str
    outcome: CaseOutcome
    metrics: dict[str, Figure]
    disturbed: dict[str, Figure]
    not_applicable: dict[str, str]
    n_runs: int
    n_runs_without_value: int
    n_trials: int
    n_contaminated: int
    labels: dict[str, int]
    flags: tuple[str, ...]
    others_ratio: float | None
    energy: CaseEnergy = NO_ENERGY


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """
    One model under one Settings: what concerns all its cases, and the cases.

    `memory_sources` name where the process's memory figures come from, `gpus` what weights lay on
    beside the CPU, `origin` which program measured.
    """

    model: ModelFile
    settings: Settings
    metrics: dict[str, Figure]
    cases: tuple[CaseSummary, ...]
    n_runs: int
    n_failed: int
    n_trials: int
    n_contaminated: int
    memory_sources: tuple[str, ...]
    gpus: tuple[str, ...] = ()
    origin: Literal["harness", "llama-bench"] = "harness"


def summarize(experiment: Experiment, runs: Sequence[Run]) -> list[GroupSummary]:
    """
    Every model and Settings of the plan in its order, with all its workloads, run or not.

    Args:
        experiment: Line 1 of the file.
        runs: Its Runs in order; Runs of a model that the plan does not know are left out.
    """
    usual_ns = trust.usual_reference_ns(
        [
            trial.counters
            for run in runs
            for trial in run.trials
            if trial.counters and not metrics.contamination(trial, run, experiment.machine)
        ]
    )
    return [
        _group(
            experiment,
            model,
            settings,
            [run for run in runs if run.model == model.key and run.settings == settings],
            usual_ns,
        )
        for model in experiment.plan.models
        for settings in experiment.plan.settings
    ]


def _group(
    experiment: Experiment,
    model: ModelFile,
    settings: Settings,
    runs: Sequence[Run],
    usual_ns: float | None,
) -> GroupSummary:
    values = [memory.group_values(run) for run in runs]
    figures: dict[str, Figure] = {}
    if model.token_read_bytes is not None:
        figures["bytes_per_token"] = exact(model.token_read_bytes, "bytes")
    cases = tuple(
        _case(experiment, model, workload, runs, usual_ns) for workload in experiment.plan.workloads
    )
    return GroupSummary(
        model=model,
        settings=settings,
        metrics=_estimates(values) | figures,
        cases=cases,
        n_runs=len(runs),
        n_failed=sum(run.outcome.status == "failed" for run in runs),
        n_trials=sum(case.n_trials for case in cases),
        n_contaminated=sum(case.n_contaminated for case in cases),
        memory_sources=tuple(sorted({mark.source for run in runs for mark in run.memory})),
        gpus=_gpus(experiment, runs),
        origin=experiment.origin,
    )


def _gpus(experiment: Experiment, runs: Sequence[Run]) -> tuple[str, ...]:
    """The graphics cards that weights lay on, as their drivers call them."""
    buffers = {buffer.device for run in runs for buffer in run.weights if buffer.n_bytes}
    return tuple(
        device.description
        for device in experiment.provenance.engine.devices
        if device.is_gpu and buffers & {device.name, f"{device.name}_Mapped"}
    )


def _case(
    experiment: Experiment,
    model: ModelFile,
    workload: str,
    runs: Sequence[Run],
    usual_ns: float | None,
) -> CaseSummary:
    machine = experiment.machine
    tried = [run for run in runs if metrics.trials_of(run, workload)]
    trials = [(run, trial) for run in tried for trial in metrics.trials_of(run, workload)]
    clean = [_values(run, model, workload, machine, "clean") for run in tried]
    taken = energy.of_case([metrics.run_energy(run, workload, machine) for run in tried])
    figures = _estimates(clean, left_out=taken.not_applicable)
    disturbed = [_values(run, model, workload, machine, "contaminated") for run in tried]
    others = [
        share
        for _, trial in trials
        if trial.counters and machine.n_cores_logical
        if (share := trust.others_ratio(trial.counters, machine.n_cores_logical)) is not None
    ]
    return CaseSummary(
        workload=workload,
        outcome=_outcome(experiment.plan.n_trials, workload, runs, has_trials=bool(tried)),
        metrics=figures,
        disturbed={} if figures else _estimates(disturbed),
        not_applicable=_not_applicable(model, workload, tried, machine, figures)
        | taken.not_applicable,
        n_runs=len(tried),
        n_runs_without_value=sum(not values for values in clean),
        n_trials=len(trials),
        n_contaminated=sum(bool(metrics.contamination(it, run, machine)) for run, it in trials),
        labels=noticed.labels(workload, tried, clean, machine, usual_ns),
        flags=taken.flags + noticed.flags(experiment.plan, model, workload, tried, clean, figures),
        others_ratio=median(others) if others else None,
        energy=taken,
    )


def _values(
    run: Run, model: ModelFile, workload: str, machine: MachineFacts, which: metrics.TrialFilter
) -> Values:
    """The Run's values, with its MBU where the workload has one and nothing stands against it."""
    values = metrics.run_values(run, workload, machine, which)
    task = parse_workload(workload)
    speed = mbu.bandwidth(run)
    if not values or not METRICS["mbu"].is_of(task) or speed is None:
        return values
    if mbu.obstacle(model, run.settings, machine, run):
        return values
    n_bytes = mbu.token_bytes(model, run.settings, task)
    return values | {"mbu": n_bytes * values["tok_per_s"] / speed}


def _estimates(values: Sequence[Values], left_out: Container[str] = ()) -> dict[str, Figure]:
    return {
        name: stats.estimate(found, METRICS[name].unit)
        for name, found in metrics.over_runs(values).items()
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
        if run.outcome.reason == "interrupted" and has_trials:
            continue  # whoever presses Ctrl-C has seen enough; nothing failed
        if len(metrics.trials_of(run, workload)) < parse_workload(workload).n_trials(n_wanted):
            return CaseOutcome("failed", run.outcome.reason, run.outcome.message)
    if has_trials:
        return CaseOutcome("ok")
    return CaseOutcome("not-run", None, "No Run got as far as this workload.")


def _not_applicable(
    model: ModelFile,
    workload: str,
    runs: Sequence[Run],
    machine: MachineFacts,
    figures: dict[str, Figure],
) -> dict[str, str]:
    if not runs or "mbu" in figures or not METRICS["mbu"].is_of(parse_workload(workload)):
        return {}
    reasons = [mbu.obstacle(model, run.settings, machine, run) for run in runs]
    return {"mbu": next((reason for reason in reasons if reason), "no clean trial")}
