"""What the models on this disk take, as a page and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import units
from harness.models.cache import Kept, Kind
from harness.report.page import Column, Note, Page, Table

_WORDS: dict[Kind, str] = {
    "model": "model",
    "quantized": "made here",
    "file": "a file of the hub",
    "repository": "hub",
    "partial": "unfinished, counted above too",
    "twin": "random weights, of a rehearsal",
    "digests": "sha256 computed before",
}
_COLUMNS = (
    Column("name", "name"),
    Column("size", "n_bytes", "right", unit="file bytes"),
    Column(""),
    Column(None, "kind"),
    Column(None, "n_files"),
    Column(None, "path"),
)


@dataclass(frozen=True)
class CacheResult:
    """
    What the models on this disk take.

    Attributes:
        kept: All that can be removed by its name, the largest first.
        hub_folder: The Hugging Face cache, which other programs use too.
        own_folder: The harness's own.
    """

    kept: Sequence[Kept]
    hub_folder: Path
    own_folder: Path


@dataclass(frozen=True)
class RemovedResult:
    """
    What was removed; nothing where that was declined.

    Attributes:
        removed: In the order in which it was named.
    """

    removed: Sequence[Kept]

    @property
    def n_bytes(self) -> int:
        """What is free now."""
        return sum(each.n_bytes for each in self.removed)


def page(result: CacheResult) -> Page:
    """A row for each thing that can be removed by its name, and what all take together."""
    rows = [
        (it.name, it.n_bytes, _WORDS[it.kind], it.kind, it.n_files, it.path) for it in result.kept
    ]
    total = sum(it.n_bytes for it in result.kept if it.kind != "partial")
    text = f"{units.file_size(total)} in {result.hub_folder} and {result.own_folder}"
    table = (Table(_COLUMNS, tuple(rows)),) if rows else ()
    return (*table, Note((text,), is_whole=True))
