"""A finished Run in one line: while it is measured, and where its record is followed."""

from __future__ import annotations

from collections.abc import Collection

from harness import units
from harness.analysis import formulas
from harness.report.legend import DISTURBED_MARK
from harness.report.text import sanitize
from harness.report.typed_command import command_line, server_option
from harness.schema.configuration import configurations_of
from harness.schema.experiment import Experiment, Plan, Run, Stop, Trial
from harness.schema.model import ModelKey
from harness.schema.settings import AnySettings, difference_text
from harness.schema.workload import parse_workload

STOPS = {
    "precise": "precise enough",
    "max-runs": "all runs made",
    "budget": "budget spent",
    "decided": "decided",
    "failed": "gave up",
    "interrupted": "interrupted",
}
"""Why measuring stopped, in words."""


def run_line(run: Run, experiment: Experiment, stop: Stop | None = None) -> str:
    """
    Which Run it was, what it measured and how it ended.

    Args:
        run: One that is over.
        experiment: Line 1 of its file.
        stop: Where it was the last of its configuration, why.
    """
    failed = f" · {run.outcome.message}" if run.outcome.status == "failed" else ""
    ended = f" · {STOPS[stop.reason]}" if stop else ""
    trials = [trial for trial in run.trials if not trial.is_warm_up]
    disturbed = [it for it in trials if formulas.why_disturbed(it, run, experiment.machine)]
    why = f" · {len(disturbed)} of {len(trials)} trials disturbed" if disturbed else ""
    return (
        f"run {run.index + 1:2}  {named(run.model, run.settings, experiment.plan)}  "
        f"{_figures(run, disturbed)}{units.duration(run.duration_ns)}{why}{sanitize(failed)}{ended}"
    )


def named(key: ModelKey, settings: AnySettings, plan: Plan) -> str:
    """What is measured, told from everything else of the plan."""
    return " · ".join(filter(None, (sanitize(key), difference_text(settings, plan.settings))))


def to_go_on(experiment: Experiment, key_variable: str | None = None) -> str:
    """
    What to do where it was interrupted; empty where its models are gone.

    Args:
        experiment: Line 1 of its file, which does not hold what names the servers' key.
        key_variable: Names it in the environment.
    """
    if any(model.is_twin for model in experiment.plan.models):
        return ""
    n_cases = _n_cases(experiment)
    how = f", each of {n_cases} models and settings until it is precise" if n_cases > 1 else ""
    options = ["--resume", experiment.id, *server_option(experiment)]
    options += ["--api-key-env", key_variable] if key_variable else []
    line = command_line("run", options=options)
    return f"To go on with it{how}: {line}"


def goes_on_as(experiment: Experiment) -> str:
    """That a comparison goes on as a sweep; empty where there is nothing to compare."""
    is_served = any(it.served and it.served.started_for for it in experiment.plan.models)
    if (n_cases := _n_cases(experiment)) == 1 or is_served:
        return ""
    return (
        f"Whether {experiment.id} was a comparison is not in its record: each of {n_cases} models "
        "and settings goes on until it is precise; `harness compare --stored` judges them then."
    )


def _n_cases(experiment: Experiment) -> int:
    return len(configurations_of(experiment.plan))


def rate(trial: Trial) -> str:
    """How fast it was, or how soon it answered."""
    if trial.ttft_ns is not None:
        first = f"first token {units.duration(trial.ttft_ns)}"
        later = formulas.trial_values(trial).get("ttft_kept")
        return first if later is None else f"{first}, then {units.duration(later)}"
    name = parse_workload(trial.workload).rate_metric or ""
    whole = trial.n_tokens / trial.total_ns * 1e9
    return f"{units.significant(formulas.trial_values(trial).get(name, whole))} tok/s"


def _figures(run: Run, disturbed: Collection[Trial]) -> str:
    """The last clean trial of each workload, by name; a "?" where none is. No result yet."""
    trials = [trial for trial in run.trials if not trial.is_warm_up]
    last = {trial.workload: trial for trial in trials}
    clean = {trial.workload: trial for trial in trials if trial not in disturbed}
    parts = [
        f"{name} {rate(clean[name])}"
        if name in clean
        else f"{name} {rate(last[name])}{DISTURBED_MARK}"
        for name in sorted(last)
    ]
    return " · ".join(parts) + " · " if parts else ""
