"""
The quantizations of one model, set against each other: which of them need not be looked at.

One is dominated when another is no worse in every figure and better in one, and the data decides
all of that. Speeds are judged by comparison.py, round by round where they were measured side by
side; everything else by intervals that do not touch. Where nothing is decided nothing is marked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.analysis.frontier.criteria import CRITERIA, NEEDED
from harness.analysis.stats.ratio import Comparison
from harness.schema.figure import Figure

Relation = Literal["better", "same", "worse", "inconclusive"]
_INVERSE: Mapping[Relation, Relation] = {"better": "worse", "worse": "better"}


@dataclass(frozen=True, slots=True)
class Option:
    """
    One quantization with what is known of it, by the names of CRITERIA.

    `reason_missing` says why it cannot be used here, if it cannot; then it neither dominates nor is
    taken.
    """

    name: str
    figures: Mapping[str, Figure]
    reason_missing: str | None = None


Pairs = Mapping[tuple[str, str], Mapping[str, Comparison]]
"""Names of two options, A and B, to what B is over A; either order will do."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """All options, and what comparisons there are between them. Names must differ."""

    options: tuple[Option, ...]
    pairs: Pairs = field(default_factory=dict)

    def relation(self, a: Option, b: Option, criterion: str) -> Relation:
        """How `a` stands to `b` in one figure that both have."""
        compared = self.pairs.get((b.name, a.name), {}).get(criterion)
        if compared is not None:
            return compared.verdict
        compared = self.pairs.get((a.name, b.name), {}).get(criterion)
        if compared is not None:
            return _INVERSE.get(compared.verdict, compared.verdict)
        return relation_of(
            a.figures[criterion],
            b.figures[criterion],
            is_more_better=CRITERIA[criterion].is_more_better,
        )

    def dominates(self, a: Option, b: Option) -> bool:
        """
        Whether `a` is no worse than `b` in every figure that either has, and better in one.

        Both must have those in NEEDED.
        """
        if a.name == b.name or a.reason_missing or b.reason_missing:
            return False
        known = {*NEEDED, *a.figures, *b.figures}
        if not all(name in a.figures and name in b.figures for name in known):
            return False
        relations = {self.relation(a, b, name) for name in known}
        return "better" in relations and relations <= {"better", "same"}

    def dominators(self, among: Sequence[Option] | None = None) -> dict[str, str]:
        """
        Name of each dominated option to the smallest one that dominates it.

        Args:
            among: Who may dominate and be dominated; None takes all.
        """
        options = self.options if among is None else among
        found = {}
        for option in options:
            over = [other for other in options if self.dominates(other, option)]
            if over:
                found[option.name] = min(over, key=size_key).name
        return found


def size_key(option: Option) -> tuple[float, str]:
    """Sorts by the size of the file, then by name, so that no order of options matters."""
    figure = option.figures.get("bytes")
    return (figure.value if figure else 0.0, option.name)


def relation_of(a: Figure, b: Figure, *, is_more_better: bool) -> Relation:
    """How `a` stands to `b` by their intervals: better and worse only where they do not touch."""
    if not (a.is_decisive and b.is_decisive):
        return "inconclusive"
    if a.is_exact and b.is_exact and a.value == b.value:
        return "same"
    (a_low, a_high), (b_low, b_high) = a.bounds, b.bounds
    if a_low > b_high:
        return "better" if is_more_better else "worse"
    if a_high < b_low:
        return "worse" if is_more_better else "better"
    return "inconclusive"
