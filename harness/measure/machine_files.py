"""
Where what was found out about a machine is kept: in the cache folder, one file for each machine and
purpose, named after the machine's id.

An id is a hash of what a machine tells of itself, so one that tells less now (a container without
/sys) has another one; then the files of other ids may be its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from harness.models.digest import cache_dir


def path_of(kind: str, machine_id: str, purpose: str, folder: Path | None = None) -> Path:
    """
    Where the file lies, or would.

    Args:
        kind: Of what is kept; the folder within the cache folder.
        machine_id: The machine's.
        purpose: Which of the machine's files, as its name ends.
        folder: Another folder than that.
    """
    return (folder or cache_dir() / kind) / f"{machine_id}-{purpose}.json"


def candidates(kind: str, machine_id: str, purpose: str, folder: Path | None) -> Iterator[Path]:
    """The machine's own file, if it is there, and then those of other ids for the same purpose."""
    own = path_of(kind, machine_id, purpose, folder)
    if os.path.lexists(own):
        yield own
    pattern = re.compile(r"[0-9a-f]{6,64}-" + re.escape(f"{purpose}.json"))
    with suppress(OSError):
        names = sorted(path.name for path in own.parent.iterdir())
        yield from (
            own.with_name(name) for name in names if name != own.name and pattern.fullmatch(name)
        )
