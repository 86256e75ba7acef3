"""Comparisons as a page shows them: under which title, and as a picture around 1."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.measured import Measured
from harness.commands.compare.page import ComparedPair
from harness.report.page import Page
from harness.report.picture import Picture
from harness.report.ratios import NamedPair, ratio_parts
from harness.report.scope import scopes
from harness.report.trimmed import believable


def title(pairs: Sequence[ComparedPair]) -> str:
    """What is compared, by the names of the models."""
    names = dict.fromkeys(side.model.key for pair in pairs for side in (pair.a, pair.b))
    return " against ".join(names) if len(names) > 1 else f"{''.join(names)} compared"


def pictures(pairs: Sequence[ComparedPair]) -> Page:
    """One of all pairs that have the same A; none where nothing could be compared."""
    groups = {id(side): side for pair in pairs for side in (pair.a, pair.b)}
    names = _names(list(groups.values()))
    named = [
        NamedPair(
            names[id(pair.a)],
            names[id(pair.b)],
            pair.figures,
            "rehearsed" if pair.a.model.is_twin or pair.b.model.is_twin else "measured",
        )
        for pair in pairs
    ]
    parts = believable(lambda: ratio_parts(named, "What B is to A", "ratios"))
    return tuple(part for part in parts if isinstance(part, Picture))


def _names(groups: Sequence[Measured]) -> dict[int, str]:
    """Each side by what tells it from the others, its machine too where that differs."""
    found = scopes(groups)
    return {
        id(shown.group): f"{shown.name} · {scope.name}" if len(found) > 1 else shown.name
        for scope in found
        for shown in scope.shown
    }
