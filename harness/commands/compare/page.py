"""A comparison as text: a table of what B is to A, and what cannot be told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tabulate import tabulate

from harness import units
from harness.analysis.metrics import METRICS
from harness.analysis.presence import State
from harness.analysis.sides import ComparedFigure, Mismatch, Side
from harness.analysis.stats.ratio import CONFIDENCE_OF_EACH_LOOK, Comparison
from harness.report.text import harmless, markdown, wrapped
from harness.schema.figure import Figure
from harness.schema.settings import settings_text

_HEADER = ("metric", "A", "B", "B / A", "n", "B is")
_ALIGNMENT = ("left", "right", "right", "left", "right", "left")
_ABSENT: dict[State, str] = {"failed": "failed", "disturbed": "disturbed"}
_PAIRINGS = {
    "rounds": "B / A is the geometric mean of the ratios of single rounds, measured side by side, "
    "with its {confidence} interval; n counts rounds.",
    "unpaired": "A and B were measured at different times: B / A is the ratio of their geometric "
    "means over Runs, and its {confidence} interval knows how far Runs differ, not what else "
    "changed between the two; n counts the Runs of the side that has fewer.",
}


@dataclass(frozen=True, slots=True)
class ComparedPair:
    """Two sides, what stands against comparing them, and every figure of both."""

    a: Side
    b: Side
    mismatches: tuple[Mismatch, ...]
    remarks: tuple[str, ...]
    figures: tuple[ComparedFigure, ...]

    @property
    def differing(self) -> list[str]:
        """What a reader must know; what differs within one experiment was meant to."""
        if self.a.experiment.id == self.b.experiment.id:
            return list(self.remarks)
        return [*(each.text for each in self.mismatches), *self.remarks]


def comparison_text(pairs: Sequence[ComparedPair], style: Literal["plain", "github"]) -> str:
    """
    All pairs as text, without a line break at the end.

    "plain" fits 80 columns. "github" is Markdown.
    """
    block = _plain if style == "plain" else _github
    legends = _legend(pairs)
    if style == "plain":
        legends = [line for text in legends for line in wrapped(text)]
    else:
        legends = [f"- {markdown(text)}" for text in legends]
    return "\n\n".join(["\n".join(block(pair)) for pair in pairs] + ["\n".join(legends)])


def verdict_word(metric: str, comparison: Comparison) -> str:
    """What B is, in a word that fits what was measured: "slower", "smaller", "same"."""
    if comparison.verdict in ("same", "cannot-tell"):
        return comparison.verdict.replace("-", " ")
    better, worse = METRICS[metric].words
    return better if comparison.verdict == "better" else worse


def ratio_text(comparison: Comparison) -> str:
    """The ratio with its interval: "0.906 (0.888-0.924)"."""
    if comparison.pairing == "exact":
        return f"{_number(comparison.ratio)} exactly"
    if not math.isfinite(comparison.high):
        return f"{_number(comparison.ratio)} (unknown)"
    return f"{_number(comparison.ratio)} ({_number(comparison.low)}-{_number(comparison.high)})"


def side_text(side: Side, other: Side) -> str:
    """What a side is, with the Settings in which it differs from the other."""
    parts = [side.model.key, settings_text(side.settings, [other.settings])]
    if side.model.is_twin:
        parts.insert(1, "rehearsed")
    if side.experiment.origin == "llama-bench":
        parts.insert(1, "imported from llama-bench")
    if side.experiment.id != other.experiment.id:
        engine = side.experiment.provenance.engine
        parts += [
            f"build {engine.library_commit or engine.binding_version}",
            f"machine {side.experiment.machine.id}",
        ]
    return harmless(" · ".join([*parts, f"experiment {side.experiment.id}"]))


def figure_name(figure: ComparedFigure) -> str:
    """Workload and metric in words: "tg128 tok/s", "load warm"."""
    return harmless(f"{_topic(figure)} {METRICS[figure.metric].label}")


def _plain(pair: ComparedPair) -> list[str]:
    lines = [
        *wrapped(side_text(pair.a, pair.b), lead="A  "),
        *wrapped(side_text(pair.b, pair.a), lead="B  "),
    ]
    lines += [line for text in pair.differing for line in wrapped(harmless(text), lead="!  ")]
    if pair.figures:
        lines += ["", *_table(pair.figures)]
    sentences = [line for text in _sentences(pair.figures) for line in wrapped(text)]
    return [*lines, *([""] if sentences else []), *sentences]


def _table(figures: Sequence[ComparedFigure]) -> list[str]:
    """
    Metrics below the name of their workload.

    A column for the workload would not fit: "tg128@d16384" and the widest of all others take 89.
    """
    rows = [_cells(figure) for figure in figures]
    text = tabulate(rows, _HEADER, "simple", disable_numparse=True, colalign=_ALIGNMENT)
    header, dashes, *body = text.splitlines()
    lines = [f"  {header}", f"  {dashes}"]
    topic = ""
    for figure, line in zip(figures, body, strict=True):
        if _topic(figure) != topic:
            topic = _topic(figure)
            lines.append(harmless(topic))
        lines.append(f"  {line}")
    return [line.rstrip() for line in lines]


def _topic(figure: ComparedFigure) -> str:
    return figure.workload or METRICS[figure.metric].topic


def _cells(figure: ComparedFigure) -> tuple[str, ...]:
    found = figure.comparison
    return (
        METRICS[figure.metric].label,
        _value(figure.a, figure.a_state),
        _value(figure.b, figure.b_state),
        ratio_text(found) if found else "",
        str(found.n) if found else "",
        verdict_word(figure.metric, found) if found else "",
    )


def _value(estimate: Figure | None, state: State) -> str:
    if estimate is None:
        return _ABSENT.get(state, "–")
    return units.quantity(estimate.value, estimate.unit)


def _number(ratio: float) -> str:
    return f"{ratio:.3f}" if 0.1 <= ratio < 10 else units.significant(ratio)


def _sentences(figures: Sequence[ComparedFigure]) -> list[str]:
    """Why something is not compared, and what "cannot tell" may hide."""
    notes: dict[str, list[str]] = {}
    hidden: dict[str, list[str]] = {}
    for figure in figures:
        name, compared = figure_name(figure), figure.comparison
        if compared is None:
            notes.setdefault(figure.note, []).append(name)
        elif compared.verdict == "cannot-tell":
            least = compared.smallest
            word = units.percent(least) if math.isfinite(least) else ""
            hidden.setdefault(word, []).append(name)
    found = [f"{', '.join(names)}: {note}." for note, names in notes.items()]
    unknown = hidden.pop("", [])
    if hidden:
        known = "; ".join(f"{', '.join(names)} {word}" for word, names in hidden.items())
        found.append(f"Smallest difference that this data could have shown: {known}.")
    if unknown:
        found.append(f"One value on a side tells nothing of a difference: {', '.join(unknown)}.")
    return [harmless(text) for text in found]


def _github(pair: ComparedPair) -> list[str]:
    lines = [
        f"- A: {markdown(side_text(pair.a, pair.b))}",
        f"- B: {markdown(side_text(pair.b, pair.a))}",
        *(f"- {markdown(text)}" for text in pair.differing),
        "",
    ]
    rows = [
        [markdown(cell) for cell in (_topic(figure), *_cells(figure))] for figure in pair.figures
    ]
    header = ("workload", *_HEADER)
    lines += tabulate(rows, header, "github", disable_numparse=True).splitlines()
    return [*lines, "", *(f"- {markdown(text)}" for text in _sentences(pair.figures))]


def _legend(pairs: Sequence[ComparedPair]) -> list[str]:
    found = [figure.comparison for pair in pairs for figure in pair.figures if figure.comparison]
    lines: list[str] = []
    for pairing, sentence in _PAIRINGS.items():
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
    return lines or ["There is nothing to compare."]
