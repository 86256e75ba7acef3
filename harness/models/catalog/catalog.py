"""
The catalogue: what can be fetched, from where, how big it is, and from whom.

The one that comes with the harness is models.yaml. The user's own lies beside their other
settings, and more can be named; a model in a later one takes the place of that of the same name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.errors import HarnessError, ModelNotFound
from harness.models.catalog.file import parse_record, read_catalog_text
from harness.models.catalog.names import SHIPPED_PLACES, user_catalog_path
from harness.models.catalog.spec import (
    GeneratedSource,
    HubSource,
    ModelSpec,
    Parameters,
    Source,
    Variant,
    WheelSource,
    refuse_repeats,
)
from harness.models.gguf.file_name import without_quantization
from harness.schema.record import Record

__all__ = [
    "Catalog",
    "Entry",
    "GeneratedSource",
    "HubSource",
    "ModelSpec",
    "Parameters",
    "Source",
    "Variant",
    "WheelSource",
    "load_catalog",
    "parse_catalog",
    "shipped_catalog",
    "user_catalog_path",
]


@dataclass(frozen=True)
class Entry:
    """One variant of one model: what a name of the catalogue stands for."""

    spec: ModelSpec
    variant: Variant

    @property
    def key(self) -> str:
        """How experiments call it: "smollm2-135m:Q4_1"."""
        return f"{self.spec.name}:{self.variant.quantization}"

    @property
    def source_name(self) -> str:
        """What tells the source of its file from others: a repository, or a wheel."""
        source = self.variant.source
        if isinstance(source, HubSource):
            return f"{source.repo}/{source.file}" if source.file else source.repo
        if isinstance(source, WheelSource):
            return f"{source.package}=={source.version}"
        return source.kind


class Catalog(Record):
    """All models the harness can make available by name."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    models: Annotated[tuple[ModelSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        refuse_repeats([spec.name for spec in self.models])
        return self

    def entries(self) -> Iterator[Entry]:
        """Every variant of every model, in the order of the file."""
        for spec in self.models:
            for variant in spec.variants:
                yield Entry(spec, variant)

    def updated(self, other: Catalog) -> Catalog:
        """The catalogue with the models of `other`, instead of those of the same name or added."""
        specs = {spec.name: spec for spec in (*self.models, *other.models)}
        return Catalog(schema_version=self.schema_version, models=tuple(specs.values()))

    def split(self, reference: str) -> tuple[str, str]:
        """
        The model's name and the quantization behind it, "" where it names none.

        "name:Q8_0" is both, and so are Ollama's "qwen3:4b-q8_0" and "qwen3:4b:Q8_0"; "qwen3:4b" is
        a name alone where a model is called so.
        """
        lowered = reference.lower()
        if lowered in self._by_name:
            return lowered, ""
        head, _, tail = reference.rpartition(":")
        if head.lower() in self._by_name:
            return head, "" if tail.lower() == "latest" else tail  # Ollama's word for the usual one
        plain = without_quantization(lowered)
        if ":" in plain and plain in self._by_name:
            return plain, lowered[len(plain) + 1 :]
        name, _, quantization = reference.partition(":")
        return name, quantization

    def knows(self, reference: str) -> bool:
        """Whether there is a model of this name; case and a variant behind it do not matter."""
        return self.split(reference)[0].lower() in self._by_name

    def spec(self, name: str) -> ModelSpec:
        """
        The model of this name; case does not matter.

        Raises:
            ModelNotFound: There is none; the message offers the nearest.
        """
        spec = self._by_name.get(name.lower())
        if spec is not None:
            return spec
        near = difflib.get_close_matches(name.lower(), list(self._by_name), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ModelNotFound(
            f"no model is called {name!r}: {hint}"
            "`harness models` lists them, a path to a .gguf file works too"
        )

    def find(self, reference: str) -> Entry:
        """
        The entry that `name` or `name:QUANTIZATION` stands for; case does not matter.

        Raises:
            ModelNotFound: No such model or variant; the message offers the nearest.
        """
        name, quantization = self.split(reference)
        spec = self.spec(name)
        if not spec.variants:
            raise ModelNotFound(
                f"no GGUF file of {spec.name} is known; if you know one, pass owner/repo:QUANT or "
                "a path"
            )
        if not quantization and reference.endswith(":"):
            raise ModelNotFound(f"{reference!r} names no variant: {_variants(spec)}")
        if not quantization:
            return Entry(spec, spec.variants[0])
        for variant in spec.variants:
            if variant.quantization == quantization.upper():
                return Entry(spec, variant)
        raise ModelNotFound(
            f"{quantization!r} is not a variant of {spec.name}: {_variants(spec)}; "
            f"see `harness models {spec.name}`"
        )

    @cached_property
    def _by_name(self) -> dict[str, ModelSpec]:
        """Models by all their names; a model's own name beats another's alias."""
        aliases = {name: spec for spec in self.models for name in spec.names}
        return aliases | {spec.name: spec for spec in self.models}


def load_catalog(extra: Sequence[Path] = ()) -> Catalog:
    """
    The catalogue that came with the harness, with the user's own and those in `extra` over it.

    Raises:
        HarnessError: One is missing, unreadable or wrong; the message names file, line and key.
    """
    catalog = shipped_catalog()
    own = user_catalog_path()
    for path in ((own,) if own.exists() else ()) + tuple(extra):
        text = read_catalog_text(path, "check the path and its permissions")
        catalog = catalog.updated(parse_catalog(text, str(path)))
    return catalog


def shipped_catalog() -> Catalog:
    """
    The catalogue that came with the harness, which everybody has.

    Raises:
        HarnessError: It is missing or damaged.
    """
    shipped = next((place for place in SHIPPED_PLACES if place.is_file()), None)
    if shipped is None:
        raise HarnessError("models.yaml is missing from this installation; install harness again")
    return parse_catalog(read_catalog_text(shipped, "install harness again"), str(shipped))


@lru_cache(maxsize=4)
def parse_catalog(text: str, name: str) -> Catalog:
    """
    The catalogue written in `text`; `name` is what error messages call it.

    Raises:
        HarnessError: Wrong; the message names file, line and key of the first mistake.
    """
    return parse_record(Catalog, text, name)


def _variants(spec: ModelSpec) -> str:
    return f"known: {', '.join(variant.quantization for variant in spec.variants)}"
