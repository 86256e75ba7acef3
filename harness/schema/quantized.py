"""What the engine's quantizer would make of a model."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt

from harness.schema.record import Record


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
