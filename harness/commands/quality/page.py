"""Quality results as tables, flat figures and one JSON document."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from harness import units
from harness.analysis.metrics import METRICS, Metric
from harness.analysis.quality import Quality, figures_of
from harness.measure.scoring import ScoreFailure
from harness.report.text import harmless, wrapped
from harness.schema.experiment import ModelFile
from harness.schema.figure import Figure
from harness.schema.quality import QualityRecord, TextFacts

_HEADER = ("", "value", "±", "95 % over chunks")
_FLAT = (
    *("model", "quantization", "reference", "metric", "unit", "value", "error", "low", "high"),
    *("n_chunks", "n_scored", "outcome"),
)


@dataclass(frozen=True)
class QualityResult:
    """One record, what is derived from it (None where it has no figures), where it is kept."""

    record: QualityRecord
    quality: Quality | None
    path: Path


def quality_text(
    text: TextFacts,
    results: Sequence[QualityResult],
    failures: Sequence[ScoreFailure],
    table_format: str,
) -> str:
    """The results in `table_format`; "plain" fits 80 columns."""
    if table_format in ("csv", "tsv"):
        return _flat(results, failures, "," if table_format == "csv" else "\t")
    if table_format == "github":
        return _github(text, results, failures)
    lines: list[str] = []
    for result in results:
        lines += [*wrapped(harmless(_heading(result))), ""]
        if result.quality:
            lines += _table(result.quality)
        if note := _note(result):
            lines += wrapped(harmless(note))
        lines.append("")
    for failure in failures:
        lines += [*wrapped(harmless(f"{failure.model}: {failure.message}")), ""]
    for sentence in _legend(text, results):
        lines += wrapped(harmless(sentence))
    return "\n".join(lines).rstrip()


def quality_document(
    text: TextFacts, results: Sequence[QualityResult], failures: Sequence[ScoreFailure]
) -> dict[str, Any]:
    """Everything that was found, ready for `json.dumps`."""
    return {
        "schema": 1,
        "text": text.model_dump(mode="json"),
        "results": [_entry(result) for result in results],
        "failures": [asdict(failure) for failure in failures],
    }


def _entry(result: QualityResult) -> dict[str, Any]:
    record, quality = result.record, result.quality
    return {
        "quality": record.id,
        "started_at": record.started_at,
        "stored": str(result.path),
        "machine": record.machine.id,
        "model": _file(record.model),
        "reference": _file(record.reference) if record.reference else None,
        "settings": record.settings.model_dump(mode="json"),
        "tokenization": record.tokenization.model_dump(mode="json"),
        "n_ctx": record.n_ctx,
        "n_chunks_planned": record.n_chunks_planned,
        "n_chunks": quality.n_chunks if quality else len(record.chunks),
        "n_scored": quality.n_scored if quality else None,
        "is_spilled": record.is_spilled,
        "outcome": {
            "status": record.outcome.status,
            "reason": record.outcome.reason,
            "message": record.outcome.message,
        },
        "figures": {
            name: {
                "value": figure.value,
                "error": figure.standard_error,
                "low": figure.low,
                "high": figure.high,
                "unit": figure.unit,
            }
            for name, figure in _figures(quality)
        },
    }


def _file(file: ModelFile) -> dict[str, Any]:
    return {
        "model": file.key,
        "quantization": file.quantization,
        "n_bytes": file.n_bytes,
        "file": {"name": file.file_name, "sha256": file.sha256},
    }


def _figures(quality: Quality | None) -> list[tuple[str, Figure]]:
    return list(figures_of(quality).items()) if quality else []


def _heading(result: QualityResult) -> str:
    record, quality = result.record, result.quality
    parts = [_title(record.model)]
    if record.reference:
        parts.append(f"against {_title(record.reference)}")
    if quality:
        parts.append(f"{quality.n_chunks} chunks, {quality.n_scored} tokens scored")
    return "; ".join(parts)


def _title(file: ModelFile) -> str:
    return f"{file.key} · {file.quantization} · {units.file_size(file.n_bytes)}"


def _note(result: QualityResult) -> str:
    record, quality = result.record, result.quality
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


def _cells(metric: Metric, figure: Figure, *, is_first: bool) -> tuple[str, ...]:
    def shown(value: float, digits: int = metric.n_digits) -> str:
        is_share = metric.unit == "ratio"
        return units.percent(value) if is_share else units.significant(value, digits)

    error = "" if figure.standard_error is None else shown(figure.standard_error, 3)
    return _label(metric, is_first=is_first), shown(figure.value), error, _interval(figure, shown)


def _rows(quality: Quality) -> list[tuple[str, ...]]:
    """A line for each figure; those of one label stand below it by what tells them apart."""
    figures = figures_of(quality)
    firsts = {METRICS[name].label: name for name in reversed(figures)}
    return [
        _cells(METRICS[name], figure, is_first=firsts[METRICS[name].label] == name)
        for name, figure in figures.items()
    ]


def _label(metric: Metric, *, is_first: bool) -> str:
    if is_first:
        return ", ".join(filter(None, (metric.label, metric.detail)))
    return f"  {metric.detail}"


def _interval(figure: Figure, shown: Any) -> str:
    if figure.low is None and figure.high is None:
        return "–"
    if figure.high is None:
        return f"from {shown(figure.low)}"
    if figure.low is None:
        return f"up to {shown(figure.high)}"
    return f"{shown(figure.low)} – {shown(figure.high)}"


def _table(quality: Quality) -> list[str]:
    text = tabulate(
        _rows(quality),
        headers=_HEADER,
        tablefmt="simple",
        disable_numparse=True,
        colalign=("left", "right", "right", "left"),
        preserve_whitespace=True,
    )
    return [line.rstrip() for line in text.splitlines()]


def _legend(text: TextFacts, results: Sequence[QualityResult]) -> list[str]:
    size = units.file_size(text.n_bytes)
    lines = [f"Text: {text.name}, {size}, sha256 {text.sha256[:12]}."]
    if results:
        n_ctx = results[0].record.n_ctx
        lines[0] += f" Chunks of {n_ctx} tokens, of which the second half is scored."
    if not any(result.quality for result in results):
        return lines
    lines.append(
        "±: one standard error, every token counted as independent, as llama-perplexity prints it. "
        "The interval takes each chunk for one value."
    )
    if any(result.record.reference for result in results):
        lines.append(
            "Divergences in nats, from the reference. They tell how far a model is from its "
            "reference, not how good either is."
        )
    if any(result.record.is_spilled for result in results):
        lines.append(
            "The models did not share the memory: the reference's probabilities went through a "
            "file in half precision."
        )
    return lines


def _github(
    text: TextFacts, results: Sequence[QualityResult], failures: Sequence[ScoreFailure]
) -> str:
    rows: list[tuple[str, ...]] = []
    for result in results:
        name = _markdown(_heading(result))
        rows += [(name, *cells) for cells in (_rows(result.quality) if result.quality else [])]
        if note := _note(result):
            rows.append((name, _markdown(note), "", "", ""))
    rows += [(_markdown(it.model), _markdown(it.message), "", "", "") for it in failures]
    table = tabulate(rows, headers=("model", *_HEADER), tablefmt="github", disable_numparse=True)
    notes = [f"- {_markdown(line)}" for line in _legend(text, results)]
    return "\n".join([table, "", *notes])


def _markdown(text: str) -> str:
    return harmless(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _flat(
    results: Sequence[QualityResult], failures: Sequence[ScoreFailure], delimiter: str
) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(_FLAT)
    for result in results:
        record, quality = result.record, result.quality
        about = [
            harmless(record.model.key),
            harmless(record.model.quantization),
            harmless(record.reference.key) if record.reference else "",
        ]
        outcome = harmless(_note(result)) or "ok"
        if quality is None:
            writer.writerow([*about, *[""] * 6, len(record.chunks), "", outcome])
            continue
        counts = [quality.n_chunks, quality.n_scored, outcome]
        for name, it in figures_of(quality).items():
            figure = [it.unit, it.value, it.standard_error, it.low, it.high]
            writer.writerow([*about, name, *figure, *counts])
    for failure in failures:
        writer.writerow([harmless(failure.model), *[""] * 10, harmless(failure.message)])
    return stream.getvalue().rstrip("\n")
