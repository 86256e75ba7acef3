"""How far to trust a table: a few sentences, each with what would help."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from statistics import median

from harness import units
from harness.analysis import disturbance as trust
from harness.analysis.cases import Case
from harness.analysis.measured import Measured
from harness.analysis.metrics import headline
from harness.analysis.stats import interval as stats
from harness.schema.experiment import Experiment
from harness.schema.workload import parse_workload

# Mapped weights beside a repacked copy make nearly two of everything; one copy and the rest of
# the process stay below 1.6 for any model above some 100 MB.
_DOUBLED_RATIO = 1.6
_DOUBLED_LEAST_BYTES = 256 << 20  # below this nobody is short of memory because of it


def trust_lines(
    experiment: Experiment, groups: Sequence[Measured], *, is_compared: bool = False
) -> list[str]:
    """
    What limits the trust in these figures, the most general first; at least one sentence.

    Each line is one sentence or two: what was found, and what would help and was not yet done.
    Where figures are only compared, nothing is said of their own intervals.
    """
    cases = [case for group in groups for case in group.cases]
    if not any(case.n_trials for case in cases):
        return ["Nothing was measured."]
    if experiment.origin == "llama-bench":
        return _imported_lines(experiment, cases)
    return [
        _load_line(cases),
        *_rehearsal_lines(groups),
        *_disturbance_lines(cases),
        *_condition_lines(experiment),
        *_label_lines(cases),
        *([] if is_compared else _interval_lines(experiment, groups)),
        *_flag_lines(groups),
        *_memory_lines(groups),
    ]


def _imported_lines(experiment: Experiment, cases: Sequence[Case]) -> list[str]:
    """What another program's results leave open: nearly all that trust is judged by here."""
    engine = experiment.provenance.engine
    lines = [
        f"Imported from a record of llama-bench (build {engine.library_commit}). It tells nothing "
        "of memory, loading, or what else the machine was doing: whether a figure was disturbed is "
        "not known."
    ]
    n_least = min(case.n_runs for case in cases if case.n_runs)
    if n_least < stats.min_values():
        lines.append(
            f"n = {n_least}: a process of llama-bench counts once, since repetitions within it are "
            f"more alike than processes are. {stats.min_values()} of them make an interval."
        )
    return lines


def _load_line(cases: Sequence[Case]) -> str:
    shares = [case.others_ratio for case in cases if case.others_ratio is not None]
    n_trials = sum(case.n_trials for case in cases)
    n_disturbed = sum(case.n_disturbed for case in cases)
    clean = (
        f"{n_disturbed} of {n_trials} trials were disturbed and left out"
        if n_disturbed
        else f"none of {n_trials} trials was disturbed"
    )
    if not shares:
        return f"This system does not tell what other programs took; {clean}."
    # Ticks are coarse, so a quiet machine may read slightly below nothing.
    share = max(0.0, median(shares))
    quiet = "quiet" if share < trust.OTHERS_LIMIT_RATIO else "busy"
    return (
        f"The machine was {quiet}: other programs took {units.percent(share)} of the CPUs; {clean}."
    )


def _rehearsal_lines(groups: Sequence[Measured]) -> list[str]:
    twins = list(dict.fromkeys(group.model.key for group in groups if group.model.is_twin))
    if not twins:
        return []
    return [
        f"{_listed(twins)}: rehearsed with random weights behind the model's header. Speed and "
        "memory are the model's, its words are not."
    ]


def _disturbance_lines(cases: Sequence[Case]) -> list[str]:
    lines = []
    without = [case.workload for case in cases if case.disturbed]
    if without:
        lines.append(
            f"{_listed(without)}: no clean trial at all, so no figure. Close other programs and "
            "measure again."
        )
    n_trials = sum(case.n_trials for case in cases)
    n_disturbed = sum(case.n_disturbed for case in cases)
    # A third gone: the budget went into repeating, and the rest may be the luckier moments.
    if not without and 3 * n_disturbed > n_trials:
        lines.append("Many trials had to be left out. Close other programs for tighter figures.")
    return lines


def _condition_lines(experiment: Experiment) -> list[str]:
    return [
        warning if warning.endswith((".", "!")) else f"{warning}."
        for warning in experiment.conditions.warnings
    ]


def _label_lines(cases: Sequence[Case]) -> list[str]:
    found: Tally[str] = Tally()
    for case in cases:
        found.update(case.labels)
    n_trials = sum(case.n_trials for case in cases)
    advice = {
        "paging": "read from the disk or swapped: the model hardly fits in memory. A smaller "
        "quantization or context would help.",
        "slow host": "met a slowed machine (the reference loop took 15 % longer): figures may be "
        "too low.",
        "thermal throttling": "were throttled by heat. Let the machine cool, or raise it.",
        "quota throttling": "were throttled by a CPU quota. Use fewer threads or a larger quota.",
    }
    lines = [
        f"{found[label]} of {n_trials} trials {sentence}"
        for label, sentence in advice.items()
        if found[label]
    ]
    if found["severe outlier"]:
        lines.append(
            f"Runs that lie far from the others (Tukey's outer fence), kept: "
            f"{found['severe outlier']}."
        )
    return lines


def _interval_lines(experiment: Experiment, groups: Sequence[Measured]) -> list[str]:
    plan = experiment.plan
    figures = [
        case.metrics[name]
        for group in groups
        for case in group.cases
        if (name := headline(parse_workload(case.workload)).name) in case.metrics
    ]
    if not figures:
        return []
    n_least = min(figure.n for figure in figures)
    if n_least < stats.min_values():
        short = "--budget" if plan.n_runs_max >= stats.min_values() else "--runs"
        return [
            f"n = {n_least} is too small for a 95 % interval; low and high are the smallest and "
            f"the largest Run. {stats.min_values()} Runs make one: raise {short}."
        ]
    widest = max(stats.relative_half_width(figure) for figure in figures)
    if widest <= plan.precision:
        return []
    return [
        f"Runs differ: the widest interval is ±{units.percent(widest)}, not the "
        f"±{units.percent(plan.precision)} asked for. More Runs (--runs, --budget) would narrow it."
    ]


def _flag_lines(groups: Sequence[Measured]) -> list[str]:
    return [
        f"{group.model.key}: {flag}."
        for group in groups
        for case in group.cases
        for flag in case.flags
    ]


def _memory_lines(groups: Sequence[Measured]) -> list[str]:
    """Says once how to get rid of the second copy of the weights, where there is one."""
    for group in groups:
        parts = [group.metrics.get(name) for name in ("anonymous", "file_backed")]
        held = sum(part.value for part in parts if part is not None)
        mapped = parts[1] is not None and parts[1].value > group.model.weights_bytes / 2
        if (
            mapped
            and group.settings.load_mode in ("auto", "mmap", "mmap+mlock")
            and group.model.weights_bytes >= _DOUBLED_LEAST_BYTES
            and held > _DOUBLED_RATIO * group.model.weights_bytes
        ):
            return [
                f"{group.model.key} lies in memory twice, mapped and repacked; --load-mode none "
                "keeps one copy at the same speed."
            ]
    return []


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))
