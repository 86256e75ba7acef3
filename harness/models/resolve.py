"""
What a model's name stands for: the one place that knows how a model may be named.

    path/to/file.gguf                          a file (the first part of a split model)
    name, name:QUANTIZATION                    the catalogue; its aliases too, as Ollama's qwen3:4b
    name:QUANTIZATION                          what `harness quantize` made of that model here
    owner/repo, owner/repo:QUANTIZATION        a repository of the hub
    owner/repo:FILE.gguf, with its folder      a file of it, whatever else is in there
    hf.co/owner/repo:QUANTIZATION              the same, as Ollama and llama.cpp write it
    https://huggingface.co/owner/repo/...      the same, copied from a browser
    llama3.2:3b, lab/repo/FILE.gguf            as `harness models --local` lists it
"""

from __future__ import annotations

import difflib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from harness.bounded import open_regular
from harness.errors import FetchFailed, ModelInvalid, ModelNotFound
from harness.files import unreadable
from harness.models.catalog.catalog import Catalog, Entry
from harness.models.gguf.file_kind import check_magic
from harness.models.gguf.shards import shard_name, shard_paths
from harness.models.hub.files import HubReference, parse_reference
from harness.models.hub.link import hub_link
from harness.models.hub.plan import cached_plan, request_of
from harness.models.quantization_sets import (
    QuantizedFile,
    label_of,
    quantized_at,
    quantized_file,
)
from harness.models.store_names import store_key_of, stored_file

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
# Enough to recognise a file's format (file_kind.py).
_HEAD_BYTES = 64
_SHOWN_NAMES = 3


@dataclass(frozen=True)
class FileHere:
    """A file on this disk, of a split model the first, and what experiments call it."""

    path: Path
    key: str


Located = FileHere | Entry | HubReference


def resolve(reference: str, catalog: Catalog) -> Located:
    """
    The file, the catalogue entry or the repository that `reference` names.

    A name of the catalogue wins over a file or folder of the same name in the current folder
    (`./name` means the file), a publisher's variant over what was made here, and that over a
    repository's file that is not here.

    Raises:
        ModelNotFound: Neither is there; the message offers what is near.
        ModelInvalid: There is a file, and it is no GGUF.
    """
    if not reference.strip():
        raise ModelNotFound("a model has no name; `harness models` lists those known")
    if catalog.knows(reference):
        return _of_catalog(reference, catalog)
    # Path's own expanduser and exists raise for unknown users and impossible names.
    path = Path(os.path.expanduser(reference))  # noqa: PTH111
    is_there = "\0" not in reference and os.path.exists(path)  # noqa: PTH110
    if is_there:
        check_file(path)
        return FileHere(path, _key_at(path, catalog))
    if address := hub_link(reference):
        return _of_hub(reference, address, catalog)
    if _URL.match(reference):
        raise ModelNotFound(
            f"{reference} is an address; download the .gguf file and pass its path, and what a "
            "server serves is for run and compare: harness run --endpoint URL"
        )
    if "\0" in reference:
        return catalog.find(reference)
    if repository := _repository(reference):
        return _of_hub(reference, repository, catalog)
    if here := _made(reference, catalog) or _stored(reference):
        return here
    if not _looks_like_path(reference):
        return catalog.find(reference)
    check_file(path)
    return FileHere(path, path.name)


def is_of_one_file(reference: str, located: Located, catalog: Catalog) -> bool:
    """Whether the name says which file of its model is meant."""
    match located:
        case Entry():
            return bool(catalog.split(reference)[1])
        case HubReference():
            return located.wanted is not None
        case _:
            return True


def _of_catalog(reference: str, catalog: Catalog) -> Entry | FileHere:
    """A variant of the catalogue; else what was made here, or is Ollama's by that name."""
    try:
        return catalog.find(reference)
    except ModelNotFound:
        here = _made(reference, catalog) or _stored(reference)
        if here is None:
            raise
        return here


def _of_hub(reference: str, repository: HubReference, catalog: Catalog) -> HubReference | FileHere:
    """The repository, unless what is meant is here and not as a file of it."""
    if repository.wanted is not None and not _is_cached(repository):
        made = quantized_file(repository.repo, repository.wanted)
        if made is not None:
            return FileHere(made.path, key_of_quantized(made, catalog))
        if here := _stored(reference):
            return here
    return repository


def _is_cached(repository: HubReference) -> bool:
    try:
        plan = cached_plan(request_of(repository))
    except (ModelNotFound, FetchFailed):
        return False
    return all(map(plan.is_present, plan.chosen.files))


def _made(reference: str, catalog: Catalog) -> FileHere | None:
    """What `harness quantize` made of a model and is called so."""
    name, _, label = reference.rpartition(":")
    if not name or not label:
        return None
    model = catalog.spec(name).name if catalog.knows(name) else name
    made = quantized_file(model, label)
    return FileHere(made.path, key_of_quantized(made, catalog)) if made else None


def key_of_quantized(made: QuantizedFile, catalog: Catalog) -> str:
    """
    What experiments call a file that was made here.

    Of a hub's model it is always the longer name, for nobody knows what else the hub has.
    """
    if catalog.knows(made.model):
        taken = {variant.quantization for variant in catalog.spec(made.model).variants}
    else:
        taken = {made.file_type} if "/" in made.model else set()
    return f"{made.model}:{label_of(made, taken)}"


def _stored(reference: str) -> FileHere | None:
    """A file of another program's, by the name it has there."""
    found = stored_file(reference)
    return FileHere(found.path, found.key) if found else None


def _key_at(path: Path, catalog: Catalog) -> str:
    """What a file is called that is named by its path."""
    if made := quantized_at(path):
        return key_of_quantized(made, catalog)
    return store_key_of(path) or path.name


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
    repository = parse_reference(reference)
    if repository is None or Path(reference.partition("/")[0]).is_dir():
        return None
    # Without a colon it may be a file that is missing.
    is_file = repository.wanted is None and reference.lower().endswith(".gguf")
    return None if is_file else repository


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
        return f"there is no folder {path.parent}; check the path{_hub_name(path)}"
    found = _gguf_names(path.parent)
    by_fold = {name.lower(): name for name in found}
    near = difflib.get_close_matches(path.name.lower(), list(by_fold), n=_SHOWN_NAMES, cutoff=0.4)
    names = [by_fold[name] for name in near] or found[:_SHOWN_NAMES]
    there = f"that folder has {', '.join(names)}" if names else "that folder has no .gguf files"
    return f"there is no file {path}; {there}"


def _hub_name(path: Path) -> str:
    """How a file of the hub is named, if the path may have been meant as one."""
    owner, *rest = path.parts
    name = f"{owner}/{rest[0]}:{'/'.join(rest[1:])}" if len(rest) > 1 else ""
    is_one = parse_reference(name) and not Path(owner).exists()
    return f", or write {name} for a file of the hub" if is_one else ""


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
