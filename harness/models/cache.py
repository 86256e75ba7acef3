"""
What takes how much space, and removing it by name: the harness's own cache folder, and the
Hugging Face cache, which other programs use too.

Nothing outside these two is ever removed: not what a link in them leads to, either.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import filelock
from huggingface_hub import scan_cache_dir
from huggingface_hub.errors import CacheNotFound

from harness.errors import FetchFailed, ModelInvalid, ModelNotFound
from harness.files import cannot
from harness.models.catalog.catalog import Catalog, Entry, HubSource, load_catalog
from harness.models.digest import cache_dir
from harness.models.download import cached_path
from harness.models.gguf.file_name import is_gguf
from harness.models.gguf.shards import shard_paths
from harness.models.hub.cache import PART_ENDING, CachedRepository, cache_root
from harness.models.hub.files import parse_reference
from harness.models.hub.plan import HubPlan, cached_plan, request_of
from harness.models.quantization_sets import SET_PREFIX, quantized_at
from harness.models.resolve import FileHere, key_of_quantized, resolve

Kind = Literal["model", "quantized", "repository", "file", "partial", "digests", "twin"]
TWINS = "twins"
"""The folder of twins in the harness's own, unless --dir names another."""
_DIGESTS = "digests"
# What huggingface_hub calls its own partial files, which nobody resumes.
_PARTIAL_ENDINGS = (PART_ENDING, ".incomplete")
_FOLDER_PREFIX = "models--"


@dataclass(frozen=True)
class Kept:
    """
    Something that can be removed by its name.

    A partial download bears the name of its repository, which is removed with all that is in it
    or, as `owner/repo.part`, only as far as it is unfinished.
    """

    name: str
    kind: Kind
    n_bytes: int
    n_files: int
    path: Path


def contents(catalog: Catalog | None = None) -> list[Kept]:
    """All that is kept, the largest first, by the names that all commands take."""
    kept = [*_own(catalog or load_catalog()), *_repositories()]
    return sorted(kept, key=lambda each: (-each.n_bytes, each.name))


def find_kept(
    names: Sequence[str], kept: Sequence[Kept], catalog: Catalog | None = None
) -> list[Kept]:
    """
    What `names` stand for: a name of the list, a file's or a set's, or a model's (resolve.py).

    Raises:
        ModelNotFound: Nothing of that name is kept.
    """
    catalog = catalog or load_catalog()
    found = {name: _kept_as(name, kept) or _kept_of_model(name, kept, catalog) for name in names}
    missing = [name for name in names if not found[name]]
    if missing:
        known = f"it has {', '.join(each.name for each in kept)}" if kept else "it is empty"
        raise ModelNotFound(f"the cache has no {', '.join(missing)}: {known}")
    return list(dict.fromkeys(each for name in names for each in found[name]))


def _kept_as(name: str, kept: Sequence[Kept]) -> list[Kept]:
    """By the name in the list; or by that of the file, or of the folder of a quantization set."""
    wanted = name.lower()
    by_name = [each for each in kept if each.name.lower() == wanted]
    if by_name:
        return by_name
    own = [each for each in kept if each.kind in ("model", "quantized")]
    by_file = [each for each in own if each.path.name.lower() == wanted]
    return by_file or [each for each in own if each.path.parent.name.lower() == wanted]


def _kept_of_model(name: str, kept: Sequence[Kept], catalog: Catalog) -> list[Kept]:
    """What holds the file that a model's name means; nothing if that is not here."""
    try:
        located = resolve(name, catalog)
        if isinstance(located, FileHere):
            path = located.path
        elif isinstance(located, Entry) and not isinstance(located.variant.source, HubSource):
            path = cached_path(located.spec, located.variant)
        else:
            return [_of_repository(cached_plan(request_of(located)), kept)]
    except (ModelNotFound, ModelInvalid, FetchFailed):
        return []
    found = [each for each in kept if each.path.absolute() == path.absolute()]
    if not found and isinstance(located, FileHere):
        raise ModelNotFound(
            f"{located.key} is another program's, or your own: {path}; remove it there"
        )
    return found


def _of_repository(plan: HubPlan, kept: Sequence[Kept]) -> Kept:
    """The file, of a split model all its parts; the whole repository if it holds nothing else."""
    repository = next(each for each in kept if each.path == plan.repository.folder)
    parts = plan.paths
    others = [it for it in _below(repository.path / "snapshots") if is_gguf(it.name)]
    if {it.name for it in others} <= {it.name for it in parts}:
        return repository
    return Kept(plan.key, "file", plan.chosen.n_bytes, len(parts), parts[0])


def remove(each: Kept) -> None:
    """
    `each` gone.

    Raises:
        FetchFailed: Some of it is being fetched just now, or cannot be removed.
    """
    try:
        if each.kind == "repository":
            _remove_repository(each)
        elif each.kind == "file":
            for part in shard_paths(each.path):
                _remove_pointer(part)
        elif each.kind == "partial":
            with ExitStack() as locks:
                for path in _partials(each.path):
                    _lock(locks, path)
                    path.unlink(missing_ok=True)
        else:
            _remove_path(each.path, cache_dir())
            if each.kind == "quantized" and not any(each.path.parent.iterdir()):
                each.path.parent.rmdir()
    except OSError as error:
        advice = "mend its permissions, or close what uses it"
        raise FetchFailed(cannot("removed", each.path, error, advice)) from error


