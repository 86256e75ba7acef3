"""Whether models will run here, in a sentence each: the first thing that `harness fit` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness import units
from harness.analysis import verdict
from harness.analysis.depth_curve import reach_text
from harness.analysis.device_memory import Fits
from harness.analysis.verdict_predicted import DECODE, PROMPT, figure_of
from harness.commands.fit.fit import FitResult
from harness.commands.fit.speeds import PredictedSpeed
from harness.measure.memory import ContextFit, ModelFit, shortage
from harness.report.cells import bounds_of
from harness.schema.figure import Figure
from harness.schema.model_kind import MODEL_KINDS
from harness.schema.workload import Decode, parse_workload

_HOW: dict[Fits | None, str] = {
    "yes": "fits into what is free now",
    "when-freed": "fits once other programs are closed",
    "split": "fits only with a part of it in system memory",
    "no": "does not fit",
}
_COUNTED: dict[Fits, str] = {
    "yes": "fit",
    "when-freed": "would once other programs are closed",
    "split": "with a part in system memory",
    "no": "do not",
}


def answers(result: FitResult) -> Iterator[str]:
    """A sentence for each model, or one for the whole catalogue."""
    if result.is_overview:
        if result.fits:
            yield _overview([fit for fit, _ in result.fits])
        return
    for fit, speeds in result.fits:
        yield _answer(fit, speeds)


def _answer(fit: ModelFit, speeds: Sequence[PredictedSpeed]) -> str:
    """Whether it fits where verdicts are given, how far that reaches, and how fast it will be."""
    context, key = _judged(fit), fit.found.key
    if context is None or context.need is None:
        return f"{key}: no context of it can be planned, see below."
    where = f"{key} {_HOW[context.fits]} with {context.context.request.n_ctx} positions"
    if context.fits != "yes":
        why = shortage(context.need, fit.capacity)
        return f"{where}: {why}." if why else f"{where}."
    largest = max((each.n_ctx or 0 for each in fit.largest), default=0)
    reach = f", and with up to {largest}" if largest > context.context.request.n_ctx else ""
    kind = fit.found.file.kind
    if kind != "generates":
        return f"{where}{reach}; it is {MODEL_KINDS[kind].text}, on which there is no verdict."
    decode = _figure(speeds, DECODE.name, f"at {DECODE.depth} positions")
    ttft = _figure(speeds, PROMPT.name, f"after a prompt of {PROMPT.n_prompt} tokens")
    if decode is None:
        most = next((f", but {it.bound} tok/s" for it in speeds if fit.settings.rpc), "")
        return f"{where}{reach}; how fast it will be cannot be told{most}."
    judged = verdict.by_speed(decode, ttft, "predicted")
    said = judged.sentence(f"{where}{reach}; it")
    rates = list(_rates(speeds))
    return f"{said} Decoding will be {reach_text(rates)}." if len(rates) > 1 else said


def _rates(speeds: Sequence[PredictedSpeed]) -> Iterator[tuple[int, Figure]]:
    """What is predicted of decoding, by depth."""
    for each in speeds:
        task = parse_workload(each.figure.workload)
        figure = figure_of(each.figure)
        if isinstance(task, Decode) and figure is not None:
            yield task.depth, figure


def _judged(fit: ModelFit) -> ContextFit | None:
    """The context that verdicts are about, or the nearest that was planned."""
    planned = [each for each in fit.contexts if each.fits]
    if not planned:
        return None

    def distance(each: ContextFit) -> tuple[int, int]:
        return abs(each.context.request.n_ctx - verdict.DEPTH), each.total_bytes

    return min(planned, key=distance)


def _figure(speeds: Sequence[PredictedSpeed], workload: str, when: str) -> Figure | None:
    """What is predicted of a workload, which says itself where it lies and when that is so."""
    told = next((each.figure for each in speeds if each.figure.workload == workload), None)
    figure = figure_of(told) if told else None
    return replace(figure, source=f"{bounds_of(figure)} {when}") if figure else None


def _overview(fits: Sequence[ModelFit]) -> str:
    counts = Counter(each.fits for fit in fits if (each := _judged(fit)))
    parts = [f"{counts[how]} {text}" for how, text in _COUNTED.items() if counts[how]]
    refused = len(fits) - counts.total()
    parts += [f"{refused} cannot be planned"] if refused else []
    free = units.memory_size(fits[0].capacity.fast_bytes)
    return f"Of {len(fits)} that can be laid out, into {free} that are free: {', '.join(parts)}."
