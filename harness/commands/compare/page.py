"""A comparison as a page: what B is to A in every figure, and what cannot be told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness import units
from harness.analysis.comparison import ComparedFigure, Mismatch, State
from harness.analysis.finding import Finding
from harness.analysis.findings import findings
from harness.analysis.measured import Measured, measured_of
from harness.analysis.metrics import METRICS
from harness.analysis.stats.ratio import CONFIDENCE_OF_EACH_LOOK, Comparison
from harness.commands.compare.answer import answer, topic
from harness.measure.session import SessionResult
from harness.report.measured_page import record_line
from harness.report.page import (
    Cell,
    Column,
    Facts,
    Judged,
    Note,
    Page,
    Quantity,
    Table,
    explanation,
    notes,
)
from harness.report.ratios import STATUS, ratio_of, verdict_word
from harness.report.run_line import STOPS, to_go_on
from harness.schema.settings import settings_text

_BEFORE = (
    Column("workload"),
    Column(None, "a"),
    Column(None, "b"),
    Column(None, "workload"),
    Column(None, "metric"),
    Column("metric"),
    Column("A", align="right"),
    Column("B", align="right"),
    *(Column(None, key) for key in ("a_", "b_", "a_mean", "b_mean")),
)
_AFTER = (
    Column("n", align="right"),
    Column("B is"),
    *(Column(None, key) for key in ("confidence", "threshold", "pairing", "verdict", "note")),
)
_ABSENT: dict[State, str] = {"failed": "failed", "disturbed": "disturbed"}
_PAIRINGS = {
    "turns": "Trials of A and B took turns in each round. B / A is the geometric mean over rounds "
    "of the median ratio of neighbouring trials, with its {confidence} interval; A and B are "
    "geometric means over the same rounds; n counts rounds.",
    "rounds": "A and B are geometric means over the rounds that both have, one process after the "
    "other in each. B / A is the geometric mean of the ratios of single rounds, with its "
    "{confidence} interval; n counts rounds.",
    "unpaired": "A and B are geometric means over Runs, B / A is the ratio of these, with its "
    "{confidence} interval; n counts the Runs of the side that has fewer.",
}
_APART = (
    "A and B were measured at different times: the interval knows how far Runs differ, not what "
    "else changed between the two."
)
_BESIDE_TURNS = (
    "What no single trial tells, as loading and memory: by the ratios of the Runs of a round, with "
    "their {confidence} interval."
)


@dataclass(frozen=True, slots=True)
class ComparedPair:
    """Two sides, what stands against comparing them, and every figure of both."""

    a: Measured
    b: Measured
    mismatches: tuple[Mismatch, ...]
    findings: tuple[Finding, ...]
    figures: tuple[ComparedFigure, ...]

    @property
    def differing(self) -> list[str]:
        """What a reader must know; what differs within one experiment was meant to."""
        if self.a.experiment.id == self.b.experiment.id:
            return [each.text for each in self.findings]
        unlike = [each.text for each in self.mismatches]
        return unlike + [each.text for each in self.findings]


def page(pairs: Sequence[ComparedPair]) -> Page:
    """The answer; for each pair what it is, a row a figure, what they hide; how it is judged."""
    parts = [part for pair in pairs for part in _pair(pair)]
    found = [figure.comparison for pair in pairs for figure in pair.figures if figure.comparison]
    is_apart = any(each.pairing == "unpaired" for each in found)
    return (
        *notes([answer(pair.a, pair.b, pair.figures) for pair in pairs]),
        *parts,
        *notes(_APART if is_apart else ""),
        *explanation(_explained(found)),
    )


def aside(measured: SessionResult) -> Page:
    """How far to trust what was measured for it, and where that is kept."""
    runs = measured.result.runs
    groups = measured_of(measured.experiment, runs)
    n_rounds = max((run.round for run in runs), default=-1) + 1
    ended = {STOPS[stop.reason] for stop in measured.result.stops}
    goes_on = [to_go_on(measured.experiment)] if measured.result.is_interrupted else []
    return (
        *notes([finding.text for finding in findings(groups, is_compared=True)]),
        Note(
            (
                f"Rounds: {n_rounds}, then {' and '.join(sorted(ended))}",
                *([f"One after the other: {measured.why_apart}"] if measured.why_apart else []),
                *record_line(measured.path),
                *goes_on,
            ),
            is_whole=True,
        ),
    )


def side_text(side: Measured, other: Measured) -> str:
    """What a side is, with the Settings in which it differs from the other."""
    parts = [side.model.key, *side.marks, settings_text(side.settings, [other.settings])]
    if side.experiment.id != other.experiment.id:
        parts += [
            f"build {side.engine.build}",
            f"machine {side.experiment.machine.id}",
        ]
    return " · ".join(filter(None, [*parts, f"experiment {side.experiment.id}"]))


def _pair(pair: ComparedPair) -> Page:
    titles = side_text(pair.a, pair.b), side_text(pair.b, pair.a)
    rows = tuple(_row(titles, figure) for figure in pair.figures)
    differing = tuple(pair.differing)
    return (
        Facts((("A", titles[0]), ("B", titles[1]))),
        *((Note(differing, "warning"),) if differing else ()),
        Table(_columns(pair.figures), rows, is_grouped=True),
        *notes(list(_sentences(pair.figures))),
    )


def _columns(figures: Sequence[ComparedFigure]) -> tuple[Column, ...]:
    """With how sure the intervals are above them, where all are as sure."""
    found = [it.comparison for it in figures if it.comparison]
    shares = {f"{it.confidence * 100:.4g} % " for it in found if it.pairing != "exact"}
    share = shares.pop() if len(shares) == 1 else ""
    ratio = Column("B / A", "ratio_", "right", interval=f"{share}interval")
    return (*_BEFORE, ratio, *_AFTER)


def _row(titles: tuple[str, str], figure: ComparedFigure) -> tuple[Cell, ...]:
    found, metric = figure.comparison, METRICS[figure.metric]
    judged: tuple[Cell, ...] = (None,) * 4
    if found:
        judged = found.confidence, found.threshold, found.pairing, found.verdict
    return (
        topic(figure),
        *titles,
        figure.workload,
        figure.metric,
        metric.label,
        *_sides(figure),
        ratio_of(found) if found else "",
        found.n if found else None,
        Judged(verdict_word(figure.metric, found), STATUS[found.verdict]) if found else "",
        *judged,
        figure.note,
    )


def _sides(figure: ComparedFigure) -> tuple[Cell, ...]:
    """A and B: what the ratio is of, where there is one, else their medians; then for programs."""
    medians = figure.a or _ABSENT.get(figure.a_state), figure.b or _ABSENT.get(figure.b_state)
    if figure.comparison is None:
        return (*medians, *medians, None, None)
    means = figure.comparison.means
    unit = METRICS[figure.metric].unit
    return (*(Quantity(mean, unit) for mean in means), *medians, *means)


def _sentences(figures: Sequence[ComparedFigure]) -> Iterator[str]:
    """Why something is not compared, and what "inconclusive" may hide."""
    notes: dict[str, list[str]] = {}
    hidden: dict[str, list[str]] = {}
    for figure in figures:
        name = f"{topic(figure)} {METRICS[figure.metric].label}"
        compared = figure.comparison
        if compared is None:
            notes.setdefault(figure.note, []).append(name)
        elif compared.verdict == "inconclusive":
            least = compared.smallest
            word = units.percent(least) if math.isfinite(least) else ""
            hidden.setdefault(word, []).append(name)
    yield from (f"{', '.join(names)}: {note}." for note, names in notes.items())
    unknown = hidden.pop("", [])
    if hidden:
        known = "; ".join(f"{', '.join(names)} {word}" for word, names in hidden.items())
        yield f"Minimum detectable difference: {known}."
    if unknown:
        yield f"One value on a side tells nothing of a difference: {', '.join(unknown)}."


def _explained(found: Sequence[Comparison]) -> list[str]:
    lines: list[str] = []
    pairings = dict(_PAIRINGS)
    if any(each.pairing == "turns" for each in found):
        pairings["rounds"] = _BESIDE_TURNS
    for pairing, sentence in pairings.items():
        of_kind = [each for each in found if each.pairing == pairing]
        if of_kind:
            shares = dict.fromkeys(f"{each.confidence * 100:.4g} %" for each in of_kind)
            lines.append(sentence.format(confidence=" or ".join(shares)))
    if any(each.confidence == CONFIDENCE_OF_EACH_LOOK for each in found):
        lines.append(
            "Measured until decided: a wider interval for each look, since after many looks one "
            "of them errs by chance."
        )
    if found:
        share = units.percent(found[0].threshold)
        lines.append(
            f"A verdict needs the whole interval: within {share} it is the same, beyond it a "
            "difference, across it nothing can be told."
        )
    return lines
