"""From what was measured of several quantizations to the figures and comparisons of a frontier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from harness.analysis.comparison import compare
from harness.analysis.frontier.criteria import CRITERIA, Criterion
from harness.analysis.measured import Measured
from harness.analysis.stats.ratio import Comparison
from harness.schema.figure import Figure
from harness.schema.workload import Decode, Prefill, parse_workload
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import Chat


@dataclass(frozen=True, slots=True)
class SpeedWorkloads:
    """Which workloads stand for decoding, prefilling and chatting; None where none was measured."""

    decode: str | None
    prefill: str | None
    chat: str | None

    @property
    def criteria(self) -> dict[tuple[str, str], Criterion]:
        """Workload and metric to the criterion they are, for all that was measured."""
        of_role = {"decode": self.decode, "prefill": self.prefill, "chat": self.chat, None: ""}
        return {
            (workload, row.metric.name): row
            for row in CRITERIA.values()
            if row.metric and row.metric.topic != "quality"
            if (workload := of_role[row.role]) is not None
        }


def speed_workloads(sides: Iterable[Measured]) -> SpeedWorkloads:
    """The workloads that most sides have; of several an empty cache, then the plainest name."""
    counts: Counter[Workload] = Counter()
    for side in sides:
        counts.update(map(parse_workload, side.workloads))

    def best(kind: type[Workload]) -> str | None:
        ours = [workload for workload in counts if isinstance(workload, kind)]
        chosen = min(ours, key=lambda it: (-counts[it], it.depth, it.n_ctx), default=None)
        return chosen.name if chosen else None

    return SpeedWorkloads(best(Decode), best(Prefill), best(Chat))


@dataclass(frozen=True, slots=True)
class SpeedFigures:
    """What was measured of one side; `reason_missing` says why there is nothing."""

    figures: Mapping[str, Figure]
    n_runs: int
    reason_missing: str | None = None


def speed_figures(side: Measured, workloads: SpeedWorkloads) -> SpeedFigures:
    """The figures of one side, over its clean trials."""
    figures: dict[str, Figure] = {}
    for (workload, name), criterion in workloads.criteria.items():
        figure = side.figures(workload).get(name)
        if figure is not None:
            figures[criterion.name] = counted(figure) if criterion.is_counted else figure
    reason_missing = None
    if "decode" not in figures:
        failed = [case.outcome for case in side.cases if case.outcome.status == "failed"]
        reason_missing = next((it.message or it.reason for it in failed), None)
    return SpeedFigures(figures, side.n_runs, reason_missing)


def counted(figure: Figure) -> Figure:
    """A size that the engine itself tells: the same in every Run is exact, however few they are."""
    return replace(figure, kind="exact") if figure.low == figure.high else figure


def speed_pairs(
    sides: Mapping[str, Measured], workloads: SpeedWorkloads
) -> dict[tuple[str, str], dict[str, Comparison]]:
    """Every two sides compared, round by round where they were measured side by side."""
    found: dict[tuple[str, str], dict[str, Comparison]] = {}
    for a, b in combinations(sides, 2):
        compared = {
            workloads.criteria[it.workload, it.metric].name: it.comparison
            for it in compare(sides[a], sides[b])
            if it.comparison is not None and (it.workload, it.metric) in workloads.criteria
        }
        found[a, b] = compared
    return found
