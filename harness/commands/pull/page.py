"""Models that were fetched, and files as far as they are here, as pages and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from harness import units
from harness.commands.pull.pull import Fetched, FilesStatus
from harness.models.gguf.companions import PassedOver, told_of
from harness.models.status import FileState, ModelState
from harness.report.page import Cell, Column, Note, Page, Table, notes

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


def page(result: Fetched | FilesStatus) -> Page:
    """A row a model that was fetched; or one a file, and what is left to fetch."""
    if isinstance(result, Fetched):
        rows = tuple((it.local.key, it.n_bytes, it.local.path) for it in result.models)
        passed = dict.fromkeys(each for it in result.models for each in it.local.passed_over)
        here = (Table(_PULLED, rows),) if rows else ()
        return (*here, *_passed_over([*passed]), *_missing(result))
    table = Table(_FILES, tuple(_row(model, it) for model in result.models for it in model.files))
    if result.question == "verify":
        return (table, *_missing(result))
    left = result.n_bytes_missing
    note = Note((f"{units.file_size(left)} to fetch" if left else "nothing to fetch",))
    passed = dict.fromkeys(each for model in result.models for each in model.passed_over)
    return (table, note, *_passed_over([*passed]), *_missing(result))


def hint(result: Fetched | FilesStatus) -> Page:
    """What to do with what was fetched, or would be."""
    if isinstance(result, Fetched):
        names = " ".join(shlex.quote(it.local.key) for it in result.models)
        return notes(f"Next: `harness run {names}` measures what is here now." if names else "")
    if result.question == "verify" or not result.n_bytes_missing:
        return ()
    names = " ".join(shlex.quote(model.key) for model in result.models)
    return notes(f"Next: `harness pull {names}` fetches it.")


def _missing(result: Fetched | FilesStatus) -> Page:
    """The models that failed; why was said at once."""
    names = ", ".join(each.model for each in result.failures)
    return notes(f"Failed: {names}") if names else ()


def _passed_over(files: Sequence[PassedOver]) -> Page:
    """Of the repositories, what was taken for no model."""
    return notes(f"Passed over: {told_of(files)}.") if files else ()


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
