"""Models of the catalogue made small, as headers with no weights behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.models.catalog.catalog import load_catalog
from harness.models.gguf.header import read_header
from harness.models.gguf.part import HeaderPart
from harness.models.headers import local_headers
from harness.models.model import FoundHeaders
from harness.models.shape.header import write_shape_header


def small_shape(folder: Path, reference: str, **shape: Any) -> Path:
    """The entry's header with another `shape`, and a hole where its weights would be."""
    entry = load_catalog().find(reference)
    assert entry.spec.shape is not None
    changed = entry.spec.shape.model_copy(update=shape)
    path = folder / f"{entry.spec.name}.gguf"
    write_shape_header(entry.spec.model_copy(update={"shape": changed}), entry.variant, path)
    with path.open("r+b") as file:
        end = read_header(file, 1 << 62, path.name).data_end
        file.truncate(end)
    return path


def as_if_remote(path: Path) -> FoundHeaders:
    """The headers of the model at `path` as they come from a hub: without a file behind them."""
    found = local_headers(path, path.name)
    parts = tuple(
        HeaderPart(part.file_name, part.n_bytes, part.header, part.data) for part in found.parts
    )
    return FoundHeaders(found.file, parts, "hub", "owner/repo at 01234567")
