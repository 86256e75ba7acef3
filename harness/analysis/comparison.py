"""Two measured things, set side by side: what must match, and every figure that both have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.analysis import energy, formulas, neighbours
from harness.analysis.finding import Finding
from harness.analysis.measured import Absence, Lack, Measured
from harness.analysis.metrics import COMPARED, METRICS, Metric, headline
from harness.analysis.neighbours import ByRound
from harness.analysis.roster import are_of_one
from harness.analysis.stats import interval as stats
from harness.analysis.stats.ratio import (
    CONFIDENCE,
    CONFIDENCE_OF_EACH_LOOK,
    THRESHOLD,
    Comparison,
    compare_apart,
    compare_exact,
    compare_rounds,
)
from harness.schema.configuration import other_file
from harness.schema.experiment import Experiment, Stop
from harness.schema.figure import Figure
from harness.schema.model_kind import MODEL_KINDS
from harness.schema.settings import changes_text
from harness.schema.workload import parse_workload

Kind = Literal["machine", "build", "settings", "evidence"]
State = Literal["measured"] | Absence
KINDS: tuple[Kind, ...] = ("machine", "build", "settings", "evidence")
"""What must be the same on both sides, unless it is compared across on purpose."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that differs between two sides and makes their figures hard to compare."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """
    One metric of one workload on both sides; `workload` is empty for the model as a whole.

    Without a `comparison` there is a `note`, which says why.
    """

    workload: str
    metric: str
    a: Figure | None = None
    b: Figure | None = None
    a_state: State = "measured"
    b_state: State = "measured"
    comparison: Comparison | None = None
    note: str = ""


def mismatches(a: Measured, b: Measured) -> list[Mismatch]:
    """What should be the same on both sides and is not, in the order of KINDS."""
    found = []
    experiments = a.experiment, b.experiment
    if not are_of_one(*experiments):
        names = [
            f"{each.fleet.host if each.fleet else each.machine.id} ({each.machine.cpu})"
            for each in experiments
        ]
        found.append(Mismatch("machine", f"machine {names[0]} against {names[1]}"))
    builds = tuple(side.engine.title for side in (a, b))
    if builds[0] != builds[1]:
        found.append(Mismatch("build", f"engine {builds[0]} against {builds[1]}"))
    changes = changes_text(a.settings, b.settings)
    if changes:
        found.append(Mismatch("settings", f"settings {changes}"))
    if a.model.is_twin != b.model.is_twin:
        words = ["rehearsed" if side.model.is_twin else "measured" for side in (a, b)]
        found.append(Mismatch("evidence", f"{words[0]} against {words[1]}"))
    return found


def differences(a: Measured, b: Measured) -> list[Finding]:
    """What else a reader should know before believing the figures, without a dot at the end."""
    found = []
    is_other = a.model.sha256 != b.model.sha256 or other_file(a.model, b.model)
    if a.model.key == b.model.key and is_other:
        text = f"{a.model.key} is not the same file on both sides"
        found.append(Finding("warning", text))
    reads = [MODEL_KINDS[side.model.kind].throughput for side in (a, b)]
    if reads[0] != reads[1]:
        found.append(Finding("warning", f"a prompt's tok/s is {reads[0]} against {reads[1]}"))
    found += machine_differences(a.experiment, b.experiment)
    found += power_differences(a.experiment, b.experiment)
    for side, other, name in ((a, b, "A"), (b, a, "B")):
        only = [w for w in side.workloads if w not in other.workloads]
        if only:
            found.append(Finding("info", f"only {name} has {', '.join(only)}"))
    return found


def machine_differences(a: Experiment, b: Experiment) -> list[Finding]:
    """What one side was not told of a machine that is taken for the same, if anything."""
    one, other = a.machine, b.machine
    if one.id == other.id or not one.is_same_as(other):
        return []
    untold = ", ".join(one.untold_beside(other))
    text = f"machines {one.id} and {other.id} are taken for one: only one side tells its {untold}"
    return [Finding("info", text)]


def power_differences(a: Experiment, b: Experiment) -> list[Finding]:
    """Where the machine's power came from and how it was managed, as far as that differs."""
    found = []
    for name in ("power_source", "power_mode"):
        values = [getattr(each.conditions, name) for each in (a, b)]
        if values[0] != values[1] and None not in values:
            text = f"{name.replace('_', ' ')}: {values[0]} against {values[1]}"
            found.append(Finding("warning", text))
    return found


def compare(
    a: Measured,
    b: Measured,
    *,
    threshold: float = THRESHOLD,
    confidence: float = CONFIDENCE,
    wanted: Sequence[str] = COMPARED,
) -> list[ComparedFigure]:
    """
    Every figure in `wanted` that A or B has, in the order of the workloads of A's plan.

    Paired by rounds where both were measured in one experiment, and where their trials took turns
    by those; apart from that unpaired.
    """
    found = []
    for workload in (*shared_workloads(a, b), ""):
        values = compared_values(a, workload), compared_values(b, workload)
        ratios = neighbours.ratios(a, b, workload)
        found += [
            _figure(workload, metric, values, ratios.get(metric), (threshold, confidence), (a, b))
            for metric in _metrics(workload, values, wanted)
        ]
    return found


def was_asked_often(stops: Iterable[Stop]) -> bool:
    """Whether measuring went on until there was an answer: each look might have ended it."""
    return any(stop.reason == "decided" for stop in stops)


