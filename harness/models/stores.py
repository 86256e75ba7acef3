"""
Models that other programs already hold on this machine, ready to be measured where they lie.

Only reading: nothing is moved, linked or written. A file is reported when its header is that of a
whole model which the engine could load; what goes with models and is none is told apart, and all
else in these folders (models/store_roots.py) is passed over without a word.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from harness.errors import HarnessError
from harness.models.gguf.companions import PassedOver, companion_by_header, companions
from harness.models.gguf.file_name import is_gguf, key_in_repository, model_name
from harness.models.gguf.header import Header
from harness.models.gguf.model_file import headers_of, model_file_of
from harness.models.gguf.shards import shard_name
from harness.models.ollama import ollama_models
from harness.models.store_roots import StoreRoots, roots_here
from harness.schema.model_kind import ModelKind

# Where files lie below a store's folder: PUBLISHER/REPOSITORY, and a folder a quantization.
_MAX_DEPTH = 4
# A user may have pointed LM Studio at a disk of photographs.
_MAX_FOLDERS = 10_000
_OLLAMA = "Ollama"


@dataclass(frozen=True)
class LocalFile:
    """
    A model that is here: its file (of a split model the first), and who holds it.

    `name` is what the other program calls it, `other_names` what it or others call it too;
    `n_bytes` counts all parts; `kind` is what it does.
    """

    path: Path
    origin: str
    name: str
    n_bytes: int
    quantization: str
    other_names: tuple[str, ...] = ()
    kind: ModelKind = "generates"


@dataclass(frozen=True)
class LocalModels:
    """The models that are here, each file once, and the files that go with models."""

    files: tuple[LocalFile, ...]
    passed_over: tuple[PassedOver, ...]


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


def find_local(roots: StoreRoots | None = None) -> LocalModels:
    """
    The models in the stores of `roots` (None: of this machine and user).

    Reading a header takes some hundredths of a second, so fifty models take a second or two.
    """
    found: dict[tuple[int, int], LocalFile] = {}
    passed: dict[str, PassedOver] = {}
    for candidate, why in _candidates(roots or roots_here()):
        try:
            status = candidate.path.stat()
            if not stat.S_ISREG(status.st_mode):
                continue
            identity = (status.st_dev, status.st_ino)
            if identity in found:
                found[identity] = _also_called(found[identity], candidate.name)
                continue
            headers, n_bytes = headers_of(candidate.path)
            why = why or companion_by_header(headers)
            if not why:
                found[identity] = _local_file(candidate, headers, n_bytes)
        except (OSError, HarnessError):
            continue  # unreadable, damaged, or no model
        if why:
            passed.setdefault(candidate.name, PassedOver(candidate.name, why))
    return LocalModels(tuple(found.values()), tuple(passed.values()))


def stored_file(name: str, roots: StoreRoots | None = None) -> StoreName | None:
    """
    The file that its program calls `name`, in any case; None if there is none.

    A model of Ollama's without a tag is its latest, as for Ollama. No header is read.
    """
    wanted = name.lower()
    also = wanted if ":" in wanted.rpartition("/")[2] else f"{wanted}:latest"
    for each, _ in _candidates(roots or roots_here()):
        if each.name.lower() == wanted or (each.origin == _OLLAMA and each.name.lower() == also):
            return each
    return None


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
    found = (each.key for each, _ in _candidates(inside) if each.path.absolute() == path)
    return next(found, None)


def _local_file(candidate: StoreName, headers: Sequence[Header], n_bytes: int) -> LocalFile:
    path = candidate.path
    model = model_file_of(
        headers,
        name=str(path),
        key=candidate.name,
        file_name=path.name,
        n_bytes=n_bytes,
        quantization=None,
        sha256=None,
    )
    return LocalFile(
        path, candidate.origin, candidate.name, n_bytes, model.quantization, kind=model.kind
    )


def _also_called(file: LocalFile, name: str) -> LocalFile:
    if name in (file.name, *file.other_names):
        return file
    return replace(file, other_names=(*file.other_names, name))


def _candidates(roots: StoreRoots) -> Iterator[tuple[StoreName, str | None]]:
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
