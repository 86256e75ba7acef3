"""Names of models that everybody may know, and what stands for all others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness import units
from harness.commands.share import words
from harness.models.catalog.catalog import Catalog, HubSource
from harness.models.gguf.file_name import is_quantization
from harness.schema.model import ModelFile, ServedModel

_FOLDERS = re.compile(r"[\\/]")
_IN_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}:[\w.-]{1,96}")
_MOST_CHARACTERS = 96


@dataclass(frozen=True)
class PublicNames:
    """
    Names of the catalogue: `keys` of its variants, `repositories` they lie in, `files` in these.
    """

    keys: frozenset[str]
    repositories: frozenset[str]
    files: frozenset[str]

    def has(self, key: str) -> bool:
        """Whether a model of this key is one of the catalogue's, or lies beside one."""
        repository, _, quantization = key.partition(":")
        return (
            key in self.keys
            or key in self.files
            or (repository in self.repositories and is_quantization(quantization))
        )


def public_names(catalog: Catalog) -> PublicNames:
    """Those of `catalog`."""
    sources = [(entry, entry.variant.source) for entry in catalog.entries()]
    hub = [source for _, source in sources if isinstance(source, HubSource)]
    return PublicNames(
        frozenset(entry.key for entry, _ in sources),
        frozenset(source.repo for source in hub),
        frozenset(_FOLDERS.split(source.file)[-1] for source in hub if source.file),
    )


@dataclass(frozen=True)
class SharedName:
    """What a model is called in a shared file; `is_known` says whether that is its own name."""

    key: str
    file_name: str
    is_known: bool


def shared_names(
    models: Iterable[ModelFile | ServedModel], public: PublicNames, *, keeps_all: bool
) -> dict[str, SharedName]:
    """
    Every model's key to what it is called instead, no two alike.

    One that the catalogue does not know is called by what its header says, for the name of a file
    may hold anything; with `keeps_all` by the last part of its name.
    """
    found: dict[str, SharedName] = {}
    taken: set[str] = set()
    for model in models:
        is_known = keeps_all or public.has(model.key)
        candidates = _candidates(_last_part(model.key) if is_known else _described(model))
        key = next(name for name in candidates if name not in taken)
        taken.add(key)
        own_file = is_known and (keeps_all or model.file_name in public.files)
        file_name = _last_part(model.file_name) if own_file else f"{_plain(key)}.gguf"
        found.setdefault(model.key, SharedName(key, file_name, is_known))
    return found


def _candidates(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _last_part(name: str) -> str:
    """A key of the hub whole, of a path the last part."""
    if _IN_REPOSITORY.fullmatch(name):
        return name
    return _FOLDERS.split(name)[-1][:_MOST_CHARACTERS] or "unnamed"


def _described(model: ModelFile | ServedModel) -> str:
    """By what is known of it: "llama-135M:Q4_1"."""
    size = units.count(model.n_params).replace(" ", "") if model.n_params else ""
    name = words.architecture(model.architecture) if model.architecture else "model"
    quantization = words.quantization(model.quantization) if model.quantization else ""
    served = f"at-{model.served.server}" if model.served else ""
    return ":".join(filter(None, ("-".join(filter(None, (name, size, served))), quantization)))


def _plain(key: str) -> str:
    return re.sub(r"[^\w.-]", "-", key)
