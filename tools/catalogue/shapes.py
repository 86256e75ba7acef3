"""The layout of a model's file, made from what the catalogue says of its shape."""

from __future__ import annotations

from harness.errors import ModelInvalid
from harness.models.catalog.catalog import Entry
from harness.models.catalog.spec import ModelSpec, Variant
from harness.models.gguf.layouts import SHAPE, SIZE_TOLERANCE, Layout
from tools.catalogue.architectures.blueprint import Blueprint, ShapeUnknown
from tools.catalogue.architectures.known import LAYOUTS
from tools.catalogue.quantization import Mix, mixes_of, tensor_types
from tools.catalogue.tensor_rules import QuantizedModel

# What a file may have beyond the weights: the largest vocabularies with their merges take 20 MB.
_TOKENIZER_BYTES = 32_000_000
# A printed size may be rounded to two digits.
_ROUNDING = 0.05


def layout_of(spec: ModelSpec, variant: Variant) -> Layout:
    """
    What the file of `variant` would hold.

    Raises:
        ShapeUnknown: The shape lacks something, or there are no rules for the architecture or
            the quantization.
    """
    layouts = [_layout_with_head_or_without(spec, variant, mix) for mix in mixes_of(variant)]
    size = variant.size_bytes
    if size is None:
        return layouts[0]
    return min(layouts, key=lambda layout: abs(layout.data_bytes - size))


def require_agreement(entry: Entry, layout: Layout) -> None:
    """
    Nothing, if the layout comes to about the size that the catalogue states of the file.

    Raises:
        ModelInvalid: It does not.
    """
    stated = entry.variant.size_bytes
    if stated is None:
        return
    tolerance = SIZE_TOLERANCE + (0 if entry.variant.n_bytes else _ROUNDING)
    made = layout.part().n_bytes
    if made > stated * (1 + tolerance) or made + _TOKENIZER_BYTES < stated * (1 - tolerance):
        raise ModelInvalid(
            f"the catalogue contradicts itself about {entry.key}: its shape comes to "
            f"{made / 1e9:.2f} GB and its file has {stated / 1e9:.2f} GB; correct the entry"
        )


def _layout_with_head_or_without(spec: ModelSpec, variant: Variant, mix: Mix) -> Layout:
    with_head, without = (_layout(spec, mix, has_head=has_head) for has_head in (True, False))
    return with_head if _has_head(spec, variant, with_head, without) else without


def _has_head(spec: ModelSpec, variant: Variant, with_head: Layout, without: Layout) -> bool:
    """
    Whether the file has an output head of its own.

    A model whose head is its embedding table may be shipped with a copy of it all the same
    (Qwen2.5-0.5B is): the size tells, unless the mix is only one that comes near.
    """
    assert spec.shape is not None
    if spec.shape.tied_embeddings is False:
        return True
    if variant.n_bytes is not None and not with_head.is_stand_in:
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
            "shape"
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
    return Layout(
        model=spec.name,
        architecture=plan.architecture,
        origin=SHAPE,
        file_type=mix.file_type,
        is_stand_in=mix.stands_for is not None,
        keys=plan.keys,
        shapes=plan.tensors,
        types=tensor_types(plan.tensors, model, mix),
    )
