"""What serving a model costs, as a page: four rates of one decode as a picture, and tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from harness import units
from harness.analysis.comparison import ComparedFigure
from harness.analysis.metrics import METRICS
from harness.analysis.serving_cost import ServingCost, Stage, StageName, serving_costs
from harness.analysis.stats.ratio import CONFIDENCE, Comparison
from harness.report.cells import NOTHING
from harness.report.marks import bounded, figure_text
from harness.report.page import Cell, Column, Facts, Page, Table, explanation, notes
from harness.report.picture import Axis, Mark, Picture
from harness.report.ratios import ratio_of, verdict_word
from harness.report.scope import Scope
from harness.schema.figure import Figure

_INTERVAL = f"{CONFIDENCE * 100:.0f} % interval"
_STAGES = (
    Column("decode"),
    Column("in"),
    Column("tok/s", align="right", interval="95 % interval"),
    Column("to the one above", align="right", interval=_INTERVAL),
    Column("n", align="right"),
)
_FIGURES = (
    Column("figure"),
    Column("in process", align="right"),
    Column("served", align="right"),
    Column("ratio", align="right", interval=_INTERVAL),
    Column("served is"),
)
_NAMES: dict[StageName, str] = {
    "engine": "engine alone",
    "chat": "engine's chat",
    "server": "server's clock",
    "received": "as received",
}
# More than what a prompt of a chosen length may be off, on both sides.
_PROMPT_RATIO = 0.05
# What is called one thing here may have been measured as one or the other metric.
_OF_THE_PROCESS = (
    ("start", ("load_warm", "load", "load_cold", "first_answer")),
    ("peak memory", ("peak",)),
)
_EXPLAINED = (
    "Engine alone: raw decode steps, as llama-bench counts them. Engine's chat: text in and out of "
    "this process, with the model's template and a sampler. Server's clock: what the server says "
    "of the same request. As received: tokens after the first / the time from the first event that "
    "the client gets to the last.",
    "Ratios of served to in process are geometric means over the rounds that both have; each round "
    "has a fresh process of the engine and a fresh server. Start: of the engine's process until "
    "its first context is ready, of the server until it has answered for the first time.",
)


def serving_page(scope: Scope) -> Page:
    """What serving costs on a machine: in words, the rates as a picture, and tables; or nothing."""
    costs = serving_costs([shown.group for shown in scope.shown])
    pictures = tuple(_picture(scope, index, it) for index, it in enumerate(costs) if it.stages)
    formulas = explanation(serving_formulas(costs))
    return (*notes(*serving_answer(costs)), *pictures, *serving_parts(costs), *formulas)


def serving_parts(costs: Sequence[ServingCost]) -> Page:
    """For each: who served, the rates one below the other, the figures of both, what they hold."""
    return tuple(part for cost in costs for part in _parts(cost))


def serving_formulas(costs: Sequence[ServingCost]) -> tuple[str, ...]:
    """What the figures of those parts are; nothing without any."""
    return _EXPLAINED if costs else ()


def serving_answer(costs: Sequence[ServingCost]) -> tuple[str, ...]:
    """What serving costs, a sentence for each; nothing where none was measured."""
    return tuple(filter(None, map(_answer, costs)))


def _answer(cost: ServingCost) -> str:
    ratio = cost.decode
    if ratio is None:
        return ""
    local, served = map(units.significant, ratio.means)
    head = f"{cost.local.model.key}: {served} tok/s served, {local} tok/s in process"
    raw = next((it for it in cost.stages if it.name == "engine"), None)
    alone = f" The engine alone: {units.significant(raw.tok_per_s.value)} tok/s." if raw else ""
    return f"{head}; {_cost(ratio)}.{alone}"


def _cost(ratio: Comparison) -> str:
    """What that is, in words: never more than the interval allows."""
    n_rounds = units.counted(ratio.n, "round")
    if not math.isfinite(ratio.high):
        return f"{n_rounds} cannot tell a difference ({units.factor(ratio.ratio)})"
    bounds = f"{units.factor(ratio.low)} to {units.factor(ratio.high)}, {n_rounds}"
    match ratio.verdict:
        case "worse":
            return f"serving costs {units.percent(1 - ratio.ratio)} of decode ({bounds})"
        case "better":
            return f"the server is {units.percent(ratio.ratio - 1)} faster ({bounds})"
        case "same":
            return f"serving costs less than {units.percent(ratio.threshold)} of decode ({bounds})"
        case _:
            return f"whether that differs cannot be told yet ({bounds})"


def _picture(scope: Scope, index: int, cost: ServingCost) -> Picture:
    marks = [
        Mark(
            x=stage.tok_per_s.value,
            y=_NAMES[stage.name],
            label=f"{_NAMES[stage.name]}, {stage.workload}: {figure_text(stage.tok_per_s)}",
            low=stage.tok_per_s.low,
            high=stage.tok_per_s.high,
        )
        for stage in cost.stages
    ]
    return Picture(
        title=scope.title(f"What serving costs {cost.local.model.key}, decoding"),
        name=scope.file_name(f"serving-{index + 1}"),
        drawing="intervals",
        marks=tuple(bounded(marks)),
        x=Axis("tok/s", includes_zero=True),
        y=Axis("", order=tuple(_NAMES.values())),
    )


def _parts(cost: ServingCost) -> Page:
    title = f"What serving costs: {cost.local.model.key}, {cost.workload}"
    figures = tuple(_figure_rows(cost))
    return (
        Facts(
            (
                ("in process", cost.local.engine.title),
                ("served by", cost.served.engine.title),
                ("prompt", _prompts(cost)),
            ),
            title=title,
        ),
        *((Table(_STAGES, tuple(map(_stage_row, cost.stages))),) if cost.stages else ()),
        *((Table(_FIGURES, figures),) if figures else ()),
        *notes(list(_notes(cost))),
    )


def _prompts(cost: ServingCost) -> str:
    """How long it was on both sides: the template and the digits at its begin are a server's."""
    local, served = cost.n_prompts
    if local is None or served is None:
        return ""
    return f"{local} tokens in process, {served} served"


