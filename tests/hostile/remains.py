"""What a command that was interrupted must not leave behind."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from cli.commandline import Home

from harness.errors import HarnessError
from harness.measure.lock import LOCK_NAME, machine_held
from harness.models.gguf.header import read_header
from harness.records.quality import list_qualities
from harness.records.store import load

_TEMPORARY = re.compile(r"\.harness-tmp$|\.[0-9]+\.part$|^calibrating-|\.link$|\.ref$|\.fetching$")


def remains(
    home: Home, results: str, *, may_be_cut_short: bool, may_be_temporary: bool
) -> str | None:
    """
    What is left, damaged or locked; None if nothing is.

    A kill cuts records short, and leaves temporary files until the next command of the kind.
    """
    faults = [*_damaged(home.folder / results, may_be_cut_short), *_half_models(home.folder)]
    if not may_be_temporary:
        faults += _temporary(home)
    try:
        with machine_held("the next", lock_file=home.lock):
            pass
    except HarnessError as error:
        faults.append(str(error))
    return "; ".join(faults) or None


def _damaged(results: Path, may_be_cut_short: bool) -> Iterator[str]:
    for path in results.glob("*.jsonl"):
        try:
            stored = load(path)
        except HarnessError as error:
            yield f"unreadable: {error}"
            continue
        if not may_be_cut_short and (stored.end is None or stored.n_torn):
            yield f"without an end: {path.name}"
    yield from (each.problem for each in list_qualities(results) if each.problem)


def _half_models(folder: Path) -> Iterator[str]:
    for path in folder.glob("made/*.gguf"):
        try:
            with path.open("rb") as file:
                read_header(file, path.stat().st_size, path.name)
        except HarnessError as error:
            yield str(error)


def clear(home: Home) -> None:
    """Removes what is left, so that each attempt has its own only."""
    for path in _left(home):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _temporary(home: Home) -> Iterator[str]:
    yield from sorted({f"left: {path.parent.name}/{path.name}" for path in _left(home)})


def _left(home: Home) -> list[Path]:
    left = [path for path in home.temporary.iterdir() if path.name != LOCK_NAME]
    left += [path for path in (home.folder / "twins").rglob("*") if path.is_file()]
    for place in (home.folder, home.cache):
        left += [path for path in place.rglob("*") if _TEMPORARY.search(path.name)]
    return left
