"""Models of the catalogue made small, as headers with no weights behind them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.models.catalog.catalog import load_catalog
from harness.models.find import local_model
from harness.models.gguf.layouts import Layout, shipped_layout
from harness.models.gguf.part import HeaderPart
from harness.models.gguf.write import KeyValue
from harness.models.model import Model

_BLOCK = re.compile(r"blk\.(\d+)\.")


def layout(reference: str) -> Layout:
    """The layout of a name of the catalogue."""
    entry = load_catalog().find(reference)
    variant = entry.variant
    found = shipped_layout(entry.spec.name, variant.quantization, entry.source_name)
    assert found is not None, reference
    return found


def shrunk(whole: Layout, n_layer: int, lengths: Mapping[int, int]) -> Layout:
    """The first `n_layer` layers; each length in `lengths` becomes its value wherever it stands."""

    def key(name: str, value: KeyValue) -> KeyValue:
        if name.endswith(".block_count"):
            return n_layer
        if isinstance(value, list):
            return value[:n_layer]
        return lengths.get(value, value) if type(value) is int else value

    shapes = {
        name: tuple(lengths.get(length, length) for length in shape)
        for name, shape in whole.shapes.items()
        if (match := _BLOCK.match(name)) is None or int(match[1]) < n_layer
    }
    keys = {name: key(name, value) for name, value in whole.keys.items()}
    return replace(whole, keys=keys, shapes=shapes)


def small_stub(folder: Path, reference: str, n_layer: int, lengths: Mapping[int, int]) -> Path:
    """The entry's header, shrunk, and a hole where its weights would be."""
    part = shrunk(layout(reference), n_layer, lengths).part()
    path = folder / part.file_name
    path.write_bytes(part.data)
    with path.open("r+b") as file:
        file.truncate(part.n_bytes)
    return path


def as_if_remote(path: Path) -> Model:
    """The headers of the model at `path` as they come from a hub: without a file behind them."""
    found = local_model(path, path.name)
    parts = tuple(
        HeaderPart(part.file_name, part.n_bytes, part.header, part.data) for part in found.parts
    )
    return Model(found.file, parts, "hub", "owner/repo at 01234567")
