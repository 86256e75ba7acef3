"""
What fetching a model of the hub comes to: which files, of which sizes and digests, and which of
them are here.

Nothing here asks the hub: a plan is made from a listing, the hub's (online.py) or the cache's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import FetchFailed, ModelNotFound
from harness.models.catalog.catalog import Entry, HubSource, Variant
from harness.models.digest import joint_sha256, recalled
from harness.models.gguf.file_name import (
    is_named_plainly,
    model_name,
    plain_quantization,
    stem,
    stem_path,
)
from harness.models.hub.cache import CachedRepository, cache_root
from harness.models.hub.choice import NO_HINT, Chosen, Hint, choose
from harness.models.hub.files import (
    DEFAULT_REVISION,
    HubFile,
    HubReference,
    Listing,
    digest_from_name,
)


class HubUnreachable(FetchFailed):
    """Nobody answered, or nobody may be asked, so that what is cached has to do."""


@dataclass(frozen=True)
class HubRequest:
    """
    A model of the hub as somebody wants it; `key` is what experiments call it.

    `n_bytes` (of all its parts together) and `sha256` (of its first) are the catalogue's, None
    where it states none; what differs from them is refused unless `accepts_change`.
    """

    reference: HubReference
    key: str
    revision: str | None = None
    hint: Hint = NO_HINT
    n_bytes: int | None = None
    sha256: str | None = None
    accepts_change: bool = False


@dataclass(frozen=True)
class HubPlan:
    """The files of one model at one commit, in order, and where they lie or are to lie."""

    key: str
    repository: CachedRepository
    commit: str
    revision: str
    chosen: Chosen

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file under its own name, whether it is there or not."""
        return tuple(self.repository.pointer(self.commit, file.path) for file in self.chosen.files)

    @property
    def variant(self) -> Variant | None:
        """What a catalogue would say of it; None if its name tells no quantization."""
        if self.chosen.quantization is None:
            return None
        digests = [file.sha256 for file in self.chosen.files if file.sha256]
        return Variant(
            quantization=self.chosen.quantization,
            n_bytes=self.chosen.n_bytes,
            sha256=joint_sha256(digests) if len(digests) == len(self.chosen.files) else None,
            source=HubSource(
                kind="hub",
                repo=self.repository.repo,
                revision=self.commit,
                file=self.chosen.name,
            ),
        )

    def is_present(self, file: HubFile) -> bool:
        """Whether the file is here, under its name or as a blob, with the right size."""
        return self.repository.present(self.commit, file) is not None or self.has_blob(file)

    def is_verified(self, file: HubFile) -> bool:
        """Whether it is here under its name, and was hashed before with the right result."""
        present = self.repository.present(self.commit, file)
        return present is not None and recalled(present) == file.sha256 is not None

    def has_blob(self, file: HubFile) -> bool:
        """Whether its blob is here with the right size."""
        if file.digest is None:
            return False
        try:
            return self.repository.blob(file.digest).stat().st_size == file.n_bytes
        except OSError:
            return False

    def n_bytes_partial(self, file: HubFile) -> int:
        """How much of it came before."""
        if file.digest is None:
            return 0
        try:
            return min(self.repository.part(file.digest).stat().st_size, file.n_bytes)
        except OSError:
            return 0


def request_of(
    found: Entry | HubReference, revision: str | None = None, *, accepts_change: bool = False
) -> HubRequest:
    """The request that an entry of the catalogue, or a reference, comes to."""
    if isinstance(found, HubReference):
        revision = revision or found.revision
        return HubRequest(found, str(found), revision, accepts_change=accepts_change)
    source, variant = found.variant.source, found.variant
    assert isinstance(source, HubSource)
    return HubRequest(
        HubReference(source.repo, variant.quantization),
        found.key,
        revision or source.revision,
        Hint(source.file, variant.sha256),
        variant.n_bytes,
        variant.sha256,
        accepts_change,
    )


def make_plan(request: HubRequest, listing: Listing, *, is_whole: bool = True) -> HubPlan:
    """
    What fetching `request` out of `listing` comes to; `is_whole`: that is all the repository has.

    Raises:
        ModelNotFound: It is not in there, or could be several files.
        FetchFailed: It is not what the catalogue says.
    """
    chosen = choose(request.reference, listing.files, request.hint, is_whole=is_whole)
    _require_unchanged(request, chosen)
    repository = CachedRepository(listing.repo, cache_root())
    return HubPlan(_key(request, chosen), repository, listing.commit, listing.revision, chosen)


def cached_plan(request: HubRequest) -> HubPlan:
    """
    The plan from what the cache holds of the revision.

    Raises:
        ModelNotFound: It does not hold all of it.
        FetchFailed: Something else than the catalogue says, or a cache that cannot be trusted.
    """
    repository = CachedRepository(request.reference.repo, cache_root())
    listing = repository.listing(request.revision or DEFAULT_REVISION)
    if listing is None:
        raise ModelNotFound(f"{request.key} is not in the cache; `harness pull` fetches it")
    plan = make_plan(request, listing, is_whole=False)
    hint = request.hint.path
    if hint and (request.sha256, request.n_bytes) == (None, None) and plan.chosen.name != hint:
        # A repository of several models: what is here may be another of that quantization.
        raise ModelNotFound(f"{request.key} is not in the cache for certain; ask the hub")
    first, *rest = plan.chosen.files
    if first.digest is not None or request.sha256 is None or request.accepts_change:
        return plan
    # A cache without links knows no digests; the catalogue does.
    files = (HubFile(first.path, first.n_bytes, digest_from_name(request.sha256)), *rest)
    return replace(plan, chosen=replace(plan.chosen, files=files))


def _key(request: HubRequest, chosen: Chosen) -> str:
    """What experiments call it: the same for the same file, however it was written."""
    reference, quantization, path = request.reference, chosen.quantization, chosen.name
    wanted = reference.wanted or ""
    if request.key != str(reference):
        return request.key
    if quantization and (
        wanted == ""
        or plain_quantization(wanted) in (quantization, quantization.removeprefix("UD-"))
        or is_named_plainly(path, model_name(reference.repo))
    ):
        return f"{reference.repo}:{quantization}"
    named = stem_path(path) if "/" in wanted else stem(path)
    is_whole_name = stem_path(wanted).lower() == named.lower()
    return f"{reference.repo}:{named}" if is_whole_name else request.key


def _require_unchanged(request: HubRequest, chosen: Chosen) -> None:
    """FetchFailed if the catalogue says something else of the chosen files."""
    found = chosen.files[0].sha256
    differences = []
    if request.n_bytes not in (None, chosen.n_bytes):
        differences.append(f"{chosen.n_bytes:,} bytes instead of {request.n_bytes:,}")
    if request.sha256 and found not in (None, request.sha256):
        differences.append(f"sha256 {found[:12]}… instead of {request.sha256[:12]}…")
    if differences and not request.accepts_change:
        raise FetchFailed(
            f"{request.reference.repo} has another {chosen.name} than the catalogue says of "
            f"{request.key} ({', '.join(differences)}); --accept-changed takes it all the same"
        )
