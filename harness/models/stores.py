"""
Models that other programs already hold on this machine, ready to be measured where they lie.

Only reading: nothing is moved, linked or written. A file is reported when its header is that of a
whole model which the engine could load; what goes with models and is none is told apart, and all
else in these folders (models/store_roots.py) is passed over without a word.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import HarnessError
from harness.models.gguf.companions import PassedOver, companion_by_header
from harness.models.gguf.header import Header
from harness.models.gguf.model_file import headers_of, model_file_of
from harness.models.store_names import StoreName, named_files
from harness.models.store_roots import StoreRoots, roots_here
from harness.schema.model_kind import ModelKind


@dataclass(frozen=True)
class LocalFile:
    """
    A model that is here: its file (of a split model the first), and who holds it.

    `name` is what the other program calls it, `other_names` what it or others call it too;
    `n_bytes` counts all parts; `kind` is what it does.
    """

    path: Path
    origin: str
    name: str
    n_bytes: int
    quantization: str
    other_names: tuple[str, ...] = ()
    kind: ModelKind = "generates"


@dataclass(frozen=True)
class LocalModels:
    """The models that are here, each file once, and the files that go with models."""

    files: tuple[LocalFile, ...]
    passed_over: tuple[PassedOver, ...]


def find_local(roots: StoreRoots | None = None) -> LocalModels:
    """
    The models in the stores of `roots` (None: of this machine and user).

    Reading a header takes some hundredths of a second, so fifty models take a second or two.
    """
    found: dict[tuple[int, int], LocalFile] = {}
    passed: dict[str, PassedOver] = {}
    for candidate, why in named_files(roots or roots_here()):
        try:
            status = candidate.path.stat()
            if not stat.S_ISREG(status.st_mode):
                continue
            identity = (status.st_dev, status.st_ino)
            if identity in found:
                found[identity] = _also_called(found[identity], candidate.name)
                continue
            headers, n_bytes = headers_of(candidate.path)
            why = why or companion_by_header(headers)
            if not why:
                found[identity] = _local_file(candidate, headers, n_bytes)
        except (OSError, HarnessError):
            continue  # unreadable, damaged, or no model
        if why:
            passed.setdefault(candidate.name, PassedOver(candidate.name, why))
    return LocalModels(tuple(found.values()), tuple(passed.values()))


def _local_file(candidate: StoreName, headers: Sequence[Header], n_bytes: int) -> LocalFile:
    path = candidate.path
    model = model_file_of(
        headers,
        name=str(path),
        key=candidate.name,
        file_name=path.name,
        n_bytes=n_bytes,
        quantization=None,
        sha256=None,
    )
    return LocalFile(
        path, candidate.origin, candidate.name, n_bytes, model.quantization, kind=model.kind
    )


def _also_called(file: LocalFile, name: str) -> LocalFile:
    if name in (file.name, *file.other_names):
        return file
    return replace(file, other_names=(*file.other_names, name))
