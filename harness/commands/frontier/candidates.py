"""Which files `harness frontier` sets side by side: all of a model's that are here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ModelNotFound, UsageError
from harness.files import OnProgress
from harness.models.catalog.catalog import Catalog, Entry
from harness.models.fetch import LocalModel, ensure, local_state
from harness.models.hub.files import HubReference
from harness.models.local import model_file
from harness.models.precision import precision_rank
from harness.models.quantizations import (
    ladder_files,
    ladder_folder,
    ladder_name,
    quantizations_here,
)
from harness.models.resolve import locate
from harness.schema.experiment import ModelFile


@dataclass(frozen=True)
class Candidate:
    """
    One quantization that is here.

    `name` tells it from the others on the page. `requantized_from` says what a file made here was
    quantized from, if that was quantized already.
    """

    name: str
    file: ModelFile
    path: Path
    requantized_from: str | None = None


@dataclass(frozen=True)
class _Found:
    local: LocalModel
    requantized_from: str | None = None


def candidates(
    references: Sequence[str], directory: Path | None, catalog: Catalog, on_progress: OnProgress
) -> list[Candidate]:
    """
    The files that `references` mean, the most precise first.

    A name without a quantization means all variants that are here, with the model's ladder; with
    one, or a path of a file, it means that file, and of a path the ladder made from it too.

    Raises:
        ModelNotFound: Nothing of it is here.
        UsageError: Two different files have the same key.
        HarnessError: As `fetch.ensure`.
    """
    found: dict[str, tuple[_Found, ModelFile]] = {}
    for reference in references:
        for each in _of_reference(reference, directory, catalog, on_progress):
            file = model_file(each.local, on_progress)
            found.setdefault(file.sha256 or str(each.local.path), (each, file))
    if not found:
        raise ModelNotFound(
            f"no file of {', '.join(references)} is here; `harness pull` fetches one, and "
            "`harness quantize` makes others of it"
        )
    keys = [file.key for _, file in found.values()]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise UsageError(f"Two different files are called {twice}; rename one of them.")
    # Of two of one type the more precise source comes first: a publisher's before our own.
    ordered = sorted(
        found.values(),
        key=lambda it: (
            precision_rank(it[1].quantization),
            it[0].requantized_from is not None,
            it[1].key,
        ),
    )
    names = _names(ordered)
    return [
        Candidate(name, file, each.local.path, each.requantized_from)
        for name, (each, file) in zip(names, ordered, strict=True)
    ]


def _of_reference(
    reference: str, directory: Path | None, catalog: Catalog, on_progress: OnProgress
) -> Iterator[_Found]:
    located = locate(reference, catalog)
    for key in _keys(located, reference):
        yield _Found(ensure(key, on_progress, catalog))
    if ":" in reference and not isinstance(located, Path):
        return
    folder = directory or ladder_folder(ladder_name(reference, catalog, on_progress))
    for made in ladder_files(folder):
        yield _Found(LocalModel(made.path, made.path.name, None, None), made.requantized_from)


def _keys(located: Path | Entry | HubReference, reference: str) -> Iterable[str]:
    """What to ask for: the variants that are here, or just the one that is named."""
    if isinstance(located, Path) or ":" in reference:
        return [reference]
    if isinstance(located, Entry):
        spec = located.spec
        here = [it for it in spec.variants if local_state(spec, it)]
        return [f"{spec.name}:{it.quantization}" for it in here]
    return [f"{located.repo}:{name}" for name in quantizations_here(located.repo)]


def _names(found: Sequence[tuple[_Found, ModelFile]]) -> list[str]:
    """The quantization, "+" where it was made from a quantized file; the key where that repeats."""
    plain = [file.quantization + ("+" if each.requantized_from else "") for each, file in found]
    return [
        name if plain.count(name) == 1 else file.key
        for name, (_, file) in zip(plain, found, strict=True)
    ]
