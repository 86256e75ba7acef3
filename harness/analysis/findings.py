"""What was found out about figures: how far to believe them, each with what would help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from harness import units
from harness.analysis import disturbance, formulas
from harness.analysis.cases import Case
from harness.analysis.finding import Finding
from harness.analysis.load import of_disturbance, of_load
from harness.analysis.measured import Measured
from harness.analysis.metrics import headline
from harness.analysis.served import place_findings, server_findings
from harness.analysis.stats import interval as stats
from harness.analysis.turns_findings import turns_findings
from harness.schema.settings import ServedSettings
from harness.schema.workload import parse_workload
from harness.schema.workload_turns import Turns

# Mapped weights beside a repacked copy make nearly two of everything; one copy and the rest of
# the process stay below 1.6 for any model above some 100 MB.
_DOUBLED_RATIO = 1.6
_DOUBLED_LEAST_BYTES = 256 << 20  # below this nobody is short of memory because of it
_NO_TEMPLATE = {
    "absent": "it has no chat template",
    "unknown": "the engine does not know its chat template",
}


def findings(measured: Sequence[Measured], *, is_compared: bool = False) -> list[Finding]:
    """
    What limits the trust in these figures, the most general first; at least one.

    Args:
        measured: All configurations of one experiment.
        is_compared: Figures are only compared, so nothing is said of their own intervals.
    """
    cases = [case for each in measured for case in each.cases]
    if not any(case.n_trials for case in cases):
        return [Finding("error", "Nothing was measured.")]
    if measured[0].experiment.origin == "llama-bench":
        return _of_import(measured)
    return [
        of_load(measured),
        *_of_rehearsal(measured),
        *place_findings(measured),
        *of_disturbance(cases),
        *_of_conditions(measured),
        *_of_tallies(measured),
        *([] if is_compared else _of_intervals(measured)),
        *_of_cases(measured),
        *_of_sequences(measured),
        *_of_memory(measured),
    ]


def tally(measured: Measured, case: Case) -> dict[str, int]:
    """
    What was noticed in the trials of a case, to the number of trials; only what was noticed.

    Of "slow first trial" the number of Runs, of outliers that of Runs' values.
    """
    found: Counter[str] = Counter()
    machine = measured.experiment.machine
    for run in case.runs:
        trials = formulas.trials_of(run, case.workload)
        for trial in trials:
            if trial.counters is None:
                continue
            is_clean = formulas.why_disturbed(trial, run, machine) is None
            usual_ns = measured.usual_reference_ns if is_clean else None
            found.update(disturbance.labels(trial.counters, usual_ns))
        found["slow first trial"] += stats.is_first_slow([trial.total_ns for trial in trials])
    odd = stats.outliers(_headline_values(case))
    found["mild outlier"] += odd.n_mild
    found["severe outlier"] += odd.n_severe
    return {label: count for label, count in sorted(found.items()) if count}


def case_findings(measured: Measured, case: Case) -> list[Finding]:
    """What makes the figures of a case mean less than they say, without a dot at the end."""
    found = []
    energy = case.energy
    if energy.n_silent:
        silent = f"{energy.n_silent} of {case.n_runs} Runs have none: {energy.why_silent}"
        found.append(Finding("warning", f"J/token: {silent}"))
    share = case.metrics.get("mbu")
    if share is not None and share.value > 1:
        times = units.significant(share.value)
        text = f"is not believable: it would take {times} times what this memory delivered"
        found.append(Finding("error", f"{case.workload} {text}"))
    if bare := _bare_prompt(case):
        found.append(Finding("info", bare))
    if measured.model.served:
        found += server_findings(case)
    found += turns_findings(case)
    trend = stats.drift(_headline_values(case))
    # A change below the wanted precision is none, however regular.
    precision = measured.experiment.plan.precision
    if trend is not None and trend.is_real and abs(trend.change_ratio) > precision:
        change = units.percent(trend.change_ratio)
        text = f"{case.workload} drifted by {change} from the first Run to the last"
        found.append(Finding("warning", text))
    return found


def _bare_prompt(case: Case) -> str | None:
    """That a chat's prompt was no text, or that no template was put around it."""
    task = parse_workload(case.workload)
    if not task.is_text:
        return None
    for run in case.runs:
        for trial in formulas.trials_of(run, case.workload):
            if trial.tokenize_ns is None and not trial.requests:
                return (
                    f"{case.workload} ran on {trial.n_prompt} random tokens: the model has no "
                    "tokenizer"
                )
            if reason := _NO_TEMPLATE.get(trial.chat_template or ""):
                as_what = "ChatML" if isinstance(task, Turns) else "bare text"
                return f"{case.workload} reached the model as {as_what}: {reason}"
    return None


def _headline_values(case: Case) -> list[float]:
    name = headline(parse_workload(case.workload)).name
    return [of_run[name] for of_run in case.values if name in of_run]


def _of_import(measured: Sequence[Measured]) -> list[Finding]:
    """What another program's results leave open: nearly all that trust is judged by here."""
    engine = measured[0].experiment.provenance.engine
    found = [
        Finding(
            "warning",
            f"Imported from a record of llama-bench (build {engine.library_commit}). It tells "
            "nothing of memory, loading, or what else the machine was doing: whether a figure was "
            "disturbed is not known.",
        )
    ]
    n_least = min(case.n_runs for each in measured for case in each.cases if case.n_runs)
    if n_least < stats.min_values():
        text = (
            f"n = {n_least}: a process of llama-bench counts once, since repetitions within it are "
            f"more alike than processes are. {stats.min_values()} of them make an interval."
        )
        found.append(Finding("warning", text))
    return found