def _stage_row(stage: Stage) -> tuple[Cell, ...]:
    step = ratio_of(stage.step) if stage.step else NOTHING
    return _NAMES[stage.name], stage.workload, stage.tok_per_s, step, stage.tok_per_s.n


def _figure_rows(cost: ServingCost) -> Iterator[tuple[Cell, ...]]:
    for figure in (it for it in cost.figures if it.a or it.b):
        yield METRICS[figure.metric].label, figure.a, figure.b, *_judged(figure)
    for name, metrics in _OF_THE_PROCESS:
        found = [_first(side.metrics, metrics) for side in (cost.local, cost.served)]
        if all(found):
            # Of a server all that it keeps besides, of a process all its contexts: no ratio.
            yield name, *found, NOTHING, ""


def _first(figures: Mapping[str, Figure], metrics: Sequence[str]) -> Figure | None:
    return next((figures[metric] for metric in metrics if metric in figures), None)


def _judged(figure: ComparedFigure) -> tuple[Cell, Cell]:
    if figure.comparison is None:
        return NOTHING, "" if figure.a and figure.b else figure.note
    return ratio_of(figure.comparison), verdict_word(figure.metric, figure.comparison)


def _notes(cost: ServingCost) -> Iterator[str]:
    """What the ratio holds beside serving."""
    if not cost.is_same_build:
        yield (
            "The server is another build of llama.cpp than the engine, so the step to it holds "
            "what both builds differ by; --server-binary with a llama-server of the engine's "
            "commit leaves serving alone."
        )
    if lacking := cost.lacking_features:
        yield (
            f"The server was built without {', '.join(lacking)}, which the engine uses: that is in "
            "the step to it too."
        )
    local, served = cost.n_prompts
    if local and served and abs(served / local - 1) > _PROMPT_RATIO:
        much = units.percent(abs(served / local - 1))
        word = "longer" if served > local else "shorter"
        yield (
            f"The served prompt is {much} {word}, by its template and the digits at its begin: "
            "time to first token holds that too, and pp512+tg128 has prompts of one length."
        )
    lacks = [side.lack(cost.workload) for side in (cost.local, cost.served)]
    for side, lack in zip((cost.local, cost.served), lacks, strict=True):
        if cost.decode is None and not side.figures(cost.workload):
            yield f"{side.model.key} {lack.why}"
