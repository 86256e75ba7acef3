"""What a model's name means: its header, where that is from, and where its weights lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from harness.models.catalog.spec import ModelSpec, Variant
from harness.models.gguf.header import Header
from harness.models.gguf.part import HeaderPart
from harness.models.gguf.work import work_of
from harness.schema.model import ModelFile
from harness.schema.work import Work

Origin = Literal["local", "hub", "shape"]


@dataclass(frozen=True)
class Model:
    """
    One model, whether its weights are here or not.

    Attributes:
        file: What experiments say of it.
        parts: The headers of its files, first part first; from a shape without a tokenizer.
        origin: Where the header is from.
        source: The same, for people.
        spec: The catalogue's; None for any other model.
        variant: Size and digest of the file that is meant; None for a file of the user's own,
            and for one of the hub whose name tells no quantization.
        path: The first file of a model that is here.
        n_fetched_bytes: What the header cost.
        note: Why the header is not from where it should be.
        stand_in: The plain quantization that a header from a shape is laid out as, where nobody
            published which tensors get which type.
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

    @property
    def weights(self) -> Path:
        """The first file of a model that is known to be here."""
        assert self.path is not None, f"the weights of {self.key} are not here"
        return self.path

    @cached_property
    def work(self) -> Work:
        """
        What one token asks of a machine.

        Raises:
            ModelInvalid: As `work_of`.
        """
        return work_of(self.headers, self.key)
