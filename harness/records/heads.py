"""
What experiment files begin with, read quickly and believed as far as it goes: names to offer.

Whoever judges or shows a record reads it whole (records/store.py), with all that is checked there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.bounded import open_regular, parsed_json
from harness.schema.settings import value_text

# A first line has 5 kB and some 2 kB for each model and setting; all together are read while a
# person waits.
_MOST_LINE_BYTES = 500_000
_MOST_BYTES = 3_000_000


@dataclass(frozen=True)
class Head:
    """The first line of an experiment, as it stands in the file."""

    record: Mapping[str, Any]

    @property
    def models(self) -> list[str]:
        """What it calls its models."""
        return [str(model.get("key")) for model in self._plan("models")]

    @property
    def devices(self) -> dict[str, str]:
        """The engine's devices, to what they are."""
        engine = _below(self.record, "provenance", "engine")
        return {
            str(each.get("name")): str(each.get("description"))
            for each in _dictionaries(engine.get("devices"))
        }

    def values(self, field: str) -> list[str]:
        """Of a fact of the record ("model", "machine", "build", "experiment") or of a setting."""
        match field:
            case "model":
                return self.models
            case "experiment":
                return [str(self.record.get("id"))]
            case "machine":
                return [str(_below(self.record, "machine").get("id"))]
            case "build":
                engine = _below(self.record, "provenance", "engine")
                return [str(engine.get("library_commit") or engine.get("binding_version"))]
            case _:
                return [value_text(it[field]) for it in self._plan("settings") if field in it]

    def _plan(self, part: str) -> list[Mapping[str, Any]]:
        return _dictionaries(_below(self.record, "plan").get(part))


def heads_of(paths: Iterable[Path]) -> Iterator[Head]:
    """Of the files that can be read and begin as experiments do, as many as can be read at once."""
    n_left = _MOST_BYTES
    for path in paths:
        try:
            with open_regular(path) as file:
                line = file.readline(_MOST_LINE_BYTES)
            record = parsed_json(line)
        except (OSError, ValueError):
            continue
        n_left -= len(line)
        if n_left < 0:
            return
        if isinstance(record, dict):
            yield Head(record)


def _below(record: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        below = record.get(name)
        record = below if isinstance(below, dict) else {}
    return record


def _dictionaries(values: object) -> list[Mapping[str, Any]]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []
