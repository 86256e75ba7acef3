"""Which files `harness frontier` sets side by side: all of a model's that are here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ModelNotFound, UsageError
from harness.files import OnProgress
from harness.measure.possible import require_writing
from harness.models.catalog.catalog import Catalog, Entry
from harness.models.download import local_path
from harness.models.find import find
from harness.models.hub.files import HubReference
from harness.models.model import Model
from harness.models.precision import precision_rank
from harness.models.quantization_sets import (
    quantization_set_files,
    quantization_set_folder,
    quantized_at,
)
from harness.models.quantizations import quantization_set_name, quantizations_here
from harness.models.resolve import FileHere, Located, is_of_one_file, resolve
from harness.schema.model import ModelFile


@dataclass(frozen=True)
class Candidate:
    """
    One quantization that is here.

    `name` tells it from the others on the page. `requantized_from` says what a file made here was
    quantized from, if that was quantized already.
    """

    name: str
    model: Model
    requantized_from: str | None = None

    @property
    def file(self) -> ModelFile:
        """What experiments say of it."""
        return self.model.file


@dataclass(frozen=True)
class _Found:
    model: Model
    requantized_from: str | None = None

    @property
    def quantization(self) -> str:
        return self.model.file.quantization


def candidates(
    references: Sequence[str], directory: Path | None, catalog: Catalog, on_progress: OnProgress
) -> list[Candidate]:
    """
    The files that `references` mean, the most precise first.

    A name without a quantization means all variants that are here, with the model's quantization
    set; with one, or a path of a file, it means that file, and of a path the set made from it too.

    Raises:
        ModelNotFound: Nothing of it is here.
        UsageError: Two different files have the same key, or one is of a model that does not write.
        HarnessError: As `find`.
    """
    found: dict[str, _Found] = {}
    for reference in references:
        for each in _of_reference(reference, directory, catalog, on_progress):
            found.setdefault(each.model.file.sha256 or str(each.model.path), each)
    if not found:
        raise ModelNotFound(
            f"no file of {', '.join(references)} is here; `harness pull` fetches one, and "
            "`harness quantize` makes others of it"
        )
    for each in found.values():
        require_writing(each.model.file, "a frontier of speed and quality")
    keys = [each.model.key for each in found.values()]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise UsageError(f"Two different files are called {twice}; rename one of them.")
    # Of two of one type the more precise source comes first: a publisher's before our own.
    ordered = sorted(
        found.values(),
        key=lambda it: (
            precision_rank(it.quantization),
            it.requantized_from is not None,
            it.model.key,
        ),
    )
    names = candidate_names(
        [each.model.file for each in ordered],
        [each.requantized_from is not None for each in ordered],
    )
    return [
        Candidate(name, each.model, each.requantized_from)
        for name, each in zip(names, ordered, strict=True)
    ]


def _of_reference(
    reference: str, directory: Path | None, catalog: Catalog, on_progress: OnProgress
) -> Iterator[_Found]:
    located = resolve(reference, catalog)
    is_one = is_of_one_file(reference, located, catalog)
    for key in [reference] if is_one else _keys(located):
        yield _Found(find(key, catalog, "weights", on_progress))
    if is_one and not _is_users_own(located):
        return
    folder = directory or quantization_set_folder(
        quantization_set_name(reference, catalog, on_progress)
    )
    for made in quantization_set_files(folder):
        model = find(str(made.path), catalog, "weights", on_progress)
        yield _Found(model, made.requantized_from)


def _is_users_own(located: Located) -> bool:
    """Whether it is a file of which a set may have been made, and not itself one of a set."""
    return isinstance(located, FileHere) and quantized_at(located.path) is None


def _keys(located: Located) -> Iterable[str]:
    """What to ask for: the variants that are here."""
    if isinstance(located, Entry):
        spec = located.spec
        here = [it for it in spec.variants if local_path(spec, it)]
        return [f"{spec.name}:{it.quantization}" for it in here]
    assert isinstance(located, HubReference)
    return [f"{located.repo}:{name}" for name in quantizations_here(located.repo)]


def candidate_names(files: Sequence[ModelFile], are_requantized: Sequence[bool]) -> list[str]:
    """
    What tells each file from the others: its quantization, and "+" where it was made from another.

    The key instead where that repeats, and of all where they are not quantizations of one model.
    """
    marks = ["+" if is_requantized else "" for is_requantized in are_requantized]
    plain = [it.quantization + mark for it, mark in zip(files, marks, strict=True)]
    is_one_model = _is_one_model(files)
    return [
        name if is_one_model and plain.count(name) == 1 else it.key + mark
        for name, it, mark in zip(plain, files, marks, strict=True)
    ]


def _is_one_model(files: Sequence[ModelFile]) -> bool:
    """Whether all have one shape and, as far as they have one, one name before the quantization."""
    shapes = {(it.architecture, it.n_params, it.n_layer, it.n_embd, it.n_vocab) for it in files}
    names = {it.key.rpartition(":")[0] for it in files} - {""}
    return len(shapes) == 1 and len(names) <= 1
