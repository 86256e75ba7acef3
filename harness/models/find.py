"""
The model that a name stands for (models/resolve.py), for all commands: its header or its weights.

Who wants the header alone pays for no more: a file that is here is read where it lies, of one on
the hub the header's bytes are fetched, some megabytes, and where nobody answers the layout that
came with the harness is written as a header. Who wants the weights has them downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import FetchFailed, LayoutUnknown, ModelNotFound, UsageError
from harness.files import OnProgress, untold
from harness.models.catalog.catalog import Catalog, Entry, GeneratedSource, HubSource, load_catalog
from harness.models.digest import recalled, sha256_of_parts
from harness.models.download import LocalWeights, download_all, local_path
from harness.models.gguf.layouts import shipped_layout
from harness.models.gguf.model_file import model_file_of
from harness.models.gguf.part import HeaderPart, read_part
from harness.models.gguf.shards import shard_paths
from harness.models.hub.files import HubReference, Listing
from harness.models.hub.plan import HubPlan, HubRequest, cached_plan, request_of
from harness.models.model import Model
from harness.models.resolve import FileHere, resolve
from harness.schema.model import ModelKey

if TYPE_CHECKING:
    from harness.models.hub.client import RetryPolicy

# A header is worth seconds of waiting, where a download is worth half a minute: there is a layout.
_N_ATTEMPTS = 3


def find(
    reference: str,
    catalog: Catalog | None = None,
    want: Literal["header", "weights"] = "header",
    on_progress: OnProgress | None = None,
    *,
    asks_hub: bool = True,
) -> Model:
    """
    The model that `reference` names.

    Args:
        reference: A path, a name of the catalogue, or a repository of the hub.
        catalog: None takes the one this installation came with.
        want: "weights" are downloaded if need be, and their sha256 is known afterwards; of the
            "header" the best source there is will do.
        on_progress: Told of what is fetched or hashed, and when the hub does not answer and the
            cache has to do.
        asks_hub: Without, only what is here and the catalogue's layouts give a header.

    Raises:
        ModelNotFound: No such model, repository or file.
        ModelInvalid: No model the engine could load.
        FetchFailed: The weights, or the header of a repository, could not be had.
        LayoutUnknown: Neither header nor layout of it can be had.
    """
    report, catalog = on_progress or untold, catalog or load_catalog()
    if want == "weights":
        return _with_digest(download_all([reference], report, catalog)[0], report)
    found = resolve(reference, catalog)
    if isinstance(found, FileHere):
        return _here(LocalWeights(found.path, found.key, None, None))
    if isinstance(found, Entry) and not isinstance(found.variant.source, HubSource):
        return _not_of_hub(found, catalog)
    return _of_hub(found, catalog, report, asks_hub=asks_hub)


def find_all(references: Sequence[str], catalog: Catalog, on_progress: OnProgress) -> list[Model]:
    """
    The models that `references` name, one each, with their weights.

    All are looked up before the first is downloaded, and all are here before the first is read.

    Raises:
        UsageError: Two different files have the same key.
        HarnessError: As `find`.
    """
    found = download_all(references, on_progress, catalog)
    paths: dict[ModelKey, Path] = {}
    for local in found:
        first = paths.setdefault(local.key, local.path)
        if first.resolve() != local.path.resolve():
            raise UsageError(
                f"Two files are both called {local.key}: {first} and {local.path}. Rename one of "
                "them."
            )
    return [_with_digest(local, on_progress) for local in found]


def local_model(path: Path, key: str) -> Model:
    """
    The model at `path`, of a split model all its parts; unhashed.

    Raises:
        ModelNotFound, ModelInvalid: As `find`.
    """
    return _here(LocalWeights(path, key, None, None))


# ------------------------------------------------------------------ weights that are here


def _with_digest(local: LocalWeights, report: OnProgress) -> Model:
    # The header first: a damaged file should not be hashed for a minute before it is refused.
    model = _here(local)
    if model.file.sha256 is not None:
        return model
    sha256 = sha256_of_parts(shard_paths(local.path), report)
    return replace(model, file=model.file.model_copy(update={"sha256": sha256}))


def _here(local: LocalWeights) -> Model:
    """Its digest is told where it is known without reading the weights."""
    path, variant = local.path, local.variant
    parts = tuple(map(read_part, shard_paths(path)))
    known = variant.sha256 if variant else None
    file = model_file_of(
        [part.header for part in parts],
        name=str(path),
        key=local.key,
        file_name=path.name,
        n_bytes=sum(part.n_bytes for part in parts),
        quantization=variant.quantization if variant else None,
        sha256=known or (recalled(path) if len(parts) == 1 else None),
    )
    return Model(file, parts, "local", str(path), local.spec, variant, path)


def _not_of_hub(entry: Entry, catalog: Catalog) -> Model:
    path = local_path(entry.spec, entry.variant)
    if path is None and isinstance(entry.variant.source, GeneratedSource):
        path = download_all([entry.key], untold, catalog)[0].path
    if path is None:
        return _from_layout(entry, entry.key, f"{entry.key} has not been fetched")
    return _here(LocalWeights(path, entry.key, entry.spec, entry.variant))


# ------------------------------------------------------------------ the hub, and what stands for it


def _of_hub(
    found: Entry | HubReference, catalog: Catalog, report: OnProgress, *, asks_hub: bool
) -> Model:
    request = request_of(found)
    entry = found if isinstance(found, Entry) else None
    here = _cached(request)
    if here is not None:
        spec, variant = (entry.spec, entry.variant) if entry else (None, None)
        return _here(LocalWeights(here.paths[0], here.key, spec, here.variant or variant))
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


def _cached(request: HubRequest) -> HubPlan | None:
    """The plan of a model whose files are all in the cache; None where it is not for certain."""
    if request.reference.wanted is None:
        return None  # which quantization is meant depends on what the hub has
    try:
        plan = cached_plan(request)
    except (ModelNotFound, FetchFailed):
        return None
    return plan if all(map(plan.is_present, plan.chosen.files)) else None


def _remote(plan: HubPlan, entry: Entry | None, retries: RetryPolicy) -> Model:
    from harness.models.hub.remote_header import fetch_headers  # as in _of_hub

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
    return Model(
        file,
        parts,
        "hub",
        f"{repo} at {plan.commit[:8]}",
        entry.spec if entry else None,
        plan.variant or (entry.variant if entry else None),
        n_fetched_bytes=sum(each.n_fetched_bytes for each in fetched),
    )


def _from_layout(entry: Entry | None, key: str, why: str) -> Model:
    layout = None
    if entry is not None:
        quantization = entry.variant.quantization
        layout = shipped_layout(entry.spec.name, quantization, entry.source_name)
    if entry is None or layout is None:
        raise LayoutUnknown(
            f"{key} has neither a header nor a layout ({why.rstrip('.')}); ask the hub, or pass "
            "the path of its file"
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
    return Model(
        file,
        (part,),
        "shape",
        layout.source,
        entry.spec,
        entry.variant,
        note=why,
        stand_in=layout.file_type if layout.is_stand_in else None,
    )
