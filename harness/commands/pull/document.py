"""The JSON documents of `harness pull`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.commands.pull.pull import Fetched, FilesStatus, Pulled, PullFailure
from harness.models.gguf.companions import PassedOver
from harness.models.status import FileState


@dataclass(frozen=True, slots=True)
class PulledModel:
    """
    A model that is here, whole.

    Attributes:
        model: Its key.
        path: Its file, of a split model the first.
        n_bytes: Of all its parts.
        sha256: As the catalogue or the hub states it; null where nobody does.
        passed_over: Files of its repository that go with models and are none.
    """

    model: str
    path: Path
    n_bytes: int
    sha256: str | None
    passed_over: tuple[PassedOver, ...]


@dataclass(frozen=True, slots=True)
class PulledDocument:
    """
    What was fetched, or was here.

    Attributes:
        models: One each, in the order asked for.
        failures: Those that are not here; the exit code is then 1.
    """

    models: tuple[PulledModel, ...]
    failures: tuple[PullFailure, ...]


@dataclass(frozen=True, slots=True)
class FilesOfModel:
    """
    How far the files of a model are here.

    Attributes:
        model: Its key.
        repo: Of the hub; null where it comes from elsewhere.
        commit: Of the repository.
        files: What each should be, and what there is of it.
        passed_over: Files of its repository that go with models and are none.
    """

    model: str
    repo: str | None
    commit: str | None
    files: tuple[FileState, ...]
    passed_over: tuple[PassedOver, ...]


@dataclass(frozen=True, slots=True)
class FilesDocument:
    """
    What there is to fetch, or what was found of it (--list, --verify).

    Attributes:
        models: One each, in the order asked for.
        failures: Those of which nothing is known; the exit code is then 1.
    """

    models: tuple[FilesOfModel, ...]
    failures: tuple[PullFailure, ...]


def document(result: Fetched | FilesStatus) -> PulledDocument | FilesDocument:
    """The same for programs."""
    if isinstance(result, FilesStatus):
        return FilesDocument(
            tuple(
                FilesOfModel(it.key, it.repo, it.commit, it.files, it.passed_over)
                for it in result.models
            ),
            result.failures,
        )
    return PulledDocument(tuple(map(_pulled, result.models)), result.failures)


def _pulled(each: Pulled) -> PulledModel:
    local, variant = each.local, each.local.variant
    sha256 = variant.sha256 if variant else None
    return PulledModel(local.key, local.path, each.n_bytes, sha256, local.passed_over)
