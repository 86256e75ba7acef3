"""What is known of a model before its weights are here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.models.catalog.spec import ModelSpec, Variant
from harness.models.gguf.header import Header
from harness.models.gguf.part import HeaderPart
from harness.schema.experiment import ModelFile

Origin = Literal["local", "hub", "shape"]


@dataclass(frozen=True)
class FoundHeaders:
    """
    What is known of a model before its weights are here.

    `source` says where the header is from, for people; `note` why it is not from where it should
    be. `path` is the first file of a model that is here. `n_fetched_bytes` is what the header
    cost. A header from a shape has no tokenizer; where nobody published which tensors get which
    type, `stand_in` is the plain quantization that it is laid out as.
    """

    file: ModelFile
    parts: tuple[HeaderPart, ...]
    origin: Origin
    source: str
    spec: ModelSpec | None = None
    variant: Variant | None = None
    path: Path | None = None
    n_fetched_bytes: int = 0
    note: str | None = None
    stand_in: str | None = None

    @property
    def key(self) -> str:
        """How experiments call it."""
        return self.file.key

    @property
    def headers(self) -> tuple[Header, ...]:
        """One a part, first part first."""
        return tuple(part.header for part in self.parts)
