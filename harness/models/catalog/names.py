"""
The names in catalogue files, without reading the rest: for whoever cannot wait for YAML.

Whole catalogues are read by catalog.py, in some tenths of a second. Here lines are looked at, as
the shipped files are laid out; of a catalogue that is laid out differently names may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from harness.bounded import read_bounded
from harness.folders import config_dir

_PACKAGE = Path(__file__).resolve().parents[2]
SHIPPED_PLACES = (_PACKAGE / "models.yaml", _PACKAGE.parent / "models.yaml")
"""An installed wheel carries the file inside the package; a checkout has it beside the package."""

REFERENCE_MACHINES = _PACKAGE / "data" / "reference_machines.yaml"
"""The machines that models are judged for."""

_MOST_BYTES = 4_000_000
_LINE = re.compile(
    r"[ \t]*(?:-[ \t]+)?(?P<key>name|quantization|aliases|bytes|approx_bytes):[ \t]*(?P<value>.+)"
)


@dataclass
class NamedModel:
    """A model by its name and other names, and its variants with their sizes as far as stated."""

    name: str
    aliases: tuple[str, ...] = ()
    n_bytes: dict[str, int | None] = field(default_factory=dict)


def user_catalog_path() -> Path:
    """Where the user's own catalogue lies, if they have one; HARNESS_CONFIG moves the folder."""
    return config_dir() / "models.yaml"


def named_models(extra: Iterable[Path] = ()) -> list[NamedModel]:
    """Of the shipped catalogue, the user's own and `extra`; files that cannot be read add none."""
    shipped = next((place for place in SHIPPED_PLACES if place.is_file()), None)
    places = [*([shipped] if shipped else []), user_catalog_path(), *extra]
    found = {model.name: model for place in places for model in models_in(_text(place))}
    return list(found.values())


def reference_machine_names() -> list[str]:
    """Of the reference machines."""
    return [model.name for model in models_in(_text(REFERENCE_MACHINES))]


def models_in(text: str) -> list[NamedModel]:
    """The models that a catalogue's text names, in its order."""
    found: list[NamedModel] = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        key, value = match["key"], match["value"].strip().strip("'\"")
        if key == "name":
            found.append(NamedModel(value))
        elif found:
            _add(found[-1], key, value)
    return found


def _add(model: NamedModel, key: str, value: str) -> None:
    if key == "aliases":
        model.aliases = tuple(name.strip(" '\"") for name in value.strip("[]").split(","))
    elif key == "quantization":
        model.n_bytes[value] = None
    elif model.n_bytes and value.isdecimal():
        model.n_bytes[[*model.n_bytes][-1]] = int(value)


def _text(path: Path) -> str:
    try:
        return read_bounded(path, _MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
