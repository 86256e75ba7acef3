"""Layouts from shapes: small ones of each architecture, and those of the whole catalogue."""

from __future__ import annotations

import pytest
from make.shapes import SHAPES, spec_of

from harness.errors import ModelInvalid
from harness.models.catalog.catalog import Catalog, Entry
from harness.models.gguf.facts import HeaderFacts, readings
from harness.models.gguf.model_file import model_file_of
from tools.catalogue.architectures.blueprint import ShapeUnknown
from tools.catalogue.architectures.known import LAYOUTS
from tools.catalogue.collect import shipped_catalog
from tools.catalogue.shapes import layout_of, require_agreement


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return shipped_catalog()


def test_every_architecture_has_a_small_model_in_these_tests() -> None:
    assert sorted(LAYOUTS) == sorted(SHAPES)


@pytest.mark.parametrize("architecture", LAYOUTS)
def test_our_own_reader_takes_every_header(architecture: str) -> None:
    spec = spec_of(architecture)
    layout = layout_of(spec, spec.variants[0])
    header = layout.part().header
    assert {tensor.name: tensor.shape for tensor in header.tensors} == layout.shapes
    assert {tensor.name: tensor.type_name for tensor in header.tensors} == layout.types
    assert header.metadata["tokenizer.ggml.model"] == "no_vocab"
    assert header.metadata[f"{architecture}.vocab_size"] == 512
    file = model_file_of(
        [header],
        name="x",
        key="x",
        file_name="x",
        n_bytes=header.data_end,
        quantization=None,
        sha256=None,
    )
    assert (file.architecture, file.quantization) == (architecture, "Q4_K_M")
    assert file.n_params == layout.n_params


def test_counts_of_parameters_are_the_published_ones(catalog: Catalog) -> None:
    # What labs round to six zeros says nothing, and GLM's count leaves out a layer in the file.
    n_compared = 0
    for spec in catalog.models:
        total = spec.parameters.total
        is_laid_out = spec.architecture in LAYOUTS and spec.shape is not None
        if not is_laid_out or total is None or total % 1_000_000 == 0 or "glm" in spec.name:
            continue
        variant = spec.variants[-1] if spec.variants else spec_of("llama").variants[0]
        layout = layout_of(spec, variant)
        n_copied = layout.n_params - total  # a head that is a copy of the embedding
        shape = spec.shape
        assert shape is not None
        assert n_copied in (0, shape.n_embd * (shape.n_vocab or 0)), spec.name
        n_compared += 1
    assert n_compared >= 45


def test_a_token_reads_the_active_weights_of_every_mixture(catalog: Catalog) -> None:
    # What labs round to six zeros says nothing.
    n_compared = 0
    for spec in catalog.models:
        active = spec.parameters.active
        is_mixture = spec.architecture in LAYOUTS and spec.shape and spec.kind == "moe"
        if not is_mixture or active is None or active % 1_000_000 == 0:
            continue
        plain = spec.model_copy(update={"variants": spec_of("llama", "F16").variants})
        header = layout_of(plain, plain.variants[0]).part().header
        read = readings(HeaderFacts(header, spec.name), header.tensors)
        assert sum(each.n_elements for each in read) == pytest.approx(active, rel=1e-3), spec.name
        n_compared += 1
    assert n_compared >= 20


@pytest.mark.slow
def test_sizes_are_within_half_a_percent_of_the_exact_ones_in_the_catalogue(
    catalog: Catalog,
) -> None:
    # Less the tokenizer: vocabularies and merges of these models take at most 14 MB.
    n_compared = 0
    for spec in catalog.models:
        if spec.architecture not in LAYOUTS or spec.shape is None or not spec.shape.n_vocab:
            continue
        for variant in spec.variants:
            layout = layout_of(spec, variant)
            if variant.n_bytes is None or layout.is_stand_in:
                continue
            made = layout.data_bytes
            assert made <= variant.n_bytes * 1.005, (spec.name, variant.quantization)
            assert made + 14_000_000 >= variant.n_bytes * 0.995, (spec.name, variant.quantization)
            n_compared += 1
    assert n_compared >= 100


