"""What went wrong at the hub, in one line that says what to do; no token is ever part of it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from harness.errors import FetchFailed, HarnessError, ModelNotFound
from harness.files import cannot
from harness.models.hub.plan import HubUnreachable

_TOKEN = "set HF_TOKEN, or run `hf auth login`"
_REASON_CHARACTERS = 160
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def explained(repo: str, revision: str) -> Iterator[None]:
    """
    Turns what huggingface_hub's calls about `repo` raise into errors of ours.

    Raises:
        ModelNotFound: No such repository or revision.
        HubUnreachable: Nobody answered, or it is forbidden to ask.
        FetchFailed: No access; or what answers is no hub.
    """
    try:
        yield
    except (HfHubHTTPError, HFValidationError, *UNANSWERED) as error:
        raise explain(error, repo, revision) from error
    # What is not JSON, or JSON of another shape, nested without end, with numbers of a thousand
    # digits, with addresses that are none: a captive portal, a proxy's own page.
    except (
        *(ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError),
        httpx2.InvalidURL,
    ) as error:
        raise FetchFailed(
            f"what answers at {endpoint()} is not a hub ({type(error).__name__}); check "
            "HF_ENDPOINT and the proxy"
        ) from error


def explain(error: Exception, repo: str, revision: str) -> HarnessError:
    """The error to raise for `error`, which a request about `repo` ended with."""
    page = f"{endpoint()}/{repo}"
    if isinstance(error, GatedRepoError):
        return FetchFailed(
            f"{repo} is gated: ask for access at {page}, then {_TOKEN}, and try again"
        )
    if isinstance(error, RevisionNotFoundError):
        return ModelNotFound(
            f"{repo} has no revision {revision!r}; its branches, tags and commits are listed at "
            f"{page}/commits/{constants.DEFAULT_REVISION}"
        )
    if isinstance(error, RepositoryNotFoundError):
        return ModelNotFound(
            f"there is no repository {repo} at {endpoint()}, or it is private; check its "
            f"name, and {_TOKEN} if it is yours"
        )
    if isinstance(error, DisabledRepoError):
        return FetchFailed(f"{repo} has been disabled by the hub, see {page}; choose another")
    if isinstance(error, RemoteEntryNotFoundError):
        return FetchFailed(f"{repo} no longer has the file that it listed; try again")
    if isinstance(error, HFValidationError):
        return ModelNotFound(f"{repo!r} is not the name of a repository; write owner/repo")
    if isinstance(error, OfflineModeIsEnabled):
        return HubUnreachable(
            f"{repo} is not in the cache, and HF_HUB_OFFLINE forbids fetching it; unset it"
        )
    if isinstance(error, HfHubHTTPError):
        return _explain_status(error.response.status_code, repo)
    # Its own name only where it says nothing: an SSL error's text is the whole reason.
    reason = " ".join(str(error).split())[:_REASON_CHARACTERS] or type(error).__name__
    return HubUnreachable(
        f"{endpoint()} cannot be reached for {repo} ({reason}); check the network, the "
        "proxy and HF_ENDPOINT, and try again"
    )


def endpoint() -> str:
    """The hub's address for people to read: without a password somebody may have put into it."""
    parts = urlsplit(constants.ENDPOINT)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _explain_status(status: int, repo: str) -> HarnessError:
    if status in (401, 403):
        return FetchFailed(
            f"the hub refuses access to {repo} (HTTP {status}); ask for it at "
            f"{endpoint()}/{repo} if it is gated, and {_TOKEN}"
        )
    if status == 429:
        return FetchFailed(
            f"the hub limits how often {repo} may be asked for (HTTP 429); wait some minutes, or "
            f"{_TOKEN} for a higher limit"
        )
    # Its trouble, so that what is cached has to do: 502 and 503 are what a hub that is down says.
    kind = HubUnreachable if status >= 500 else FetchFailed
    return kind(f"the hub answered HTTP {status} about {repo}; try again later")


def explain_disk(error: OSError, path: Path, n_missing: int | None = None) -> FetchFailed:
    """The error to raise when writing `path` ended with `error`."""
    if error.errno in _FULL:
        from_here = f" ({n_missing:,} bytes are missing)" if n_missing else ""
        return FetchFailed(
            f"the disk of {path.parent} is full{from_here}; what came is kept: make room and run "
            "the same again, or set HF_HOME to a folder on a larger disk"
        )
    advice = "mend its permissions, or set HF_HOME to another folder"
    return FetchFailed(cannot("written", path.parent, error, advice))


# What a request may end with without the hub having answered.
UNANSWERED = (httpx2.TransportError, httpx2.TooManyRedirects, OfflineModeIsEnabled)
