"""What a card says of an experiment: of one configuration, and how many others there are."""

from __future__ import annotations

from collections.abc import Iterator

from harness import units
from harness.analysis.cases import Case
from harness.analysis.measured import Measured
from harness.analysis.verdict import Verdict
from harness.analysis.verdict_measured import NoVerdict
from harness.report.card import FIGURES, Card, CardFigure, explained
from harness.report.measured_page import MeasuredResult
from harness.schema.experiment import Experiment
from harness.schema.model_kind import MODEL_KINDS
from harness.schema.moment import utc_time
from harness.schema.settings import difference_text
from harness.schema.workload import (
    Decode,
    ParallelDecode,
    ParallelPrefill,
    Prefill,
    parse_workload,
)

_LEVELS = {"error": 0, "warning": 1, "info": 2}
# Of all workloads, in the order in which they are told; what is measured of each model anyway last.
_OF_ALL = (
    ("peak", "peak memory"),
    ("need", "memory needed"),
    ("load_warm", "load, warm"),
    ("load", "load"),
)


def card_of(result: MeasuredResult) -> Card:
    """The card of an experiment: of its first configuration that has most to say."""
    pairs = list(zip(result.groups, result.verdicts, strict=True))
    group, verdict = min(pairs, key=lambda pair: _rank(*pair))
    figures = tuple({each.label: each for each in _figures(group, verdict)}.values())[:FIGURES]
    told = verdict if isinstance(verdict, Verdict) else None
    return Card(
        model=group.model.key,
        about=_about(group),
        machine=_machine(result.experiment, group),
        level=told.level if told else None,
        verdict=f"{told.text} ({told.evidence})" if told else "no verdict",
        reason=verdict.reason,
        figures=figures,
        instead=_without_figures(group),
        notes=tuple(_notes(result, group)),
        origin=_origin(group, figures),
    )


def _rank(group: Measured, verdict: Verdict | NoVerdict) -> tuple[bool, bool, bool]:
    has_figures = any(case.metrics for case in group.cases)
    was_tried = any(case.disturbed for case in group.cases)
    return not (has_figures and isinstance(verdict, Verdict)), not has_figures, not was_tried


# ------------------------------------------------------------------ figures


def _figures(group: Measured, verdict: Verdict | NoVerdict) -> Iterator[CardFigure]:
    """Writing, reading, the wait for the first word, and what is known of all workloads."""
    yield from _of_cases(group, _judged_first(group, verdict), "decode")
    yield from _of_cases(group, group.cases, "prompt")
    for case in group.cases:
        yield from _figure(case, "ttft", f"first token, {case.workload}")
    if any(case.metrics or case.disturbed for case in group.cases):
        for name, label in _OF_ALL:
            if name in group.metrics:
                yield CardFigure(label, group.metrics[name])
    deeper = sorted(group.cases, key=lambda case: -parse_workload(case.workload).depth)
    yield from _of_cases(group, tuple(deeper), "decode")


def _of_cases(group: Measured, cases: tuple[Case, ...], which: str) -> Iterator[CardFigure]:
    """The rate of the first of these that writes, or reads; of one that is clean rather."""
    found: list[CardFigure] = []
    for case in sorted(cases, key=_rank_of_case):
        task = parse_workload(case.workload)
        name = task.decode_metric if which == "decode" else task.prompt_metric
        word = which
        if which == "prompt":
            word = "prefill" if group.model.kind == "generates" else "reading"
        is_pure = isinstance(task, Decode | Prefill | ParallelDecode | ParallelPrefill)
        if name:
            label = f"{word}, {case.workload}" if is_pure else f"{word} in {case.workload}"
            found += _figure(case, name, label)
    yield from found[:1]


def _rank_of_case(case: Case) -> tuple[bool, bool]:
    """How far back it stands: behind what one sequence alone does."""
    return not case.metrics, parse_workload(case.workload).n_sequences > 1


def _figure(case: Case, name: str, label: str) -> Iterator[CardFigure]:
    if name in case.metrics:
        yield CardFigure(label, case.metrics[name])
    elif name in case.disturbed:
        yield CardFigure(label, case.disturbed[name], is_disturbed=True)


def _judged_first(group: Measured, verdict: Verdict | NoVerdict) -> tuple[Case, ...]:
    """All cases, first the one whose decoding decided."""
    decode = verdict.decode if isinstance(verdict, Verdict) else None
    judged = decode.source.partition(",")[0] if decode else ""
    return tuple(sorted(group.cases, key=lambda case: case.workload != judged))


def _without_figures(group: Measured) -> str:
    """Why there are none, where the verdict does not say it already."""
    if not group.n_runs:
        return "No figures: no Run of it was made."
    return f"No figures: {group.n_failed} of {group.n_runs} Runs failed."


# ------------------------------------------------------------------ words


def _about(group: Measured) -> str:
    size = units.file_size(group.model.n_bytes) if group.model.n_bytes else ""
    noun = "" if group.model.kind == "generates" else MODEL_KINDS[group.model.kind].noun
    return ", ".join(filter(None, (noun, size)))


def _machine(experiment: Experiment, group: Measured) -> str:
    served = group.model.served
    if served is not None and not served.is_local:
        return "a machine elsewhere, of which nothing is known"
    machine = experiment.machine
    cards = group.gpus or tuple(each.name for each in machine.accelerators)
    cores = machine.n_cores_usable
    # Where cards did the work, and of a chip that is both, the name once.
    names = [*([] if machine.cpu == "unknown" and cards else [machine.cpu]), *cards]
    return ", ".join(
        (
            *dict.fromkeys(names),
            *([f"{cores} cores" if cores > 1 else "1 core"] if cores else []),
            *([units.memory_size(machine.memory_bytes)] if machine.memory_bytes else []),
            *([machine.virtualization] if machine.virtualization else []),
        )
    )


def _notes(result: MeasuredResult, group: Measured) -> Iterator[str]:
    if group.model.is_twin:
        yield "Rehearsed: random weights behind the model's own header."
    if len(result.groups) > 1:
        which = difference_text(group.settings, [each.settings for each in result.groups])
        yield f"One of {len(result.groups)} configurations in the file{which and f': {which}'}."
    grave = sorted(result.findings, key=lambda finding: _LEVELS[finding.level])
    if grave and any(case.n_trials for case in group.cases):
        yield grave[0].text


def _origin(group: Measured, figures: tuple[CardFigure, ...]) -> str:
    experiment, engine = group.experiment, group.engine
    made = (
        f"llama-bench build {engine.binding_version}"
        if experiment.origin == "llama-bench"
        else f"harness {experiment.provenance.harness_version}"
    )
    parts = (
        explained(figures),
        f"llama.cpp {engine.library_commit}" if group.model.served is None else engine.title,
        made,
        utc_time(experiment.started_at).date().isoformat(),
    )
    return " · ".join(filter(None, parts))
