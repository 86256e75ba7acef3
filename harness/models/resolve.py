"""Which of a file, an entry of the catalogue and a repository a model's name stands for."""

from __future__ import annotations

import difflib
import os
import re
import stat
from pathlib import Path

from harness.bounded import open_regular
from harness.errors import ModelInvalid, ModelNotFound
from harness.files import unreadable
from harness.models.catalog.catalog import Catalog, Entry
from harness.models.gguf.file_kind import check_magic
from harness.models.gguf.shards import shard_name, shard_paths
from harness.models.hub.files import HubReference, parse_reference

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
# Enough to recognise a file's format (file_kind.py).
_HEAD_BYTES = 64
_SHOWN_NAMES = 3


def resolve(reference: str, catalog: Catalog) -> Path | Entry | HubReference:
    """
    The file, the catalogue entry or the repository that `reference` names.

    A name of the catalogue wins over a file or folder of the same name in the current folder;
    `./name` means the file.

    Raises:
        ModelNotFound: Neither is there; the message offers what is near.
        ModelInvalid: There is a file, and it is no GGUF.
    """
    if not reference.strip():
        raise ModelNotFound("a model has no name; `harness models` lists those known")
    if _URL.match(reference):
        raise ModelNotFound(f"{reference} is an address; download the .gguf file and pass its path")
    if catalog.knows(reference.partition(":")[0]):
        return catalog.find(reference)
    # Path's own expanduser and exists raise for unknown users and impossible names.
    path = Path(os.path.expanduser(reference))  # noqa: PTH111
    is_there = os.path.exists(path)  # noqa: PTH110
    if "\0" in reference or not (_looks_like_path(reference) or is_there):
        return catalog.find(reference)
    repository = _repository(reference)
    if repository and not is_there:
        return repository
    check_file(path)
    return path


def check_file(path: Path) -> None:
    """
    Nothing, if `path` is a readable, regular file that begins as a GGUF, first of its parts.

    Raises:
        ModelNotFound: Nothing there, a folder, or a later part of a split model.
        ModelInvalid: Something else than a GGUF, or unreadable.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ModelNotFound(_describe_directory(path))
        if not stat.S_ISREG(mode):
            raise ModelInvalid(f"{path} is a device or a pipe, not a file; pass a .gguf file")
        if path.stat().st_size == 0:
            raise ModelInvalid(f"{path} is empty; download it again")
        with open_regular(path) as file:
            check_magic(file.read(_HEAD_BYTES), str(path))
    except (FileNotFoundError, NotADirectoryError):
        raise ModelNotFound(_describe_missing(path)) from None
    except OSError as error:
        raise ModelInvalid(unreadable(path, error)) from error
    shard_paths(path)


def _looks_like_path(reference: str) -> bool:
    return reference.lower().endswith(".gguf") or "/" in reference or os.sep in reference


def _repository(reference: str) -> HubReference | None:
    """What it says of a repository, if it reads owner/repo and `owner` is no folder here."""
    if reference.lower().endswith(".gguf") or Path(reference.partition("/")[0]).is_dir():
        return None
    return parse_reference(reference)


def _describe_directory(path: Path) -> str:
    found = _gguf_names(path)
    if not found:
        return f"{path} is a folder without .gguf files; pass a .gguf file"
    more = f" and {len(found) - _SHOWN_NAMES} more" if len(found) > _SHOWN_NAMES else ""
    return f"{path} is a folder; pass one of its files: {', '.join(found[:_SHOWN_NAMES])}{more}"


def _describe_missing(path: Path) -> str:
    if path.is_symlink():
        return f"{path} is a link to {path.readlink()}, which does not exist; mend the link"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}; check the path"
    found = _gguf_names(path.parent)
    by_fold = {name.lower(): name for name in found}
    near = difflib.get_close_matches(path.name.lower(), list(by_fold), n=_SHOWN_NAMES, cutoff=0.4)
    names = [by_fold[name] for name in near] or found[:_SHOWN_NAMES]
    there = f"that folder has {', '.join(names)}" if names else "that folder has no .gguf files"
    return f"there is no file {path}; {there}"


def _gguf_names(directory: Path) -> list[str]:
    """The .gguf files that could be passed: of a split model its first part only."""
    try:
        files = [path for path in directory.iterdir() if path.is_file()]
    except OSError:
        return []  # a folder that cannot be listed has no names to offer
    return sorted(
        path.name
        for path in files
        if path.name.lower().endswith(".gguf")
        and ((part := shard_name(path)) is None or part.index == 1)
    )
