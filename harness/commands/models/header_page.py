"""What a file's header tells of a model that the catalogue need not know: a page, and as JSON."""

from __future__ import annotations

from typing import Any

from harness import units
from harness.models.model import FoundHeaders
from harness.report.text import harmless, wrapped

_LABEL_WIDTH = 14


def header_page(found: FoundHeaders) -> str:
    """One model in 80 columns."""
    file = found.file
    experts = f"{file.n_expert} experts, {file.n_expert_used} of them for a token"
    bytes_by_type = sorted(file.tensor_bytes.items(), key=lambda item: -item[1])
    types = [
        f"{name} {units.percent(n_bytes / file.weights_bytes)}" for name, n_bytes in bytes_by_type
    ]
    cache, read_bytes = file.kv_read_bytes_per_position, file.token_read_bytes
    facts = [
        ("Source", found.source),
        ("Quantization", file.quantization),
        ("Size", _size(found)),
        ("Architecture", ", ".join([file.architecture, *([experts] if file.n_expert else [])])),
        ("Parameters", units.count(file.n_params)),
        ("Layers", f"{file.n_layer} of width {file.n_embd}"),
        ("Vocabulary", str(file.n_vocab) if file.n_vocab else ""),
        ("Context", f"{file.n_ctx_train} positions, as trained" if file.n_ctx_train else ""),
        ("Types", ", ".join(types)),
        ("Read per token", f"{units.file_size(read_bytes)} of weights" if read_bytes else ""),
        ("Cache", f"{units.memory_size(cache)} a position, in f16" if cache else ""),
        ("sha256", file.sha256 or ""),
    ]
    lines = [harmless(found.key)]
    for label, text in facts:
        if text:
            lines += wrapped(harmless(text), lead=f"{label:<{_LABEL_WIDTH}} ")
    return "\n".join(lines)


def header_document(found: FoundHeaders) -> dict[str, Any]:
    """The same for programs (docs/reference/json.md)."""
    return {
        "schema": 1,
        "header": {
            "origin": found.origin,
            "source": found.source,
            "n_bytes": sum(len(part.data) for part in found.parts),
            "n_fetched_bytes": found.n_fetched_bytes,
        },
        "file": found.file.model_dump(mode="json"),
    }


def _size(found: FoundHeaders) -> str:
    size = units.file_size(found.file.n_bytes)
    return f"{size} in {len(found.parts)} parts" if len(found.parts) > 1 else size
