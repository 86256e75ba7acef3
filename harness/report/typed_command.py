"""What to type to have a stored experiment again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from harness.report.text import sanitize
from harness.schema.experiment import Experiment, Plan
from harness.schema.served import WHEEL
from harness.schema.settings import Settings, option_name, value_text
from harness.schema.workload import parse_workload
from harness.schema.workload_requests import UserLoad

_USUAL_RUNS, _USUAL_TRIALS = 12, 3


def command_line(verb: str, *arguments: str, options: Sequence[str] = ()) -> str:
    """
    `harness VERB ARGUMENTS OPTIONS` as a line for a shell.

    Whatever a model is called, nothing of it is obeyed, by the shell or as an option.
    """
    is_like_option = any(argument.startswith("-") for argument in arguments)
    words = [*options, "--", *arguments] if is_like_option else [*arguments, *options]
    return " ".join(shlex.quote(sanitize(word)) for word in ("harness", verb, *words))


def measuring_command(experiment: Experiment) -> str:
    """The command that measures the same; of what was imported, that which shows it."""
    plan = experiment.plan
    if experiment.origin != "harness":
        return command_line("show", experiment.id)
    verb = "rehearse" if any(model.is_twin for model in plan.models) else "run"
    options = _workloads(plan)
    for field in Settings.model_fields if plan.engine_settings else ():
        options += _option(field, plan.engine_settings)
    if plan.n_runs_max != _USUAL_RUNS:
        options += ["--runs", str(plan.n_runs_max)]
    if plan.n_trials != _USUAL_TRIALS:
        options += ["--trials", str(plan.n_trials)]
    if plan.slo is not None:
        options += ["--slo", plan.slo.text]
    served = [model.served for model in plan.models if model.served]
    for each in served:
        if each.started_for is None:
            options += ["--endpoint", f"{each.url}#{each.model}"]
    if any(each.started_for for each in served):
        options += ["--also-served", *server_option(experiment)]
    files = (model.key for model in plan.models if model.served is None)
    return command_line(verb, *files, options=options)


def server_option(experiment: Experiment) -> tuple[str, ...]:
    """What names the server that it starts, where that is not the one of the extra `serve`."""
    started = [it.served for it in experiment.plan.models if it.served and it.served.started_for]
    is_own = all((it.version or "").startswith(f"{WHEEL} ") for it in started)
    return () if is_own else ("--server-binary", "PATH")


def _workloads(plan: Plan) -> list[str]:
    """What was measured; of a search what it was of, whatever it found."""
    first = parse_workload(plan.workloads[0]) if plan.search else None
    if first is None:
        return ["--workload", ",".join(plan.workloads)]
    what = first.what if isinstance(first, UserLoad) else first
    option = "--concurrency" if plan.search == "users" else "--rate"
    return ["--workload", what.name, option, "auto"]


def _option(field: str, settings: Sequence[Settings]) -> Iterator[str]:
    """The option with its values where they are not the usual ones; a sweep has several."""
    values = list(dict.fromkeys(getattr(each, field) for each in settings))
    if field != "n_threads" and values == [getattr(Settings(n_threads=1), field)]:
        return
    # What the machine or the workload decides is what one gets without the option.
    typed = [value_text(value) for value in values if value not in (None, ())]
    if typed:
        yield f"--{option_name(field)}"
        yield ",".join(typed)
