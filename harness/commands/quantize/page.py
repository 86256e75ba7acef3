"""What a model's quantizations came to, as a page and as JSON."""

from __future__ import annotations

from typing import Any

from harness import units
from harness.commands.quantize.quantize import Made, QuantizeResult, State
from harness.models.quantizations import QuantizationSource
from harness.report.page import Cell, Column, Note, Page, Table, notes

_WORDS: dict[State, str] = {
    "planned": "would be written",
    "kept": "kept: it was there",
    "source": "the source itself",
}
_COLUMNS = (
    Column("type", "quantization"),
    Column("size", "n_bytes", "right", unit="file bytes"),
    Column("bits/weight", "bits_per_weight", "right"),
    Column(""),
    Column(None, "state"),
    Column(None, "message"),
    Column(None, "path"),
)


def page(result: QuantizeResult) -> Page:
    """What was made from what, a row a file, then what to know of them, then where they lie."""
    source = result.source
    head = (
        f"{source.model.key} · {source.quantization} · "
        f"{units.file_size(source.model.file.n_bytes)} · "
        f"{units.significant(source.bits_per_weight)} bits per weight"
    )
    table = Table(_COLUMNS, tuple(_row(source, each) for each in result.made))
    paths = tuple(str(each.path(source)) for each in result.made if each.is_here)
    return (
        *notes(head),
        table,
        *notes([text for each in result.made if (text := _note(each))]),
        *((Note(paths, is_whole=True),) if paths else ()),
    )


def document(result: QuantizeResult) -> dict[str, Any]:
    """The JSON document of `harness quantize`."""
    source = result.source
    return {
        "schema": 1,
        "source": {
            "model": source.model.key,
            "path": str(source.model.weights),
            "quantization": source.quantization,
            "n_bytes": source.model.file.n_bytes,
            "bits_per_weight": source.bits_per_weight,
            "is_quantized": source.is_quantized,
            "sha256": source.sha256,
        },
        "folder": str(result.folder),
        "files": [_entry(source, each) for each in result.made],
    }


def _row(source: QuantizationSource, made: Made) -> tuple[Cell, ...]:
    word, planned = _WORDS.get(made.state, made.state), made.planned
    n_bytes, bits = planned.n_bytes, planned.bits_per_weight
    if made.state == "source":
        n_bytes, bits = source.model.file.n_bytes, source.bits_per_weight
    sizes: tuple[Cell, ...] = (None, None)
    if not made.is_failure:
        sizes = (n_bytes, bits)
    return planned.file_type, *sizes, word, made.state, made.message, made.path(source)


def _note(made: Made) -> str:
    planned = made.planned
    if made.is_failure:
        return f"{planned.file_type}: {made.message}"
    if made.state != "source" and planned.n_fallback:
        return (
            f"{planned.file_type}: {planned.n_fallback} of {len(planned.types)} tensors got "
            "another type than the mix wants, since their rows are no multiple of its block."
        )
    return ""


def _entry(source: QuantizationSource, made: Made) -> dict[str, Any]:
    planned, path = made.planned, made.path(source)
    is_source = made.state == "source"
    return {
        "quantization": planned.file_type,
        "state": made.state,
        "message": made.message or None,
        "path": str(path) if path else None,
        "n_bytes": path.stat().st_size if path and (made.is_here or is_source) else None,
        "n_bytes_planned": planned.n_bytes,
        "bits_per_weight": source.bits_per_weight if is_source else planned.bits_per_weight,
        "n_tensors": len(planned.types),
        "n_tensors_fallback": planned.n_fallback,
        "requantized_from": source.quantization if source.is_quantized and not is_source else None,
    }
