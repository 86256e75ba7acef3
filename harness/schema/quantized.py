"""What parent and worker say to each other about quantizing: what is wanted, what it will give."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt

from harness.schema.record import Record


class Quantizing(Record):
    """
    What is to be quantized to.

    Without a `target_path` each of `file_types` is only planned; with one the only type is written
    there. `keys` are added to the file's metadata, texts of at most 127 bytes.
    `allows_requantizing` lets a source be quantized that is so already.
    """

    file_types: tuple[str, ...] = Field(min_length=1)
    target_path: str | None = None
    keys: dict[str, str] = Field(default_factory=dict)
    n_threads: NonNegativeInt = 1
    allows_requantizing: bool = False


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