def confidence_of(*, is_asked_often: bool) -> float:
    """The confidence of a comparison that is made once, or after every round."""
    return CONFIDENCE_OF_EACH_LOOK if is_asked_often else CONFIDENCE


def shared_workloads(a: Measured, b: Measured) -> list[str]:
    """The workloads that both were to be measured in, in A's order."""
    return [name for name in a.workloads if name in b.workloads]


def is_decided(figures: Sequence[ComparedFigure]) -> bool:
    """Whether every comparison has a verdict; False where nothing is compared, or not yet."""
    judged = [each.comparison for each in figures if each.comparison]
    return bool(judged) and not any(map(is_open, figures))


def is_open(figure: ComparedFigure) -> bool:
    """Whether more rounds may give a verdict; also where all trials so far were disturbed."""
    if figure.comparison:
        return figure.comparison.verdict == "inconclusive"
    return "disturbed" in (figure.a_state, figure.b_state)


_Values = tuple[Mapping[str, ByRound], Mapping[str, ByRound]]


def compared_values(side: Measured, workload: str) -> dict[str, ByRound]:
    """Metric to round to value, of what is compared; a ratio of nothing is none."""
    rounds = {
        metric: {at: value for at, value in values.items() if value > 0}
        for metric, values in side.by_round(workload).items()
        if metric in COMPARED
    }
    return {metric: values for metric, values in rounds.items() if values}


def _metrics(workload: str, values: _Values, wanted: Sequence[str]) -> list[str]:
    """What there is to say something of: where neither has any figure, one metric stands for it."""
    rows = [METRICS[name] for name in COMPARED if name in wanted]
    known = [row.name for row in rows if bool(row.of) == bool(workload)]
    if not any(values):
        if not workload and len(known) < len(rows):
            return []  # its workloads tell that it never ran
        usual = headline(parse_workload(workload)).name if workload else ""
        return [usual] if usual in known else known[:1]
    return [name for name in known if any(name in each for each in values)]


def _figure(
    workload: str,
    metric: str,
    values: _Values,
    ratios: ByRound | None,
    limits: tuple[float, float],
    sides: tuple[Measured, Measured],
) -> ComparedFigure:
    a, b = (each.get(metric, {}) for each in values)
    plain = ComparedFigure(workload, metric, _estimate(a, metric), _estimate(b, metric))
    if a and b:
        bases = [basis_of(side, workload, metric) for side in sides]
        if note := unlike(*bases):
            return replace(plain, note=note)
        return replace(plain, comparison=judged(METRICS[metric], (a, b), ratios, limits))
    lacks = [
        None if mine else Lack("absent", "has no such figure") if others else side.lack(workload)
        for side, mine, others in zip(sides, (a, b), values, strict=True)
    ]
    notes = [f"{name} {it.why}" for name, it in zip("AB", lacks, strict=True) if it]
    states: list[State] = [it.state if it else "measured" for it in lacks]
    return replace(plain, a_state=states[0], b_state=states[1], note="; ".join(notes))


def _estimate(values: ByRound, metric: str) -> Figure | None:
    return stats.estimate(list(values.values()), METRICS[metric].unit) if values else None


@dataclass(frozen=True, slots=True)
class Basis:
    """What a figure is of, where figures of one name may be of several things."""

    is_of_server: bool = False
    contexts: frozenset[str] = frozenset()
    counters: frozenset[str] = frozenset()


def basis_of(side: Measured, workload: str, metric: str) -> Basis:
    """What a figure of `side` is of."""
    if METRICS[metric].has_context:
        contexts = {context.workload for run in side.runs for context in run.contexts}
        return Basis(side.model.served is not None, frozenset(contexts))
    if metric == energy.METRIC:
        machine = side.experiment.machine
        found = (formulas.run_energy(run, workload, machine) for run in side.runs)
        counters = {f"{' + '.join(one.domains)} ({one.source})" for one in found if one.domains}
        return Basis(counters=frozenset(counters))
    return Basis()


def unlike(a: Basis, b: Basis) -> str:
    """Why figures of both must not be set side by side; empty where they may."""
    if a.is_of_server != b.is_of_server:
        return "one is of the server's process, with all that it keeps"
    if a.contexts != b.contexts:
        return "other workloads had other contexts"
    counted = a.counters | b.counters
    if len(counted) > 1:
        return f"not of the same counters: {' against '.join(sorted(counted))}"
    return ""


def judged(
    metric: Metric,
    values: tuple[ByRound, ByRound],
    ratios: ByRound | None,
    limits: tuple[float, float],
) -> Comparison | None:
    """
    B over A of one metric by the values of their rounds; None where either has none.

    `ratios` are those of neighbouring trials, where they took turns; `limits` the threshold and the
    interval's confidence.
    """
    a, b = values
    more, (threshold, confidence) = metric.is_more_better, limits
    if metric.counted and len({*a.values()}) == len({*b.values()}) == 1:
        n = min(len(a), len(b))
        first = next(iter(a.values())), next(iter(b.values()))
        return compare_exact(*first, n, is_more_better=more, threshold=threshold)
    if ratios:
        moved = neighbours.with_ratios(a, b, ratios)
        found = compare_rounds(
            *moved, is_more_better=more, threshold=threshold, confidence=confidence
        )
        return found and replace(found, pairing="turns")
    paired = compare_rounds(a, b, is_more_better=more, threshold=threshold, confidence=confidence)
    return paired or compare_apart(
        list(a.values()),
        list(b.values()),
        is_more_better=more,
        threshold=threshold,
        confidence=confidence,
    )
