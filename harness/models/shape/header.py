"""
The header of a model's file, made from what the catalogue says of its shape.

No download, no weights, no tokenizer: enough for the engine to plan memory with, and for a twin
to be filled with random weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ShapeUnknown
from harness.models.catalog.spec import ModelSpec, Variant
from harness.models.gguf.tensor_types import FILE_TYPE_NUMBERS, TYPES_BY_NAME
from harness.models.gguf.write import KeyValue, header_bytes
from harness.models.shape.architectures.blueprint import Blueprint
from harness.models.shape.architectures.known import LAYOUTS
from harness.models.shape.quantization import Mix, mixes_of, tensor_types
from harness.models.shape.tensor_rules import QuantizedModel


@dataclass(frozen=True)
class Layout:
    """A model's file without its data: keys, shapes and types of tensors in their order."""

    spec: ModelSpec
    mix: Mix
    keys: dict[str, KeyValue]
    shapes: dict[str, tuple[int, ...]]
    types: dict[str, str]

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


def write_shape_header(spec: ModelSpec, variant: Variant, path: Path) -> None:
    """
    At `path`, a complete GGUF header for `variant` of `spec`, padded to where data would begin.

    It has no tokenizer: `tokenizer.ggml.model` is "no_vocab".

    Raises:
        ShapeUnknown: The shape lacks something, or there are no rules for the architecture or
            the quantization.
        OSError: The folder cannot be written.
    """
    write_layout(layout_of(spec, variant), path)


def stand_in(spec: ModelSpec, variant: Variant) -> str | None:
    """
    The plain quantization that stands for `variant` in its made header; None if it is its own.

    Raises:
        ShapeUnknown: As `write_shape_header`.
    """
    mix = layout_of(spec, variant).mix
    return mix.file_type if mix.stands_for else None


def layout_of(spec: ModelSpec, variant: Variant) -> Layout:
    """
    What the file of `variant` would hold.

    Raises:
        ShapeUnknown: As `write_shape_header`.
    """
    layouts = [_layout_with_head_or_without(spec, variant, mix) for mix in mixes_of(variant)]
    size = variant.size_bytes
    if size is None:
        return layouts[0]
    return min(layouts, key=lambda layout: abs(layout.data_bytes - size))


def _layout_with_head_or_without(spec: ModelSpec, variant: Variant, mix: Mix) -> Layout:
    with_head, without = (_layout(spec, mix, has_head=has_head) for has_head in (True, False))
    return with_head if _has_head(variant, with_head, without) else without


def _has_head(variant: Variant, with_head: Layout, without: Layout) -> bool:
    """
    Whether the file has an output head of its own.

    A model whose head is its embedding table may be shipped with a copy of it all the same
    (Qwen2.5-0.5B is): the size tells, unless the mix is only one that comes near.
    """
    spec = with_head.spec
    assert spec.shape is not None
    if spec.shape.tied_embeddings is False:
        return True
    if variant.n_bytes is not None and with_head.mix.stands_for is None:
        return _is_nearer(variant.n_bytes, with_head.data_bytes, without.data_bytes)
    if spec.shape.tied_embeddings is None and spec.parameters.total is not None:
        return _is_nearer(spec.parameters.total, with_head.n_params, without.n_params)
    return not spec.shape.tied_embeddings


def _is_nearer(target: int, first: int, second: int) -> bool:
    return abs(target - first) < abs(target - second)


def _layout(spec: ModelSpec, mix: Mix, *, has_head: bool) -> Layout:
    plan = Blueprint(spec, has_head=has_head)
    lay_out = LAYOUTS.get(plan.architecture)
    if lay_out is None:
        raise ShapeUnknown(
            f"{spec.name} is a {plan.architecture} model, whose file cannot be laid out from its "
            "shape; let the hub be asked for its header, or pass the path of its file"
        )
    # 0 is how the engine writes that nobody knows what it was trained for.
    plan.key("context_length", spec.context_trained or 0)
    plan.key("vocab_size", plan.need("n_vocab"))
    lay_out(plan)
    n_head_kv = plan.keys[f"{plan.architecture}.attention.head_count_kv"]
    model = QuantizedModel(
        plan.architecture,
        n_layer=plan.shape.n_layer + (plan.shape.n_layer_nextn or 0),
        n_head=plan.n_head,
        n_head_kv=int(n_head_kv[0] if isinstance(n_head_kv, list) else n_head_kv),
        n_expert=plan.shape.n_expert or 0,
    )
    return Layout(spec, mix, plan.keys, plan.tensors, tensor_types(plan.tensors, model, mix))


def write_layout(layout: Layout, path: Path) -> None:
    """
    The header of `layout` at `path`.

    Raises:
        OSError: The folder cannot be written.
    """
    path.write_bytes(header_of(layout))


def header_of(layout: Layout) -> bytes:
    """A complete GGUF header, padded to where data would begin."""
    assert layout.spec.architecture is not None
    keys = {"general.file_type": FILE_TYPE_NUMBERS[layout.mix.file_type], **layout.keys}
    return header_bytes(
        layout.spec.architecture, layout.spec.name, keys, layout.shapes, layout.types
    )
