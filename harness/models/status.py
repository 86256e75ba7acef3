"""What of some models is here, file by file: as far as it came, and whether it is still right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.files import FetchProgress, OnProgress
from harness.models.catalog.catalog import Catalog, Entry, load_catalog
from harness.models.digest import hash_file, sha256_of
from harness.models.download import DEFAULT_DOWNLOAD, DownloadRequest, cached_path, plan_of
from harness.models.gguf.companions import PassedOver
from harness.models.gguf.shards import shard_paths
from harness.models.hub.files import Digest, HubFile
from harness.models.hub.plan import HubPlan
from harness.models.resolve import FileHere, resolve

State = Literal["here", "partial", "missing", "whole", "damaged", "unknown"]


@dataclass(frozen=True)
class FileState:
    """
    One file: what it should be, and what there is of it.

    `sha256` is None where nobody states it. Of a file that was hashed the state is whole,
    damaged, or unknown (there is nothing to hold it to).
    """

    name: str
    n_bytes: int
    n_bytes_here: int
    sha256: str | None
    state: State
    path: Path | None


@dataclass(frozen=True)
class ModelState:
    """
    The files of one model; `repo` and `commit` are None if it is not the hub's.

    `passed_over` are files of its repository that go with models and are none.
    """

    key: str
    repo: str | None
    commit: str | None
    files: tuple[FileState, ...]
    passed_over: tuple[PassedOver, ...] = ()


def status(
    references: Sequence[str],
    on_progress: OnProgress,
    catalog: Catalog | None = None,
    request: DownloadRequest = DEFAULT_DOWNLOAD,
    *,
    verifies: bool = False,
) -> list[ModelState]:
    """
    What of the models is here; nothing is fetched.

    Args:
        references: As for `download.download_all`.
        on_progress: Called now and then while files are hashed.
        catalog: None takes the one this installation came with.
        request: Which revision, and whether the hub is asked.
        verifies: Read every file that is here, whatever is remembered of it.

    Raises:
        ModelNotFound, ModelInvalid, FetchFailed, UsageError: As `download.download_all`.
    """
    catalog = catalog or load_catalog()
    found = [resolve(reference, catalog) for reference in references]
    states = []
    for each in found:
        plan = plan_of(each, on_progress, catalog, request)
        if plan:
            files = [_hub_file(plan, file) for file in plan.chosen.files]
            digests = [file.digest for file in plan.chosen.files]
            key, repo, commit = plan.key, plan.repository.repo, plan.commit
        elif isinstance(each, Entry):
            files, digests = [_own_file(each)], [_digest_of(each)]
            key, repo, commit = each.key, None, None
        else:
            assert isinstance(each, FileHere)
            files = [_user_file(path) for path in shard_paths(each.path)]
            digests = [None] * len(files)
            key, repo, commit = each.key, None, None
        passed = plan.chosen.passed_over if plan else ()
        if verifies:
            pairs = zip(files, digests, strict=True)
            files = [_verified(file, digest, on_progress) for file, digest in pairs]
        states.append(ModelState(key, repo, commit, tuple(files), passed))
    return states


def _hub_file(plan: HubPlan, file: HubFile) -> FileState:
    path = plan.repository.present(plan.commit, file)
    if path is None and plan.has_blob(file) and file.digest:
        path = plan.repository.blob(file.digest)
    n_here = file.n_bytes if path else plan.n_bytes_partial(file)
    state: State = "here" if path else "partial" if n_here else "missing"
    return FileState(file.path, file.n_bytes, n_here, file.sha256, state, path)


def _own_file(entry: Entry) -> FileState:
    path, n_bytes = cached_path(entry.spec, entry.variant), entry.variant.n_bytes
    assert n_bytes is not None
    try:
        n_here = path.stat().st_size
    except OSError:
        return FileState(path.name, n_bytes, 0, entry.variant.sha256, "missing", None)
    # Nothing of ours bears its name before it is whole: another size is damage.
    state: State = "here" if n_here == n_bytes else "damaged"
    return FileState(path.name, n_bytes, n_here, entry.variant.sha256, state, path)


def _user_file(path: Path) -> FileState:
    n_bytes = path.stat().st_size
    return FileState(path.name, n_bytes, n_bytes, None, "here", path)


def _digest_of(entry: Entry) -> Digest | None:
    return Digest("sha256", entry.variant.sha256) if entry.variant.sha256 else None


def _verified(file: FileState, digest: Digest | None, on_progress: OnProgress) -> FileState:
    """`file` with the state that reading it shows."""
    if file.path is None or file.state != "here":
        return file

    def report(progress: FetchProgress) -> None:
        on_progress(
            FetchProgress(file.name, "verifying", progress.n_bytes_done, progress.n_bytes_total)
        )

    found = sha256_of(file.path, report, afresh=True)
    if digest is None:
        return _in_state(file, "unknown", found)
    if digest.kind == "git-sha1":
        is_whole = hash_file(file.path, digest.hasher(file.n_bytes)) == digest.hex
        return _in_state(file, "whole" if is_whole else "damaged", found)
    return _in_state(file, "whole" if found == digest.hex else "damaged", digest.hex)


def _in_state(file: FileState, state: State, sha256: str) -> FileState:
    return FileState(file.name, file.n_bytes, file.n_bytes_here, sha256, state, file.path)
