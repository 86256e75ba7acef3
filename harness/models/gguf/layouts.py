"""
The headers of the catalogue's files as they came with the harness: data/layouts.json.gz.

For each model the tables its files have (keys, and tensors with their shapes), for each variant
its table, the tensors' types and where all of it is from. `python -m tools.catalogue` writes it.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.models.gguf.part import HeaderPart, made_part
from harness.models.gguf.tensor_types import FILE_TYPE_NUMBERS, TYPES_BY_NAME
from harness.models.gguf.write import KeyValue, bare_keys, header_bytes

LAYOUTS_FILE = Path(__file__).resolve().parents[2] / "data" / "layouts.json.gz"
LAYOUTS_SCHEMA = 1
SHAPE = "shape"
"""The origin of a layout that follows from the model's shape."""

# Mixes of one name differ in which tensors get a larger type, by some percent of the whole; a
# wrong count of layers or experts is off by more.
SIZE_TOLERANCE = 0.08
"""What the size of a layout from a shape may be off by, as a part of it."""


@dataclass(frozen=True)
class Layout:
    """
    A model's file without its data and its tokenizer.

    `origin` is `SHAPE`, or names the repository and commit whose header it was. `file_type` is
    llama-quantize's name; where `is_stand_in` nobody published how the variant is quantized, and
    that is the plain type nearest to it.
    """

    model: str
    architecture: str
    origin: str
    file_type: str
    is_stand_in: bool
    keys: Mapping[str, KeyValue]
    shapes: Mapping[str, tuple[int, ...]]
    types: Mapping[str, str]

    @property
    def data_bytes(self) -> int:
        """Bytes of all weights."""
        return sum(
            TYPES_BY_NAME[self.types[name]].bytes_of(shape) for name, shape in self.shapes.items()
        )

    @property
    def n_params(self) -> int:
        """Weights in the file."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def source(self) -> str:
        """Where it is from, for people."""
        text = "the catalogue's shape"
        if self.origin != SHAPE:
            text = f"the catalogue's copy of the one in {self.origin}"
        return f"{text}, its weights laid out as {self.file_type}" if self.is_stand_in else text

    def part(self) -> HeaderPart:
        """The file as far as its header goes; without a tokenizer (gguf/write.py)."""
        keys = bare_keys(self.architecture, self.model)
        keys |= {"general.file_type": FILE_TYPE_NUMBERS[self.file_type], **self.keys}
        return made_part(header_bytes(keys, self.shapes, self.types), f"{self.model}.gguf")


def shipped_layout(model: str, quantization: str, source: str) -> Layout | None:
    """
    The layout of a variant of the catalogue; None where there is none.

    Args:
        model: Its name in the catalogue.
        quantization: The variant's.
        source: What the variant's source is called: another file of the same names has another
            layout.

    Raises:
        HarnessError: The data is missing from this installation.
    """
    found = _document()["models"].get(model, {})
    variant = found.get("variants", {}).get(quantization)
    if variant is None or variant["source"] != source:
        return None
    table = found["tables"][variant["table"]]
    return Layout(
        model=model,
        architecture=found["architecture"],
        origin=variant["origin"],
        file_type=variant["file_type"],
        is_stand_in=variant["is_stand_in"],
        keys=table["keys"],
        shapes={name: tuple(shape) for name, shape in table["tensors"].items()},
        types=dict(zip(table["tensors"], variant["types"].split(), strict=True)),
    )


@cache
def _document() -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(gzip.decompress(LAYOUTS_FILE.read_bytes()))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise HarnessError(
            f"{LAYOUTS_FILE} cannot be read ({error}); install harness again"
        ) from error
    return document