@pytest.mark.slow
def test_a_stand_in_is_within_eight_percent_of_what_it_stands_for(catalog: Catalog) -> None:
    off = {}
    for spec in catalog.models:
        if spec.architecture not in LAYOUTS or spec.shape is None or not spec.shape.n_vocab:
            continue
        for variant in spec.variants:
            layout = layout_of(spec, variant)
            if variant.size_bytes and layout.is_stand_in:
                off[Entry(spec, variant).key] = layout.data_bytes / variant.size_bytes - 1
    too_far = {name for name, ratio in off.items() if abs(ratio) > 0.08}
    assert len(off) >= 20
    # Unsloth's "TQ1_0" of DeepSeek is larger than any mix of one bit.
    assert too_far == {"deepseek-v3.1:UD-TQ1_0"}


def test_a_copy_of_the_embedding_as_head_is_told_from_the_size(catalog: Catalog) -> None:
    spec = catalog.find("qwen2.5-0.5b-instruct").spec
    assert spec.shape is not None
    assert spec.shape.tied_embeddings
    assert "output.weight" in layout_of(spec, spec.variants[0]).shapes
    tied = catalog.find("qwen3-0.6b").spec
    assert "output.weight" not in layout_of(tied, tied.variants[0]).shapes


def test_the_size_of_a_mix_without_rules_does_not_tell_whether_the_head_is_a_copy() -> None:
    spec = spec_of("gemma4", "UD-Q4_K_XL")
    plain = layout_of(spec, spec.variants[0])
    variant = spec.variants[0].model_copy(update={"n_bytes": 2 * plain.data_bytes})
    assert "output.weight" not in layout_of(spec, variant).shapes


def test_what_the_shape_lacks_is_named() -> None:
    with pytest.raises(ShapeUnknown, match=r"shape\.n_ff of small-llama"):
        layout_of(spec := spec_of("llama", n_ff=None), spec.variants[0])
    with pytest.raises(ShapeUnknown, match=r"shape\.mla"):
        layout_of(spec := spec_of("deepseek2", mla=None), spec.variants[0])
    with pytest.raises(ShapeUnknown, match=r"shape\.ssm"):
        layout_of(spec := spec_of("qwen35", ssm=None), spec.variants[0])
    with pytest.raises(ShapeUnknown, match=r"shape\.swa_pattern"):
        layout_of(spec := spec_of("gemma4", swa_pattern=None), spec.variants[0])
    with pytest.raises(ShapeUnknown, match=r"shape\.compressed"):
        layout_of(spec := spec_of("deepseek4", compressed=None), spec.variants[0])
    with pytest.raises(ShapeUnknown, match=r"shape\.layer_pattern"):
        layout_of(spec := spec_of("nemotron_h_moe", layer_pattern=None), spec.variants[0])


def test_an_architecture_without_a_layout_is_refused_by_name() -> None:
    spec = spec_of("llama").model_copy(update={"architecture": "kimi-k3"})
    with pytest.raises(ShapeUnknown, match="kimi-k3"):
        layout_of(spec, spec.variants[0])


def test_an_entry_without_shape_is_refused() -> None:
    spec = spec_of("llama").model_copy(update={"shape": None})
    with pytest.raises(ShapeUnknown, match="does not tell the shape of small-llama"):
        layout_of(spec, spec.variants[0])


def test_an_unknown_training_context_is_written_as_unknown() -> None:
    spec = spec_of("llama").model_copy(update={"context_trained": None})
    assert layout_of(spec, spec.variants[0]).keys["llama.context_length"] == 0


@pytest.mark.parametrize("n_bytes", [50_000_000, 5_000_000_000])
def test_a_shape_that_contradicts_the_size_is_refused(catalog: Catalog, n_bytes: int) -> None:
    spec = catalog.spec("gemma-3-270m-it")
    variant = spec.variants[0].model_copy(update={"n_bytes": n_bytes})
    with pytest.raises(ModelInvalid, match="the catalogue contradicts itself about gemma-3-270m"):
        require_agreement(Entry(spec, variant), layout_of(spec, variant))
