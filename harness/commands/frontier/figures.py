"""From what was measured of several quantizations to the figures and comparisons of a frontier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from harness.analysis.sides import Side, compare_sides
from harness.analysis.stats.ratio import Comparison
from harness.analysis.summary import GroupSummary, summarize
from harness.commands.frontier.dominance import Metric
from harness.schema.figure import Figure
from harness.schema.workload import Chat, Decode, Prefill, Workload, parse_workload


@dataclass(frozen=True, slots=True)
class SpeedWorkloads:
    """Which workloads stand for decoding, prefilling and chatting; None where none was measured."""

    decode: str | None
    prefill: str | None
    chat: str | None

    @property
    def metrics(self) -> dict[tuple[str, str], Metric]:
        """Workload and name of a metric of analysis/formulas.py to what the frontier calls it."""
        named: dict[tuple[str | None, str], Metric] = {
            (self.decode, "tok_per_s"): "decode",
            (self.decode, "joules_per_token"): "joules",
            (self.prefill, "tok_per_s"): "prefill",
            (self.chat, "ttft"): "ttft",
            ("", "need"): "need",
        }
        return {(w, name): metric for (w, name), metric in named.items() if w is not None}


def speed_workloads(sides: Iterable[Side]) -> SpeedWorkloads:
    """The workloads that most sides have; of several an empty cache, then the plainest name."""
    counts: Counter[Workload] = Counter()
    for side in sides:
        counts.update(map(parse_workload, side.experiment.plan.workloads))

    def best(kind: type[Workload]) -> str | None:
        ours = [workload for workload in counts if isinstance(workload, kind)]
        chosen = min(ours, key=lambda it: (-counts[it], it.depth, it.n_ctx), default=None)
        return chosen.name if chosen else None

    return SpeedWorkloads(best(Decode), best(Prefill), best(Chat))


@dataclass(frozen=True, slots=True)
class SpeedFigures:
    """What was measured of one side; `obstacle` says why there is nothing."""

    figures: Mapping[Metric, Figure]
    n_runs: int
    obstacle: str | None = None


def speed_figures(side: Side, workloads: SpeedWorkloads) -> SpeedFigures:
    """The figures of one side, over its clean trials."""
    group = _group(side)
    if group is None:
        return SpeedFigures({}, 0)
    figures: dict[Metric, Figure] = {}
    for (workload, name), metric in workloads.metrics.items():
        figure = _figures(group, workload).get(name)
        if figure is not None:
            figures[metric] = counted(figure) if metric == "need" else figure
    obstacle = None
    if "decode" not in figures:
        failed = [case.outcome for case in group.cases if case.outcome.status == "failed"]
        obstacle = next((it.message or it.reason for it in failed), None)
    return SpeedFigures(figures, group.n_runs, obstacle)


def counted(figure: Figure) -> Figure:
    """A size that the engine itself tells: the same in every Run is exact, however few they are."""
    return replace(figure, kind="exact") if figure.low == figure.high else figure


def speed_pairs(
    sides: Mapping[str, Side], workloads: SpeedWorkloads
) -> dict[tuple[str, str], dict[Metric, Comparison]]:
    """Every two sides compared, round by round where they were measured side by side."""
    found: dict[tuple[str, str], dict[Metric, Comparison]] = {}
    for a, b in combinations(sides, 2):
        compared = {
            workloads.metrics[it.workload, it.metric]: it.comparison
            for it in compare_sides(sides[a], sides[b])
            if it.comparison is not None and (it.workload, it.metric) in workloads.metrics
        }
        found[a, b] = compared
    return found


def _group(side: Side) -> GroupSummary | None:
    groups = summarize(side.experiment, side.runs)
    mine = (it for it in groups if it.model.key == side.model.key and it.settings == side.settings)
    return next(mine, None)


def _figures(group: GroupSummary, workload: str) -> Mapping[str, Figure]:
    if not workload:
        return group.metrics
    return next((case.metrics for case in group.cases if case.workload == workload), {})
