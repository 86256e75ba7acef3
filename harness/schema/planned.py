"""What the engine says that it would take, or make, of a model whose weights it does not read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt

from harness.schema.record import Record

PlannedKind = Literal["kv", "kv-sliding", "recurrent", "compute", "output"]


class PlannedBuffer(Record):
    """A buffer that a context would take; "kv-sliding" is the cache of sliding-window layers."""

    device: str
    kind: PlannedKind
    n_bytes: NonNegativeInt


class PlannedFile(Record):
    """
    What the quantizer would make of one file type, by its own rules.

    `types` are those of the tensors by their names; `n_fallback` of them got another than the
    rules wanted, because their rows are no multiple of its block. With a `refusal` it would not.
    """

    file_type: str
    types: dict[str, str] = Field(default_factory=dict)
    n_fallback: NonNegativeInt = 0
    refusal: str | None = None
