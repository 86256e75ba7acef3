"""What the parent asks a worker about texts: what one becomes in a vocabulary, how it scores."""

from __future__ import annotations

from pydantic import PositiveInt

from harness.schema.record import Record


class Tokenizing(Record):
    """A file of text (UTF-8) whose tokens are wanted; of the model only the vocabulary is read."""

    text_path: str


class Scoring(Record):
    """
    A text to be scored in chunks of `n_ctx` tokens, `n_chunks` of them at most.

    With a reference both models are held at once, unless there is a `spill_folder`: then the
    reference goes first, and what it gave passes through a nameless file there.
    """

    text_path: str
    reference_path: str | None = None
    n_ctx: PositiveInt
    n_chunks: PositiveInt
    spill_folder: str | None = None
