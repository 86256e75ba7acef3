"""All layouts of the catalogue as the document that the harness carries, and its bytes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.models.catalog.catalog import Catalog, Entry, parse_catalog
from harness.models.gguf.layouts import LAYOUTS_SCHEMA, Layout
from tools.catalogue.architectures.blueprint import ShapeUnknown
from tools.catalogue.shapes import layout_of, require_agreement

_MODELS = Path(__file__).resolve().parents[2] / "models.yaml"


def shipped_catalog() -> Catalog:
    """The catalogue that comes with the harness, whatever the user's own may say."""
    return parse_catalog(_MODELS.read_text("utf-8"), _MODELS.name)


@dataclass(frozen=True)
class Collected:
    """Layouts by their entries, and why the others have none, by their keys."""

    layouts: list[tuple[Entry, Layout]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def collect(catalog: Catalog, copies: Mapping[str, Layout]) -> Collected:
    """
    The layout of every variant of `catalog`: its file's own if `copies` has it, else its shape's.

    Args:
        catalog: What to lay out.
        copies: Layouts of true headers, by "name:QUANTIZATION".

    Raises:
        ModelInvalid: A shape contradicts the size of its file.
    """
    found = Collected()
    for entry in catalog.entries():
        if copy := copies.get(entry.key):
            found.layouts.append((entry, copy))
            continue
        try:
            layout = layout_of(entry.spec, entry.variant)
        except ShapeUnknown as error:
            found.missing[entry.key] = str(error)
            continue
        require_agreement(entry, layout)
        found.layouts.append((entry, layout))
    return found


def document_of(layouts: Iterable[tuple[Entry, Layout]]) -> dict[str, Any]:
    """What the file says; harness/models/gguf/layouts.py reads it."""
    models: dict[str, Any] = {}
    for entry, layout in layouts:
        model = models.setdefault(
            layout.model, {"architecture": layout.architecture, "tables": [], "variants": {}}
        )
        shapes = {name: list(shape) for name, shape in layout.shapes.items()}
        table = {"keys": dict(layout.keys), "tensors": shapes}
        if table not in model["tables"]:
            model["tables"].append(table)
        model["variants"][entry.variant.quantization] = {
            "source": entry.source_name,
            "origin": layout.origin,
            "file_type": layout.file_type,
            "is_stand_in": layout.is_stand_in,
            "table": model["tables"].index(table),
            "types": " ".join(layout.types[name] for name in layout.shapes),
        }
    return {"schema": LAYOUTS_SCHEMA, "models": models}


def packed(document: Mapping[str, Any]) -> bytes:
    """The document compressed; the same bytes from the same document, with one zlib."""
    # Tensors keep their order, which is the file's; models and variants that of the catalogue.
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)
