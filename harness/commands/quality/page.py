"""How well models predict a text, as a page."""

from __future__ import annotations

from collections.abc import Iterator

from harness import units
from harness.analysis.metrics import METRICS, Metric
from harness.analysis.quality import figures_of
from harness.commands.quality.quality import QualityResult, ScoredModel
from harness.report.page import Cell, Column, Note, Page, Quantity, Table, notes
from harness.schema.figure import Figure
from harness.schema.model import ModelFile

_COLUMNS = (
    *(Column(None, key) for key in ("model", "quantization", "reference", "metric")),
    Column(""),
    Column("value", "", "right", interval="95 % over chunks"),
    Column("±", "standard_error", "right"),
    *(Column(None, key) for key in ("n_chunks", "n_scored", "outcome")),
)
_UNSEEN = tuple(Column(None, column.key) for column in _COLUMNS)


def page(result: QualityResult) -> Page:
    """A table for each model, what could not be scored, and what the figures mean."""
    return (
        *(table for model in result.models for table in _tables(model)),
        *notes(
            [f"{it.model}: {it.message}" for it in result.failures],
            list(_legend(result)),
        ),
        Table(
            (Column(None, "model"), Column(None, "outcome")),
            tuple((it.model, it.message) for it in result.failures),
        ),
    )


def hint(result: QualityResult) -> Page:
    """Where it is kept."""
    paths = tuple(f"Record: {model.path}" for model in result.models)
    return (Note(paths, is_whole=True),) if paths else ()


def _tables(model: ScoredModel) -> tuple[Table, Table]:
    """The figures of a model; for programs a row too where it has none."""
    record, quality = model.record, model.quality
    reference = record.reference.key if record.reference else None
    about = record.model.key, record.model.quantization, reference
    note = _note(model)
    outcome = note or "ok"
    rows: list[tuple[Cell, ...]] = []
    if quality:
        counts = quality.n_chunks, quality.n_scored, outcome
        rows = [
            (*about, name, label, figure, _error(figure), *counts)
            for name, label, figure in _labelled(figures_of(quality))
        ]
    empty = (*about, None, None, None, None, len(record.chunks), None, outcome)
    return (
        Table(_COLUMNS, tuple(rows), _heading(model), (note,) if note else ()),
        Table(_UNSEEN, () if quality else (empty,)),
    )


def _labelled(figures: dict[str, Figure]) -> Iterator[tuple[str, str, Figure]]:
    """Each figure with its label; those of one label stand below it by what tells them apart."""
    firsts = {METRICS[name].label: name for name in reversed(figures)}
    for name, figure in figures.items():
        metric = METRICS[name]
        yield name, _label(metric, is_first=firsts[metric.label] == name), figure


def _label(metric: Metric, *, is_first: bool) -> str:
    if is_first:
        return ", ".join(filter(None, (metric.label, metric.detail)))
    return f"  {metric.detail}"


def _error(figure: Figure) -> Quantity | None:
    if figure.standard_error is None:
        return None
    return Quantity(figure.standard_error, figure.unit)


def _heading(model: ScoredModel) -> str:
    record, quality = model.record, model.quality
    parts = [_title(record.model)]
    if record.reference:
        parts.append(f"against {_title(record.reference)}")
    if quality:
        parts.append(
            f"{units.counted(quality.n_chunks, 'chunk')}, {quality.n_scored} tokens scored"
        )
    return "; ".join(parts)


def _title(file: ModelFile) -> str:
    return f"{file.key} · {file.quantization} · {units.file_size(file.n_bytes)}"


def _note(model: ScoredModel) -> str:
    record, quality = model.record, model.quality
    n, planned = len(record.chunks), record.n_chunks_planned
    if record.outcome.status == "failed":
        what = record.outcome.message or record.outcome.reason or "unknown"
        word = "" if record.outcome.reason == "interrupted" else "failed: "
        return f"{word}{what}; {n} of {planned} chunks were complete and are kept."
    if quality and quality.n_chunks < n:
        return f"{n} chunks were scored; shown are those that all of these models have."
    if n < planned:
        return f"{n} of {planned} chunks, then the time was spent; --budget gives more."
    return ""


def _legend(result: QualityResult) -> Iterator[str]:
    text, models = result.text, result.models
    chunks = ""
    if models:
        n_ctx = models[0].record.n_ctx
        chunks = f" Chunks of {n_ctx} tokens, of which the second half is scored."
    size = units.file_size(text.n_bytes)
    yield f"Text: {text.name}, {size}, sha256 {text.sha256[:12]}.{chunks}"
    if not any(model.quality for model in models):
        return
    yield (
        "±: one standard error, every token counted as independent, as llama-perplexity prints it. "
        "The interval takes each chunk for one value."
    )
    if any(model.record.reference for model in models):
        yield (
            "Divergences in nats, from the reference. They tell how far a model is from its "
            "reference, not how good either is."
        )
    if any(model.record.is_spilled for model in models):
        yield (
            "The models did not share the memory: the reference's probabilities went through a "
            "file in half precision."
        )
