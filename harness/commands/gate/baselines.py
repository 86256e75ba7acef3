"""
Baselines: experiments kept under a name, as whole copies in `baselines/` of the results folder.

A copy outlives its original, and a file of its own can be committed or cached.
"""

from __future__ import annotations

import re
from pathlib import Path

from harness.bounded import MOST_FILE_BYTES, read_bounded
from harness.errors import ResultsInvalid, ResultsUnwritable, UsageError
from harness.files import atomic_write, cannot
from harness.records.listing import Listing, list_experiments
from harness.records.rescue import ELSEWHERE
from harness.records.store import StoredExperiment, load

_FOLDER = "baselines"
_SUFFIX = ".jsonl"
# A file's name on every system: no separators, no leading dot or hyphen, no dot at the end.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9_-])?")
# What --baseline takes for something else.
_WORDS = ("latest", "best")
# Windows opens a device where the name up to the first dot is one of these.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def baseline_path(results: Path, name: str) -> Path:
    """
    Where the baseline `name` lies, or would lie.

    Raises:
        UsageError: That cannot be a baseline's name.
    """
    if name.lower() in _WORDS:
        raise UsageError(f"{name!r} has a meaning of its own to --baseline; choose another name")
    is_name = _NAME.fullmatch(name) and not _DEVICES.fullmatch(name)
    if not is_name or name.lower().endswith(_SUFFIX):
        raise UsageError(
            f"{name!r} is no name for a baseline: up to 64 letters, digits, dots, hyphens and "
            "underscores, as in main or release-1.2"
        )
    return results / _FOLDER / f"{name}{_SUFFIX}"


def save_baseline(
    results: Path, name: str, source: Path, *, may_replace: bool = False
) -> StoredExperiment:
    """
    Keeps a copy of the experiment in `source` as the baseline `name`; what the copy holds.

    It is there whole or not at all.

    Raises:
        UsageError: That cannot be a name, or it is taken.
        ResultsInvalid: `source` cannot be read, or holds no Run.
        ResultsUnwritable: The disk or the folder refuses.
    """
    path = baseline_path(results, name)
    if not load(source).runs:
        raise ResultsInvalid(f"{source} holds no Run, so there is nothing to compare with.")
    if path.exists() and not may_replace:
        raise UsageError(f"There is a baseline {name!r} already; --force replaces it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part:
            part.write_bytes(read_bounded(source, MOST_FILE_BYTES))
    except OSError as error:
        raise ResultsUnwritable(cannot("written", path, error, ELSEWHERE)) from error
    return load(path)


def list_baselines(results: Path) -> list[Listing]:
    """
    All of them, the newest measurement last; a listing's `path.stem` is the name.

    Raises:
        ResultsInvalid: The folder cannot be read.
    """
    return list_experiments(results / _FOLDER)


def remove_baseline(results: Path, name: str) -> Path:
    """
    Removes the baseline `name`; where it lay.

    Raises:
        UsageError: That cannot be a name.
        ResultsInvalid: There is none; the message says which there are.
        ResultsUnwritable: It cannot be removed.
    """
    path = baseline_path(results, name)
    try:
        path.unlink()
    except FileNotFoundError as error:
        raise ResultsInvalid(f"There is no baseline {name!r}. {offered(results)}") from error
    except OSError as error:
        raise ResultsUnwritable(
            cannot("removed", path, error, "mend the permissions of its folder")
        ) from error
    return path


def offered(results: Path) -> str:
    """A sentence that names the baselines there are."""
    names = [listing.path.stem for listing in list_baselines(results)]
    if not names:
        return f"None is saved in {results}."
    return f"Saved: {', '.join(names)}."
