"""
From a model's name to its header, without its weights: what planning and rehearsing begin with.

A file that is here is read where it lies. Of one on the hub the header's bytes are fetched, some
megabytes. Where nobody answers, the layout that came with the harness is written as a header.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import FetchFailed, LayoutUnknown, ModelInvalid, ModelNotFound
from harness.files import OnProgress, unreadable, untold
from harness.models.catalog.catalog import Catalog, Entry, GeneratedSource, HubSource, load_catalog
from harness.models.catalog.spec import Variant
from harness.models.digest import recalled
from harness.models.fetch import ensure, local_state
from harness.models.gguf.header import read_header
from harness.models.gguf.layouts import shipped_layout
from harness.models.gguf.model_file import model_file_of
from harness.models.gguf.part import HeaderPart
from harness.models.gguf.shards import shard_paths
from harness.models.hub.files import Listing
from harness.models.hub.plan import HubPlan, HubRequest, cached_plan, request_of
from harness.models.model import FoundHeaders
from harness.models.resolve import locate

if TYPE_CHECKING:
    from harness.models.hub.client import RetryPolicy

# A header is worth seconds of waiting, where a download is worth half a minute: there is a layout.
_N_ATTEMPTS = 3


def find_headers(
    reference: str,
    on_progress: OnProgress | None = None,
    catalog: Catalog | None = None,
    *,
    asks_hub: bool = True,
) -> FoundHeaders:
    """
    The headers of the model that `reference` names (resolve.py), from the best source there is.

    Args:
        reference: A path, a name of the catalogue, or a repository of the hub.
        on_progress: Told when the hub does not answer and the cache has to do.
        catalog: None takes the one this installation came with.
        asks_hub: Without, only what is here and the catalogue's layouts serve.

    Raises:
        ModelNotFound: No such model, repository or file.
        ModelInvalid: No model the engine could load.
        FetchFailed: The header of a repository could not be had.
        LayoutUnknown: Neither header nor layout of it can be had.
    """
    report, catalog = on_progress or untold, catalog or load_catalog()
    found = locate(reference, catalog)
    if isinstance(found, Path):
        return _local(found, found.name)
    if isinstance(found, Entry) and not isinstance(found.variant.source, HubSource):
        return _not_of_the_hub(found, catalog)
    request = request_of(found)
    entry = found if isinstance(found, Entry) else None
    here = _cached(request)
    if here is not None:
        return _local(here.paths[0], here.key, entry, here.variant)
    if not asks_hub:
        return _from_layout(entry, request.key, "the hub was not asked")
    # Imported here: the hub's client takes half a second, which nobody should pay for whose
    # models are here.
    from harness.models.hub.client import RetryPolicy
    from harness.models.hub.listing import ask_hub

    retries = RetryPolicy(n_attempts=_N_ATTEMPTS)
    try:
        return _remote(ask_hub(request, report, catalog, retries), entry, retries)
    except FetchFailed as error:
        if entry is None:
            raise
        return _from_layout(entry, request.key, str(error))


def local_headers(path: Path, key: str) -> FoundHeaders:
    """
    The headers of the model at `path`, of a split model of all its parts.

    Raises:
        ModelNotFound, ModelInvalid: As `find_headers`.
    """
    return _local(path, key)


def _cached(request: HubRequest) -> HubPlan | None:
    """The plan of a model whose files are all in the cache; None where it is not for certain."""
    if request.reference.wanted is None:
        return None  # which quantization is meant depends on what the hub has
    try:
        plan = cached_plan(request)
    except (ModelNotFound, FetchFailed):
        return None
    return plan if all(map(plan.is_present, plan.chosen.files)) else None


def _not_of_the_hub(entry: Entry, catalog: Catalog) -> FoundHeaders:
    path = local_state(entry.spec, entry.variant)
    if path is None and isinstance(entry.variant.source, GeneratedSource):
        path = ensure(entry.key, catalog=catalog).path
    if path is not None:
        return _local(path, entry.key, entry, entry.variant)
    return _from_layout(entry, entry.key, f"{entry.key} has not been fetched")


# ------------------------------------------------------------------ the three sources


def _local(
    path: Path, key: str, entry: Entry | None = None, variant: Variant | None = None
) -> FoundHeaders:
    parts = tuple(_local_part(part) for part in shard_paths(path))
    variant = variant or (entry.variant if entry else None)
    file = model_file_of(
        [part.header for part in parts],
        name=str(path),
        key=key,
        file_name=path.name,
        n_bytes=sum(part.n_bytes for part in parts),
        quantization=variant.quantization if variant else None,
        sha256=(variant.sha256 if variant else None)
        or (recalled(path) if len(parts) == 1 else None),
    )
    spec = entry.spec if entry else None
    return FoundHeaders(file, parts, "local", str(path), spec, variant, path)


def _local_part(path: Path) -> HeaderPart:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = read_header(file, size, str(path))
            file.seek(0)
            data = file.read(min(header.data_start, size))
    except OSError as error:
        raise ModelInvalid(unreadable(path, error)) from error
    return HeaderPart(path.name, size, header, data)


def _remote(plan: HubPlan, entry: Entry | None, retries: RetryPolicy) -> FoundHeaders:
    from harness.models.hub.remote_header import fetch_headers  # as in find_headers

    files, repo = plan.chosen.files, plan.repository.repo
    fetched = fetch_headers(Listing(repo, plan.revision, plan.commit, files), files, retries)
    parts = tuple(
        HeaderPart(file.path.rpartition("/")[2], file.n_bytes, each.header, each.data)
        for file, each in zip(files, fetched, strict=True)
    )
    file = model_file_of(
        [part.header for part in parts],
        name=f"{repo}/{plan.chosen.name}",
        key=plan.key,
        file_name=parts[0].file_name,
        n_bytes=plan.chosen.n_bytes,
        quantization=plan.chosen.quantization,
        sha256=plan.variant.sha256 if plan.variant else None,
    )
    return FoundHeaders(
        file,
        parts,
        "hub",
        f"{repo} at {plan.commit[:8]}",
        entry.spec if entry else None,
        plan.variant or (entry.variant if entry else None),
        n_fetched_bytes=sum(each.n_fetched_bytes for each in fetched),
    )


def _from_layout(entry: Entry | None, key: str, why: str) -> FoundHeaders:
    layout = None
    if entry is not None:
        name, variant = entry.spec.name, entry.variant
        layout = shipped_layout(name, variant.quantization, variant.source.name)
    if entry is None or layout is None:
        raise LayoutUnknown(
            f"{key} has neither a header nor a layout: {why.rstrip('.')}, and none came with the "
            "harness; ask the hub, or pass the path of its file"
        )
    part = layout.part()
    file = model_file_of(
        [part.header],
        name=key,
        key=key,
        file_name=part.file_name,
        n_bytes=entry.variant.size_bytes or part.n_bytes,
        quantization=entry.variant.quantization,
        sha256=None,
    )
    return FoundHeaders(
        file,
        (part,),
        "shape",
        layout.source,
        entry.spec,
        entry.variant,
        note=why,
        stand_in=layout.file_type if layout.is_stand_in else None,
    )
