"""
The plan of a model's file: its keys and its tensors, before types are chosen.

Names of keys and tensors are those of gguf's constants; which of them the engine demands stands in
src/models/ of llama.cpp, one file an architecture.
"""

from __future__ import annotations

from typing import NoReturn

from harness.models.catalog.spec import (
    CompressedAttention,
    LatentAttention,
    ModelSpec,
    Shape,
    StateSpace,
)
from harness.models.gguf.write import KeyValue


class ShapeUnknown(Exception):
    """The catalogue does not tell enough of a model to lay out its file."""


class Blueprint:
    """
    Keys and tensors of one model, added layer by layer.

    `tensors` maps names to shapes, fastest dimension first. `has_head` says whether the file has
    an output head of its own; where it has none, the embedding table serves.
    """

    def __init__(self, spec: ModelSpec, *, has_head: bool) -> None:
        if spec.shape is None or spec.architecture is None:
            missing = "architecture" if spec.shape else "shape"
            raise ShapeUnknown(f"the catalogue does not tell the {missing} of {spec.name}")
        self.shape: Shape = spec.shape
        self.architecture = spec.architecture
        self.has_head = has_head
        self.keys: dict[str, KeyValue] = {}
        self.tensors: dict[str, tuple[int, ...]] = {}
        self._name = spec.name

    def need(self, field: str) -> int:
        """
        The number that the shape has as `field`.

        Raises:
            ShapeUnknown: It has none.
        """
        value = getattr(self.shape, field)
        if value is None:
            self.fail(f"shape.{field}")
        return int(value)

    def need_latent(self) -> LatentAttention:
        """The ranks of latent attention; ShapeUnknown without."""
        if self.shape.mla is None:
            self.fail("shape.mla")
        return self.shape.mla

    def need_compressed(self) -> CompressedAttention:
        """How attention is compressed; ShapeUnknown without."""
        if self.shape.compressed is None:
            self.fail("shape.compressed")
        return self.shape.compressed

    def need_state(self) -> StateSpace:
        """The size of what recurrent layers keep; ShapeUnknown without."""
        if self.shape.ssm is None:
            self.fail("shape.ssm")
        return self.shape.ssm

    def fail(self, what: str) -> NoReturn:
        """ShapeUnknown that names `what` as missing."""
        raise ShapeUnknown(
            f"{what} of {self._name} is not in the catalogue, and a {self.architecture} model "
            "cannot be laid out without it"
        )

    def key(self, name: str, value: KeyValue) -> None:
        """A key of the architecture."""
        self.keys[f"{self.architecture}.{name}"] = value

    def tensor(self, name: str, *shape: int) -> None:
        """A tensor by its full name."""
        self.tensors[name] = shape

    # ------------------------------------------------- widths that follow from the shape

    @property
    def n_embd(self) -> int:
        """Width of the residual stream."""
        return self.shape.n_embd

    @property
    def n_head(self) -> int:
        """Heads that ask."""
        return self.need("n_head")

    @property
    def n_head_kv(self) -> int:
        """Heads that answer; as many as ask where the shape does not say."""
        return self.shape.n_head_kv or self.n_head

    @property
    def key_length(self) -> int:
        """Elements of one head's key."""
        return self.shape.key_length or self.shape.head_dim or self.n_embd // self.n_head

    @property
    def value_length(self) -> int:
        """Elements of one head's value."""
        return self.shape.value_length or self.shape.head_dim or self.n_embd // self.n_head
