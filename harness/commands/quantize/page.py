"""What a model's quantizations came to, as a page."""

from __future__ import annotations

import shlex

from harness import units
from harness.commands.quantize.quantize import Made, QuantizeResult, State
from harness.models.quantization_sets import quantization_set_folder
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
    Column(None, "model"),
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
    paths = tuple(
        f"{each.name}  {each.path(source)}" if each.name else str(each.path(source))
        for each in result.made
        if each.is_here
    )
    return (
        *notes(head),
        table,
        *notes([text for each in result.made if (text := _note(each))]),
        *((Note(paths, is_whole=True),) if paths else ()),
    )


def hint(result: QuantizeResult) -> Page:
    """What to do with them."""
    model, _, quantization = result.source.model.key.rpartition(":")
    if not model or not quantization or not any(each.is_here for each in result.made):
        return ()
    is_usual = result.folder == quantization_set_folder(result.source.set_name)
    folder = "" if is_usual else f" --dir {shlex.quote(str(result.folder))}"
    return notes(f"Next: `harness frontier {model} --measure{folder}` sets them side by side.")


def _row(source: QuantizationSource, made: Made) -> tuple[Cell, ...]:
    word, planned = _WORDS.get(made.state, made.state), made.planned
    n_bytes, bits = planned.n_bytes, planned.bits_per_weight
    if made.state == "source":
        n_bytes, bits = source.model.file.n_bytes, source.bits_per_weight
    sizes: tuple[Cell, ...] = (None, None)
    if not made.is_failure:
        sizes = (n_bytes, bits)
    path = made.path(source)
    return planned.file_type, *sizes, word, made.state, made.message, path, made.name


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
