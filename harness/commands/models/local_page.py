"""Models that other programs hold on this machine, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness import units
from harness.models.stores import LocalFile
from harness.report.text import harmless


def local_text(files: Sequence[LocalFile]) -> str:
    """
    A block for each program that holds some, two lines a model: what it is, and its path.

    Lines of paths are as long as they have to be, so that they can be copied whole.
    """
    lines: list[str] = []
    for origin in dict.fromkeys(file.origin for file in files):
        lines += ["", origin] if lines else [origin]
        for file in files:
            if file.origin == origin:
                size = units.file_size(file.n_bytes)
                lines.append(harmless(f"  {file.name}  {file.quantization}  {size}"))
                lines.append(harmless(f"    {file.path}"))
    return "\n".join(lines)


def local_document(files: Sequence[LocalFile]) -> dict[str, Any]:
    """The JSON document of `harness models --local` (docs/reference/json.md)."""
    rows = [
        {
            "name": file.name,
            "origin": file.origin,
            "quantization": file.quantization,
            "n_bytes": file.n_bytes,
            "path": str(file.path),
        }
        for file in files
    ]
    return {"schema": 1, "files": rows}
