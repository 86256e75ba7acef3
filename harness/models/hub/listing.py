"""What a repository holds, asked of the hub by huggingface_hub."""

from __future__ import annotations

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.hf_api import RepoFile

from harness.errors import FetchFailed
from harness.models.hub.errors import UNANSWERED, endpoint, explain
from harness.models.hub.files import (
    DEFAULT_REVISION,
    HubFile,
    Listing,
    is_safe,
    require_commit,
    require_digest,
    require_safe,
)
from harness.models.hub.http import Patience, Stop, patiently, session

# A tree names 1000 files a page; no repository of models has anywhere near as many.
_MAX_FILES = 100_000
_TIMEOUT_S = 30.0


def list_repository(
    repo: str, revision: str | None = None, patience: Patience | None = None
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
    patience, stop = patience or Patience(), Stop()
    session()  # guards the token from here on
    api = HfApi(endpoint=constants.ENDPOINT)
    try:
        # Neither call below retries all that passes; this one never does.
        info = patiently(
            lambda: api.model_info(repo, revision=revision, timeout=_TIMEOUT_S), patience, stop
        )
        commit = require_commit(info.sha, repo)
        files = patiently(lambda: _tree(api, repo, commit), patience, stop)
    except (HfHubHTTPError, HFValidationError, *UNANSWERED) as error:
        raise explain(error, repo, revision) from error
    # What is not JSON, or JSON of another shape: a captive portal, a proxy's own page.
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FetchFailed(
            f"what answers at {endpoint()} is not a hub ({type(error).__name__}); check "
            "HF_ENDPOINT and the proxy"
        ) from error
    return Listing(repo, revision, commit, tuple(files))


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
