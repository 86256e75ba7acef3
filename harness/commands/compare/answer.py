"""A comparison in one sentence: what B is to A in the figures that matter most."""

from __future__ import annotations

from collections.abc import Sequence

from harness import units
from harness.analysis.comparison import ComparedFigure
from harness.analysis.measured import Measured
from harness.analysis.metrics import METRICS, headline
from harness.analysis.stats.ratio import Comparison
from harness.report.ratios import verdict_word
from harness.schema.settings import difference_text
from harness.schema.workload import parse_workload

Compared = Sequence[tuple[ComparedFigure, Comparison]]


def answer(a: Measured, b: Measured, figures: Sequence[ComparedFigure]) -> str:
    """
    What B is to A: faster than it in these figures, the same in those, inconclusive in others.

    Of each workload the figure that it is judged by counts; where there is none, all do.
    """
    ours, theirs = _name(b, a), _name(a, b)
    judged = [(figure, figure.comparison) for figure in figures if figure.comparison]
    if not judged:
        why = next((f": {figure.note}" for figure in figures if figure.note), "")
        return f"{ours} cannot be compared with {theirs}{why}."
    found = [pair for pair in judged if _is_headline(pair[0])] or judged
    words = _by_word(found)
    unknown = words.pop(_UNKNOWN, [])
    same = words.pop(_SAME, [])
    clauses = [f"{word} than {theirs} in {_listed(names)}" for word, names in words.items()]
    clauses[1:] = [f"{word} in {_listed(names)}" for word, names in [*words.items()][1:]]
    if same:
        share = units.percent(found[0][1].threshold)
        whom = "the same" if clauses else f"the same as {theirs}"
        clauses.append(f"{whom} in {_listed(same)}, to within {share}")
    if not clauses:
        return (
            f"Inconclusive: these Runs cannot tell whether {ours} differs from {theirs} in "
            f"{_listed(unknown)}."
        )
    clauses += [f"inconclusive in {_listed(unknown)}"] if unknown else []
    return f"{ours} is {'; '.join(clauses)}."


_SAME, _UNKNOWN = "same", "inconclusive"


def topic(figure: ComparedFigure) -> str:
    """What a figure is of: its workload, or the model's memory or loading."""
    return figure.workload or METRICS[figure.metric].topic


def _by_word(found: Compared) -> dict[str, list[str]]:
    """What B is to the figures in which it is that; of differences how large they are."""
    words: dict[str, list[str]] = {}
    for figure, comparison in found:
        word = verdict_word(figure.metric, comparison)
        name = f"{topic(figure)} {METRICS[figure.metric].label}"
        if word not in (_SAME, _UNKNOWN):
            name += f" ({units.factor(comparison.ratio)} times)"
        words.setdefault(word, []).append(name)
    return words


def _is_headline(figure: ComparedFigure) -> bool:
    workload = figure.workload
    return bool(workload) and headline(parse_workload(workload)).name == figure.metric


def _name(side: Measured, other: Measured) -> str:
    """As short as tells it from the other."""
    keys = side.model.key, other.model.key
    settings = difference_text(side.settings, [side.settings, other.settings])
    if keys[0] != keys[1]:
        return f"{keys[0]} ({settings})" if settings else keys[0]
    return settings or f"{keys[0]} in experiment {side.experiment.id}"


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