def _own(catalog: Catalog) -> Iterable[Kept]:
    """The weights, twins and digests in the harness's own folder."""
    models = cache_dir() / "models"
    for path in _entries(models):
        if path.name.startswith(SET_PREFIX) and path.is_dir():
            yield from _of_set(path, catalog)
        elif not path.name.startswith("."):  # locks
            yield Kept(_name_of(path, catalog), "model", _size(path), _count(path), path)
    for path in _entries(cache_dir() / TWINS):
        yield Kept(path.name, "twin", _size(path), _count(path), path)
    digests = cache_dir() / _DIGESTS
    if digests.is_dir():
        yield Kept(_DIGESTS, "digests", _size(digests), _count(digests), digests)


def _of_set(folder: Path, catalog: Catalog) -> Iterable[Kept]:
    """The files that were made here of one model, and what else lies among them."""
    for path in _entries(folder):
        made = quantized_at(path)
        name = key_of_quantized(made, catalog) if made else f"{folder.name}/{path.name}"
        yield Kept(name, "quantized", _size(path), _count(path), path)


def _name_of(path: Path, catalog: Catalog) -> str:
    """The name in the catalogue of a file of ours; another file has its own."""
    for entry in catalog.entries():
        if cached_path(entry.spec, entry.variant).name == path.name:
            return entry.key
    return path.name


def _remove_pointer(pointer: Path) -> None:
    """A file of a repository, and its bytes if no other name leads to them."""
    target = pointer.parent / pointer.readlink() if pointer.is_symlink() else None
    pointer.unlink()
    if target is None:
        return
    blob = Path(os.path.normpath(target))
    repository = next(it for it in pointer.parents if it.name == "snapshots").parent
    others = (it for it in _below(repository / "snapshots") if it.is_symlink())
    is_used = any(Path(os.path.normpath(it.parent / it.readlink())) == blob for it in others)
    if not is_used and blob.parent == repository / "blobs":
        blob.unlink(missing_ok=True)


def _repositories() -> Iterable[Kept]:
    """The models of the Hugging Face cache, and what of them is unfinished."""
    for folder in _entries(cache_root()):
        repo = _repo_of(folder)
        if repo is None or not folder.is_dir():
            continue
        if folder.is_symlink():  # what it leads to takes its space elsewhere
            yield Kept(repo, "repository", 0, 0, folder)
            continue
        partials = _partials(folder)
        n_partial = sum(_size(path) for path in partials)
        blobs = [path for path in _entries(folder / "blobs") if path not in partials]
        copies = [path for path in _below(folder / "snapshots") if not path.is_symlink()]
        whole = [*blobs, *copies]
        yield Kept(repo, "repository", sum(map(_size, whole)) + n_partial, len(whole), folder)
        if partials:
            name = f"{repo}{PART_ENDING}"
            yield Kept(name, "partial", n_partial, len(partials), folder)


def _repo_of(folder: Path) -> str | None:
    """The repository whose folder this is; None if it is none of a model."""
    repo = folder.name.removeprefix(_FOLDER_PREFIX).replace("--", "/")
    if folder.name == repo or not parse_reference(repo):
        return None
    return repo


def _remove_repository(each: Kept) -> None:
    if each.path.is_symlink():
        each.path.unlink()
        return
    with ExitStack() as locks:
        for path in _partials(each.path):
            _lock(locks, path)
        try:
            cache = scan_cache_dir(cache_root())
        except CacheNotFound:
            return
        # huggingface_hub's own way first: it knows the store that repositories may share.
        for repository in cache.repos:
            if repository.repo_path == each.path:
                commits = [revision.commit_hash for revision in repository.revisions]
                cache.delete_revisions(*commits).execute()
        if each.path.exists():
            _remove_path(each.path, cache_root())


def _lock(locks: ExitStack, partial: Path) -> None:
    """Take the lock of a partial file; FetchFailed if somebody is writing it."""
    repository = CachedRepository(_repo_of(partial.parent.parent) or "", cache_root())
    path = (
        repository.root / ".locks" / repository.folder.name / f"{partial.name.split('.')[0]}.lock"
    )
    if not path.parent.is_dir():
        return
    lock = filelock.FileLock(path, mode=0o664)
    try:
        locks.enter_context(lock.acquire(timeout=0))
    except filelock.Timeout:
        raise FetchFailed(
            f"{repository.repo} is being fetched just now; end that first, or wait for it"
        ) from None


def _remove_path(path: Path, root: Path) -> None:
    """`path`, which lies in `root`, gone; of a link only the link."""
    assert path.is_relative_to(root)
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        shutil.rmtree(path)


def _partials(folder: Path) -> list[Path]:
    return [path for path in _entries(folder / "blobs") if path.name.endswith(_PARTIAL_ENDINGS)]


def _entries(folder: Path) -> list[Path]:
    """What is in the folder; nothing if there is none, or if it leads elsewhere by a link."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(folder.iterdir())


def _size(path: Path) -> int:
    """The bytes of the file, or of all files below; links count as nothing."""
    try:
        if not path.is_dir() or path.is_symlink():
            return path.lstat().st_size if not path.is_symlink() else 0
    except OSError:
        return 0  # removed meanwhile
    return sum(_size(file) for file in _below(path))


def _count(path: Path) -> int:
    return len(_below(path)) if path.is_dir() and not path.is_symlink() else 1


def _below(folder: Path) -> list[Path]:
    """Every file below the folder, links among them; those to folders are not followed."""
    if folder.is_symlink():
        return []
    return [Path(directory, name) for directory, _, names in os.walk(folder) for name in names]
