"""The plan of a fetch, from what the hub says now; from the cache where nobody answers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from harness.errors import ModelNotFound
from harness.files import FetchProgress, OnProgress
from harness.models.catalog.catalog import Catalog, HubSource
from harness.models.hub.http import Patience
from harness.models.hub.listing import list_repository
from harness.models.hub.plan import HubPlan, HubRequest, HubUnreachable, cached_plan, make_plan

_N_NEAREST = 3


def ask_hub(
    request: HubRequest, on_progress: OnProgress, catalog: Catalog, patience: Patience | None = None
) -> HubPlan:
    """
    What fetching `request` comes to now, by the hub; by the cache if the hub does not answer.

    Args:
        request: What is wanted.
        on_progress: Told once when the cache had to do, with the phase "offline".
        catalog: Where nearest names come from when there is no such repository.
        patience: How long to try.

    Raises:
        ModelNotFound: No such repository, revision or file.
        HubUnreachable: Nobody answers, and it is not in the cache.
        FetchFailed: No access, or something else than the catalogue says.
    """
    try:
        listing = list_repository(request.reference.repo, request.revision, patience)
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


def _nearest(repo: str, catalog: Catalog) -> list[str]:
    """Repositories of the catalogue with names like `repo`."""
    known = {name.lower(): name for name in _repositories(catalog) if name != repo}
    near = difflib.get_close_matches(repo.lower(), list(known), n=_N_NEAREST, cutoff=0.7)
    return [known[name] for name in near]


def _repositories(catalog: Catalog) -> Iterable[str]:
    for entry in catalog.entries():
        if isinstance(entry.variant.source, HubSource):
            yield entry.variant.source.repo
