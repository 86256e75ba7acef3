"""What `harness pull` finds out: models that were fetched, or how far their files are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from harness.errors import HarnessError, UsageError
from harness.files import OnProgress
from harness.models.catalog.catalog import Catalog
from harness.models.download import DownloadRequest, LocalWeights, download_all
from harness.models.gguf.shards import shard_paths
from harness.models.status import ModelState, status

T = TypeVar("T")
Question = Literal["fetch", "list", "verify"]


@dataclass(frozen=True)
class PullRequest:
    """Which models, how they are to be fetched, and what is to be done with them."""

    models: tuple[str, ...]
    download: DownloadRequest
    question: Question


@dataclass(frozen=True)
class Pulled:
    """One model that is here, whole; `n_bytes` are those of all its parts."""

    local: LocalWeights
    n_bytes: int


@dataclass(frozen=True)
class PullFailure:
    """A model that could not be fetched or found, and why."""

    model: str
    message: str


@dataclass(frozen=True)
class Fetched:
    """The models that are here now, and those that are not."""

    models: tuple[Pulled, ...]
    failures: tuple[PullFailure, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether all are here."""
        return not self.failures


@dataclass(frozen=True)
class FilesStatus:
    """The files of all models; of each what is here, and what was found of it if it was read."""

    question: Question
    models: tuple[ModelState, ...]
    failures: tuple[PullFailure, ...] = ()

    @property
    def n_bytes_missing(self) -> int:
        """What there is to fetch."""
        files = [file for model in self.models for file in model.files]
        return sum(file.n_bytes - file.n_bytes_here for file in files)

    @property
    def is_well(self) -> bool:
        """Whether no model is unknown, and no file to be verified is missing or damaged."""
        if self.failures:
            return False
        states = {file.state for model in self.models for file in model.files}
        return self.question == "list" or states <= {"whole", "unknown"}


def pull(
    request: PullRequest,
    catalog: Catalog,
    on_progress: OnProgress,
    on_failure: Callable[[str], None],
) -> Fetched | FilesStatus:
    """
    The models, fetched; or how far they are here, where only that is asked.

    Of several each has its own chance: `on_failure` is told at once of one that has none.

    Raises:
        UsageError: As `download.download_all`.
        HarnessError: The same, where a single model is asked for.
    """
    if request.question == "fetch":

        def fetched(names: Sequence[str]) -> list[LocalWeights]:
            return download_all(names, on_progress, catalog, request.download)

        here, failures = _each(request.models, fetched, on_failure)
        return Fetched(tuple(Pulled(local, _n_bytes(local)) for local in here), failures)

    def states(names: Sequence[str]) -> list[ModelState]:
        is_verify = request.question == "verify"
        return status(names, on_progress, catalog, request.download, verifies=is_verify)

    found, failures = _each(request.models, states, on_failure)
    return FilesStatus(request.question, tuple(found), failures)


def _each(
    names: Sequence[str], get: Callable[[Sequence[str]], list[T]], on_failure: Callable[[str], None]
) -> tuple[list[T], tuple[PullFailure, ...]]:
    """What `get` makes of all together, or where that fails, of each alone."""
    try:
        return get(names), ()
    except UsageError:
        raise
    except HarnessError:
        if len(names) == 1:
            raise
    found: list[T] = []
    failures: list[PullFailure] = []
    for name in names:
        try:
            found += get([name])
        except HarnessError as error:
            failures.append(PullFailure(name, str(error)))
            on_failure(f"{name}: {error}")
    return found, tuple(failures)


def _n_bytes(local: LocalWeights) -> int:
    return sum(path.stat().st_size for path in shard_paths(local.path))
