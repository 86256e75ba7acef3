"""What the hub says a repository holds, and what fetching a model of it comes to by that."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from huggingface_hub import HfApi, constants
from huggingface_hub.hf_api import RepoFile

from harness.errors import FetchFailed, ModelNotFound
from harness.files import FetchProgress, OnProgress
from harness.models.catalog.catalog import Catalog, HubSource
from harness.models.hub.bounds import bounded
from harness.models.hub.client import RetryPolicy, session, with_retries
from harness.models.hub.errors import explained
from harness.models.hub.files import (
    DEFAULT_REVISION,
    HubFile,
    Listing,
    is_safe,
    require_commit,
    require_digest,
    require_safe,
)
from harness.models.hub.plan import HubPlan, HubRequest, HubUnreachable, cached_plan, make_plan

# A tree names 1000 files a page; no repository of models has anywhere near as many.
_MAX_FILES = 100_000
_N_NEAREST = 3


def list_repository(
    repo: str, revision: str | None = None, retries: RetryPolicy | None = None
) -> Listing:
    """
    The GGUF files of `repo`, all at the one commit that `revision` stands for now.

    Raises:
        ModelNotFound: No such repository or revision.
        HubUnreachable: Nobody answered, or it is forbidden to ask.
        FetchFailed: No access; or names, sizes or digests that are not to be trusted.
    """
    revision = revision or DEFAULT_REVISION
    if not is_safe(revision):
        raise FetchFailed(f"{revision!r} is not a revision of {repo}; name a branch or a commit")
    retries = retries or RetryPolicy()
    session()  # guards the token from here on
    api = HfApi(endpoint=constants.ENDPOINT)
    with explained(repo, revision), bounded(f"the listing of {repo}"):
        info = with_retries(lambda: api.model_info(repo, revision=revision), retries)
        commit = require_commit(info.sha, repo)
        files = with_retries(lambda: _tree(api, repo, commit), retries)
    return Listing(repo, revision, commit, tuple(files))


def ask_hub(
    request: HubRequest,
    on_progress: OnProgress,
    catalog: Catalog,
    retries: RetryPolicy | None = None,
) -> HubPlan:
    """
    What fetching `request` comes to now, by the hub; by the cache if the hub does not answer.

    Args:
        request: What is wanted.
        on_progress: Told once when the cache had to do, with the phase "offline".
        catalog: Where nearest names come from when there is no such repository.
        retries: How long to try.

    Raises:
        ModelNotFound: No such repository, revision or file.
        HubUnreachable: Nobody answers, and it is not in the cache.
        FetchFailed: No access, or something else than the catalogue says.
    """
    try:
        listing = list_repository(request.reference.repo, request.revision, retries)
    except HubUnreachable as error:
        try:
            plan = cached_plan(request)
        except ModelNotFound:
            raise error from None
        on_progress(FetchProgress(request.key, "offline", 0, None))
        return plan
    except ModelNotFound as error:
        near = _nearest(request.reference.repo, catalog)
        hint = f"; the catalogue knows {' and '.join(near)}" if near else ""
        raise ModelNotFound(f"{error}{hint}") from error
    return make_plan(request, listing)


def _tree(api: HfApi, repo: str, commit: str) -> list[HubFile]:
    files = []
    for n_seen, entry in enumerate(api.list_repo_tree(repo, recursive=True, revision=commit)):
        if n_seen > _MAX_FILES:
            raise FetchFailed(f"{repo} lists more than {_MAX_FILES} files; choose another")
        if isinstance(entry, RepoFile) and entry.path.lower().endswith(".gguf"):
            files.append(_file(entry, repo))
    return files


def _file(entry: RepoFile, repo: str) -> HubFile:
    path = require_safe(entry.path, repo)
    if type(entry.size) is not int or entry.size < 0:
        raise FetchFailed(f"{repo} gives {path} no size; it cannot be verified: not fetched")
    sha256 = entry.lfs.sha256 if entry.lfs else None
    return HubFile(path, entry.size, require_digest(sha256, entry.blob_id, path))


def _nearest(repo: str, catalog: Catalog) -> list[str]:
    """Repositories of the catalogue with names like `repo`."""
    known = {name.lower(): name for name in _repositories(catalog) if name != repo}
    near = difflib.get_close_matches(repo.lower(), list(known), n=_N_NEAREST, cutoff=0.7)
    return [known[name] for name in near]


def _repositories(catalog: Catalog) -> Iterable[str]:
    for entry in catalog.entries():
        if isinstance(entry.variant.source, HubSource):
            yield entry.variant.source.repo