def _of_rehearsal(measured: Sequence[Measured]) -> list[Finding]:
    twins = [each.model.key for each in measured if each.model.is_twin]
    if not twins:
        return []
    text = (
        f"{_listed(twins)}: rehearsed with random weights behind the model's header. Speed and "
        "memory are the model's, its words are not."
    )
    return [Finding("info", text)]


def _of_conditions(measured: Sequence[Measured]) -> list[Finding]:
    warnings = measured[0].experiment.conditions.warnings
    texts = (text if text.endswith((".", "!")) else f"{text}." for text in warnings)
    return [Finding("warning", text) for text in texts]


def _of_tallies(measured: Sequence[Measured]) -> list[Finding]:
    found: Counter[str] = Counter()
    for each in measured:
        for case in each.cases:
            found.update(tally(each, case))
    n_trials = sum(case.n_trials for each in measured for case in each.cases)
    advice = {
        "paging": "read from the disk or swapped: the model hardly fits in memory. A smaller "
        "quantization or context would help.",
        "slow host": "met a slowed machine (the reference loop took 15 % longer): figures may be "
        "too low.",
        "thermal throttling": "were throttled by heat. Let the machine cool, or raise it.",
        "quota throttling": "were throttled by a CPU quota. Use fewer threads or a larger quota.",
    }
    told = [
        Finding("warning", f"{found[label]} of {n_trials} trials {sentence}")
        for label, sentence in advice.items()
        if found[label]
    ]
    n_severe = found["severe outlier"]
    if n_severe:
        text = f"Runs that lie far from the others (Tukey's outer fence), kept: {n_severe}."
        told.append(Finding("warning", text))
    return told


def _of_intervals(measured: Sequence[Measured]) -> list[Finding]:
    plan = measured[0].experiment.plan
    if plan.search:
        # Most loads of a search have one Run, and its answer says what it rests on.
        return []
    figures = [
        case.metrics[name]
        for each in measured
        for case in each.cases
        if (name := headline(parse_workload(case.workload)).name) in case.metrics
    ]
    if not figures:
        return []
    n_least = min(figure.n for figure in figures)
    if n_least < stats.min_values():
        short = "--budget" if plan.n_runs_max >= stats.min_values() else "--runs"
        text = (
            f"n = {n_least} is too small for a 95 % interval; low and high are the smallest and "
            f"the largest Run. {stats.min_values()} Runs make one: raise {short}."
        )
        return [Finding("warning", text)]
    widest = max(stats.relative_half_width(figure) for figure in figures)
    if widest <= plan.precision:
        return []
    text = (
        f"Runs differ: the widest interval is ±{units.percent(widest)}, not the "
        f"±{units.percent(plan.precision)} asked for. More Runs (--runs, --budget) would narrow it."
    )
    return [Finding("warning", text)]


def _of_cases(measured: Sequence[Measured]) -> list[Finding]:
    """What was found in each case; what is true of several of a model, once."""
    found: dict[tuple[Finding, str], list[str]] = {}
    for each in measured:
        for case in each.cases:
            for finding in case_findings(each, case):
                told = finding.text.removeprefix(f"{case.workload} ")
                names = found.setdefault((replace(finding, text=told), each.model.key), [])
                if told != finding.text:
                    names.append(case.workload)
    return [
        replace(finding, text=f"{key}: {' '.join(filter(None, (_listed(names), finding.text)))}.")
        for (finding, key), names in found.items()
    ]


def _of_sequences(measured: Sequence[Measured]) -> list[Finding]:
    """Of several sequences that get less together than one of them alone."""
    found = []
    for each in measured:
        for case in each.cases:
            task = parse_workload(case.workload)
            several = case.metrics.get("tok_per_s")
            one = each.figures(task.alone.name).get("tok_per_s")
            # The same case is never below itself.
            if several and one and several.bounds[1] < one.bounds[0]:
                rates = [units.quantity(it.value, it.unit) for it in (several, one)]
                text = (
                    f"{each.model.key}: {task.n_sequences} sequences together got less than one "
                    f"alone, {rates[0]} tok/s in {case.workload} and {rates[1]} in "
                    f"{task.alone.name}."
                )
                found.append(Finding("info", text))
    return found


def _of_memory(measured: Sequence[Measured]) -> list[Finding]:
    """Says once how to get rid of the second copy of the weights, where there is one."""
    for each in measured:
        parts = [each.metrics.get(name) for name in ("anonymous", "file_backed")]
        held = sum(part.value for part in parts if part is not None)
        settings, reading = each.settings, each.reading
        if reading is None or isinstance(settings, ServedSettings):
            continue
        weights_bytes = reading.model.weights_bytes
        mapped = parts[1] is not None and parts[1].value > weights_bytes / 2
        if (
            mapped
            and settings.load_mode in ("auto", "mmap", "mmap+mlock")
            and weights_bytes >= _DOUBLED_LEAST_BYTES
            and held > _DOUBLED_RATIO * weights_bytes
        ):
            text = (
                f"{each.model.key} lies in memory twice, mapped and repacked; --load-mode none "
                "keeps one copy at the same speed."
            )
            return [Finding("info", text)]
    return []


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))
