"""What `harness pull` finds out: models that were fetched, or how far their files are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.files import OnProgress
from harness.models.catalog.catalog import Catalog
from harness.models.download import DownloadRequest, LocalWeights, download_all
from harness.models.gguf.shards import shard_paths
from harness.models.status import ModelState, status

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
class FilesStatus:
    """The files of all models; of each what is here, and what was found of it if it was read."""

    question: Question
    models: tuple[ModelState, ...]

    @property
    def n_bytes_missing(self) -> int:
        """What there is to fetch."""
        files = [file for model in self.models for file in model.files]
        return sum(file.n_bytes - file.n_bytes_here for file in files)

    @property
    def is_well(self) -> bool:
        """Whether no file that was to be verified is missing or damaged."""
        states = {file.state for model in self.models for file in model.files}
        return self.question == "list" or states <= {"whole", "unknown"}


def pull(
    request: PullRequest, catalog: Catalog, on_progress: OnProgress
) -> Sequence[Pulled] | FilesStatus:
    """
    The models, fetched; or how far they are here, where only that is asked.

    Raises:
        HarnessError: As `download.download_all`.
    """
    if request.question == "fetch":
        found = download_all(request.models, on_progress, catalog, request.download)
        return [Pulled(local, _n_bytes(local)) for local in found]
    is_verify = request.question == "verify"
    states = status(request.models, on_progress, catalog, request.download, verifies=is_verify)
    return FilesStatus(request.question, tuple(states))


def _n_bytes(local: LocalWeights) -> int:
    return sum(path.stat().st_size for path in shard_paths(local.path))
