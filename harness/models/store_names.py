"""
What other programs call the models they hold on this machine; no file is opened for it.

Files are passed over that go with models and are none, as far as their names tell. The folders are
those of models/store_roots.py.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from harness.models.gguf.companions import companions
from harness.models.gguf.file_name import is_gguf, key_in_repository, model_name
from harness.models.gguf.shards import shard_name
from harness.models.ollama import ollama_models
from harness.models.store_roots import StoreRoots, roots_here

# Where files lie below a store's folder: PUBLISHER/REPOSITORY, and a folder a quantization.
_MAX_DEPTH = 4
# A user may have pointed LM Studio at a disk of photographs.
_MAX_FOLDERS = 10_000
_OLLAMA = "Ollama"


@dataclass(frozen=True)
class StoreName:
    """
    What a program calls a file of its own; nothing is said of what is in that.

    `key` is what experiments call it: of a hub's file its repository and quantization.
    """

    path: Path
    origin: str
    name: str
    key: str


def stored_file(name: str, roots: StoreRoots | None = None) -> StoreName | None:
    """
    The file that its program calls `name`, in any case; None if there is none.

    A model of Ollama's without a tag is its latest, as for Ollama. No header is read.
    """
    wanted = name.lower()
    also = wanted if ":" in wanted.rpartition("/")[2] else f"{wanted}:latest"
    for each, _ in named_files(roots or roots_here()):
        if each.name.lower() == wanted or (each.origin == _OLLAMA and each.name.lower() == also):
            return each
    return None


def stored_names() -> Iterator[StoreName]:
    """What the stores of this machine and user hold, by names alone; no header is read."""
    return (each for each, why in named_files(roots_here()) if not why)


def store_key_of(path: Path, roots: StoreRoots | None = None) -> str | None:
    """What experiments call the file at `path` if it lies in a store; None if it does not."""
    roots = roots or roots_here()
    path = path.absolute()
    inside = StoreRoots(
        *(
            tuple(it for it in getattr(roots, each.name) if path.is_relative_to(it.absolute()))
            for each in fields(StoreRoots)
        )
    )
    found = (each.key for each, _ in named_files(inside) if each.path.absolute() == path)
    return next(found, None)


def named_files(roots: StoreRoots) -> Iterator[tuple[StoreName, str | None]]:
    """Files that may hold a model by their names; of what goes with one, what it is."""
    for candidate, why in _all_candidates(roots):
        # A path or name that could steer a terminal cannot be offered as a command to run.
        if (candidate.name + str(candidate.path)).isprintable():
            yield candidate, why


def _all_candidates(roots: StoreRoots) -> Iterator[tuple[StoreName, str | None]]:
    for root in roots.hugging_face:
        yield from _of_hub(root)
    for root in roots.lm_studio:
        yield from _of_lm_studio(root)
    for root in roots.llama_cpp:
        for path in _model_files(root, 1):
            # Files of many repositories side by side: their headers have to tell.
            yield StoreName(path, "llama.cpp", path.name, path.name), None
    for root in roots.ollama:
        first: dict[Path, str] = {}
        for model in ollama_models(root):
            key = first.setdefault(model.blob, model.name)
            yield StoreName(model.blob, _OLLAMA, model.name, key), None


def _of_hub(root: Path) -> Iterator[tuple[StoreName, str | None]]:
    for repository, folder, paths in _hub_snapshots(root):
        for path, why in _told_apart(paths, repository, folder):
            key = key_in_repository(repository, path.relative_to(folder).as_posix())
            yield StoreName(path, "Hugging Face", f"{repository}/{path.name}", key), why


def _of_lm_studio(root: Path) -> Iterator[tuple[StoreName, str | None]]:
    for folder, paths in _by_repository(root):
        for path, why in _told_apart(paths, folder.name, folder):
            name = path.relative_to(root).as_posix()
            yield StoreName(path, "LM Studio", name, name), why


def _told_apart(
    paths: Sequence[Path], repository: str, folder: Path
) -> Iterator[tuple[Path, str | None]]:
    """The files of one repository; of those that are companions of the others, what they are."""
    places = {path: path.relative_to(folder).as_posix() for path in paths}
    sizes = {place: n_bytes for path, place in places.items() if (n_bytes := _n_bytes(path))}
    why = {each.path: each.why for each in companions(sizes, model_name(repository))}
    return ((path, why.get(place)) for path, place in places.items())


def _n_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _by_repository(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    """PUBLISHER/REPOSITORY, and the files below it."""
    folders: dict[Path, list[Path]] = {}
    for path in _model_files(root, _MAX_DEPTH):
        folder = root.joinpath(*path.relative_to(root).parent.parts[:2])
        folders.setdefault(folder, []).append(path)
    yield from folders.items()


def _hub_snapshots(root: Path) -> Iterator[tuple[str, Path, list[Path]]]:
    """OWNER/REPOSITORY, a snapshot and its files; links are followed only to its own blobs."""
    for repository in _folders(root):
        if not repository.name.startswith("models--"):
            continue
        try:
            inside = repository.resolve(strict=True)
        except (OSError, RuntimeError):
            continue
        for revision in _folders(repository / "snapshots"):
            paths = _model_files(revision, _MAX_DEPTH)
            name = repository.name.removeprefix("models--").replace("--", "/")
            yield name, revision, [path for path in paths if _is_inside(path, inside)]


def _is_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(folder)
    except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        return False


def _folders(parent: Path) -> list[Path]:
    """The folders in a folder, no links, sorted; none if it cannot be listed."""
    try:
        with os.scandir(parent) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [parent / name for name in sorted(names)]


def _model_files(root: Path, max_depth: int) -> Iterator[Path]:
    """
    The .gguf files that may be a model or the first part of one, down to `max_depth` folders.

    Links to files are given out (people link models into a store on purpose), links to folders
    are not followed.
    """
    for folder, names, files in itertools.islice(os.walk(root), _MAX_FOLDERS):
        if len(Path(folder).relative_to(root).parts) + 1 >= max_depth:
            names.clear()
        names.sort()
        yield from (Path(folder, name) for name in sorted(files) if _may_be_model(name))


def _may_be_model(name: str) -> bool:
    part = shard_name(Path(name))
    return is_gguf(name) and (part is None or part.index == 1)
