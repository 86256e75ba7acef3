"""Models that were fetched, and files as far as they are here, as pages and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness import units
from harness.commands.pull.pull import FilesStatus, Pulled
from harness.models.status import FileState, ModelState
from harness.report.page import Cell, Column, Note, Page, Table

_WORDS = {
    "here": "here",
    "missing": "to fetch",
    "whole": "whole",
    "damaged": "damaged",
    "unknown": "no digest known to compare with",
}
_PULLED = (
    Column("", "model"),
    Column("", "n_bytes", "right", unit="file bytes"),
    Column("", "path"),
)
_FILES = (
    Column("model", "model"),
    Column("file", "file"),
    Column("size", "n_bytes", "right", unit="file bytes"),
    Column("sha256"),
    Column(""),
    Column(None, "n_bytes_here"),
    Column(None, "sha256"),
    Column(None, "state"),
    Column(None, "path"),
)


def page(result: Sequence[Pulled] | FilesStatus) -> Page:
    """A row a model that was fetched; or one a file, and what is left to fetch."""
    if not isinstance(result, FilesStatus):
        rows = tuple((it.local.key, it.n_bytes, it.local.path) for it in result)
        return (Table(_PULLED, rows),)
    table = Table(_FILES, tuple(_row(model, it) for model in result.models for it in model.files))
    if result.question == "verify":
        return (table,)
    left = result.n_bytes_missing
    return table, Note((f"{units.file_size(left)} to fetch" if left else "nothing to fetch",))


def document(result: Sequence[Pulled] | FilesStatus) -> dict[str, Any]:
    """The JSON document of `harness pull`."""
    if isinstance(result, FilesStatus):
        models = [_model(state) for state in result.models]
    else:
        models = [_pulled(each) for each in result]
    return {"schema": 1, "models": models}


def _row(model: ModelState, file: FileState) -> tuple[Cell, ...]:
    word = _WORDS.get(file.state) or f"{units.file_size(file.n_bytes_here)} here, the rest to fetch"
    return (
        model.key,
        file.name,
        file.n_bytes,
        f"{file.sha256[:12]}…" if file.sha256 else "",
        word,
        file.n_bytes_here,
        file.sha256,
        file.state,
        file.path,
    )


def _pulled(each: Pulled) -> dict[str, object]:
    variant = each.local.variant
    return {
        "model": each.local.key,
        "path": str(each.local.path),
        "n_bytes": each.n_bytes,
        "sha256": variant.sha256 if variant else None,
    }


def _model(state: ModelState) -> dict[str, object]:
    return {
        "model": state.key,
        "repo": state.repo,
        "commit": state.commit,
        "files": [
            {
                "name": file.name,
                "n_bytes": file.n_bytes,
                "n_bytes_here": file.n_bytes_here,
                "sha256": file.sha256,
                "state": file.state,
                "path": str(file.path) if file.path else None,
            }
            for file in state.files
        ],
    }
