"""Layouts that are copies of a true header: of a file of the hub, at a commit."""

from __future__ import annotations

from harness.models.catalog.catalog import Catalog
from harness.models.find import find
from harness.models.gguf.header import Header
from harness.models.gguf.layouts import LAYOUTS_FILE, SHAPE, Layout, shipped_layout
from harness.models.gguf.tensor_types import FILE_TYPES
from harness.models.gguf.write import KeyValue


def shipped_copies(catalog: Catalog) -> dict[str, Layout]:
    """Those that the harness carries now, by "name:QUANTIZATION"."""
    if not LAYOUTS_FILE.exists():
        return {}
    found = {}
    for entry in catalog.entries():
        variant = entry.variant
        layout = shipped_layout(entry.spec.name, variant.quantization, entry.source_name)
        if layout is not None and layout.origin != SHAPE:
            found[entry.key] = layout
    return found


def header_copy(key: str, catalog: Catalog) -> Layout:
    """
    The layout of the file that the hub has for "name:QUANTIZATION" now.

    Raises:
        HarnessError: No such variant, or its header cannot be had.
    """
    found = find(key, catalog=catalog)
    assert found.spec is not None
    return layout_of_header(found.spec.name, found.headers, found.source)


def layout_of_header(model: str, headers: tuple[Header, ...], origin: str) -> Layout:
    """
    What a file's headers (one a part) say of its layout; `origin` is where they are from.

    Only the architecture's own keys are kept: of the others the engine plans nothing by.
    """
    metadata = headers[0].metadata
    architecture = str(metadata["general.architecture"])
    tensors = [tensor for header in headers for tensor in header.tensors]
    keys: dict[str, KeyValue] = {}
    for name, value in metadata.items():
        if not name.startswith(f"{architecture}."):
            continue
        if isinstance(value, tuple):
            keys[name] = list(value)
        elif isinstance(value, (int, float, str)):
            keys[name] = value
    n_vocab = next(it.shape[1] for it in tensors if it.name == "token_embd.weight")
    keys.setdefault(f"{architecture}.vocab_size", n_vocab)
    number = metadata.get("general.file_type")
    return Layout(
        model=model,
        architecture=architecture,
        origin=origin,
        file_type=FILE_TYPES.get(number if isinstance(number, int) else -1, "F32"),
        is_stand_in=False,
        keys=keys,
        shapes={tensor.name: tensor.shape for tensor in tensors},
        types={tensor.name: tensor.type_name for tensor in tensors},
    )
