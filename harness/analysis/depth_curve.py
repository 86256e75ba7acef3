"""
How fast a model writes and reads over what lies in the cache before, and how far that is enough.

Between two depths the time of a token grows in proportion to the depth: each token reads what the
cache holds (docs/method/long-contexts.md). Nothing is said beyond the deepest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from harness.analysis.cases import Case
from harness.analysis.measured import Measured
from harness.analysis.verdict import (
    COMFORTABLE_TOK_PER_S,
    USABLE_TOK_PER_S,
    Level,
    decode_level,
)
from harness.schema.experiment import StoredPrediction
from harness.schema.figure import Figure
from harness.schema.workload import Decode, ParallelDecode, ParallelPrefill, Prefill, parse_workload
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import Exchange

Phase = Literal["decode", "prefill"]


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """
    A case at a depth; `figure` is its rate, from disturbed trials where there are no others, and
    `predicted` what was predicted of it before; None where there is none.
    """

    depth: int
    case: Case
    figure: Figure | None
    predicted: Figure | None

    @property
    def rate(self) -> Figure | None:
        """The figure, where something may be judged by it."""
        return None if self.case.disturbed else self.figure

    @property
    def level(self) -> Level | None:
        """What so fast a decode deserves by itself."""
        return decode_level(self.rate.value) if self.rate else None


@dataclass(frozen=True, slots=True)
class DepthCurve:
    """One work ("tg128") of a configuration at two depths or more, the shallowest first."""

    group: Measured
    what: str
    phase: Phase
    points: tuple[DepthPoint, ...]

    @property
    def rates(self) -> list[tuple[int, Figure]]:
        """Those of its points that something may be judged by."""
        return [(point.depth, point.rate) for point in self.points if point.rate]


@dataclass(frozen=True, slots=True)
class Reach:
    """
    Up to which depth a rate is kept.

    Attributes:
        depth: None where not even at the first one.
        low: The same by the lower bounds of the rates, and `high` by the upper ones.
        is_open: Whether it is kept at the deepest, so that nobody knows how much farther.
    """

    depth: float | None
    low: float | None
    high: float | None
    is_open: bool


def depth_curves(group: Measured) -> tuple[DepthCurve, ...]:
    """What a configuration has at several depths: of each work a curve."""
    found: dict[tuple[str, Phase], list[DepthPoint]] = {}
    for case in group.cases:
        for what, phase, depth, metric in _places(parse_workload(case.workload)):
            figure = (case.metrics or case.disturbed).get(metric)
            point = DepthPoint(depth, case, figure, _predicted(group, case.workload))
            found.setdefault((what, phase), []).append(point)
    return tuple(
        DepthCurve(group, what, phase, tuple(sorted(points, key=lambda it: it.depth)))
        for (what, phase), points in found.items()
        if len({point.depth for point in points}) > 1
    )


def decode_curve(group: Measured) -> DepthCurve | None:
    """The one that a verdict looks at: of decoding, of one sequence; None without any."""
    curves = (it for it in depth_curves(group) if it.phase == "decode")
    return next((it for it in curves if parse_workload(it.what).n_sequences == 1), None)


def reach(rates: Sequence[tuple[int, Figure]], least_per_s: float) -> Reach:
    """
    Up to which depth a rate is at least `least_per_s`.

    Args:
        rates: Depth and tokens a second, the shallowest first; at least one.
        least_per_s: In tokens a second.
    """
    values = [(depth, figure.value) for depth, figure in rates]
    bounds = [(depth, figure.bounds) for depth, figure in rates if figure.is_decisive]
    is_known = len(bounds) == len(rates)
    depth = _crossing(values, least_per_s)
    return Reach(
        depth,
        _crossing([(at, low) for at, (low, _) in bounds], least_per_s) if is_known else None,
        _crossing([(at, high) for at, (_, high) in bounds], least_per_s) if is_known else None,
        is_open=depth == values[-1][0],
    )


def reaches(rates: Sequence[tuple[int, Figure]]) -> dict[Level, Reach]:
    """How far decoding is comfortable, and how far usable."""
    limits: tuple[tuple[Level, float], ...] = (
        ("comfortable", COMFORTABLE_TOK_PER_S),
        ("usable", USABLE_TOK_PER_S),
    )
    return {level: reach(rates, least_per_s) for level, least_per_s in limits}


def reach_text(rates: Sequence[tuple[int, Figure]]) -> str:
    """
    How far decoding is what, half a sentence: "comfortable up to a depth of about 12000 (11000 to
    14000), usable up to 40000, the deepest".
    """
    found = {level: it for level, it in reaches(rates).items() if it.depth is not None}
    deepest = rates[-1][0]
    if not found:
        return f"slow at every depth up to {deepest}"
    parts = []
    for level, it in found.items():
        if it.is_open:
            parts.append(f"{level} up to a depth of {deepest}, the deepest")
            break
        parts.append(f"{level} up to a depth of about {_rounded(it.depth)}{_bounds(it)}")
    else:
        parts.append("slow behind that")
    return ", ".join(parts)


def _bounds(reach: Reach) -> str:
    if reach.low is None or reach.high is None or _rounded(reach.low) == _rounded(reach.high):
        return ""
    return f" ({_rounded(reach.low)} to {_rounded(reach.high)})"


def _rounded(depth: float | None) -> str:
    """To two digits: no curve of a few points tells more."""
    whole = round(depth or 0)
    return str(round(whole, 2 - len(str(whole))))


def _crossing(rates: Sequence[tuple[int, float]], least_per_s: float) -> float | None:
    """Where the first rate below it is met; the last depth where there is none."""
    if rates[0][1] < least_per_s:
        return None
    for (shallow, above), (deep, below) in pairwise(rates):
        if below < least_per_s:
            # Seconds a token are linear in the depth, so tokens a second are not.
            share = (1 / least_per_s - 1 / above) / (1 / below - 1 / above) if below > 0 else 0.0
            return shallow + share * (deep - shallow)
    return float(rates[-1][0])


def _places(task: Workload) -> list[tuple[str, Phase, int, str]]:
    """Of which work, of which phase, at which depth, and by which metric; nothing of others."""
    match task:
        case Decode() | ParallelDecode():
            return [(task.behind(0).name, "decode", task.depth, "tok_per_s")]
        case Prefill() | ParallelPrefill():
            return [(task.behind(0).name, "prefill", task.depth, "tok_per_s")]
        case Exchange():
            # Its own prompt is what it writes behind.
            return [(f"tg{task.n_out}", "decode", task.n, "decode_tok_per_s")]
        case _:
            return []


def _predicted(group: Measured, workload: str) -> Figure | None:
    experiment = group.experiment
    settings = experiment.plan.settings

    def is_of(it: StoredPrediction) -> bool:
        return (it.model, it.workload, it.component) == (group.model.key, workload, "tok_per_s")

    found = (it for it in experiment.predictions if is_of(it))
    return next((it.figure for it in found if settings[it.settings_index] == group.settings), None)
