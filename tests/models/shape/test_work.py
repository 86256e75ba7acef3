from __future__ import annotations

import pytest

from harness.errors import HarnessError
from harness.models.catalog.catalog import load_catalog
from harness.models.catalog.spec import ModelSpec, Variant
from harness.models.gguf.work import work_of
from harness.models.headers import find_headers
from harness.models.shape.work import _type_name, work_of_spec
from harness.schema.work import Work

CATALOG = load_catalog()


def variant_of(spec: ModelSpec, quantization: str | None = None) -> Variant:
    return next(
        it for it in spec.variants if quantization is None or it.quantization == quantization
    )


def work(name: str, quantization: str | None = None) -> Work:
    spec = CATALOG.spec(name)
    found = work_of_spec(spec, variant_of(spec, quantization))
    assert found is not None
    return found


def with_headers() -> list[str]:
    """Models whose header can be had here, with an exact size in the catalogue."""
    names = []
    for spec in CATALOG.models:
        # Whether embeddings are tied must be known; and the dynamic mixes go their own ways.
        is_plain = spec.shape is not None and spec.shape.tied_embeddings is not None
        if not spec.variants or not spec.variants[0].n_bytes or not is_plain:
            continue
        if spec.variants[0].quantization.startswith("UD-"):
            continue
        try:
            find_headers(spec.name, catalog=CATALOG, asks_hub=False)
        except HarnessError:
            continue
        names.append(spec.name)
    return names


def test_gpt_oss_reads_what_its_tensors_say() -> None:
    # Counted from the tensor tables of the published files: 2.59 and 3.61 GB.
    assert work("gpt-oss-20b").token_read_bytes == pytest.approx(2.59e9, rel=0.01)
    assert work("gpt-oss-120b").token_read_bytes == pytest.approx(3.61e9, rel=0.02)


@pytest.mark.parametrize("name", with_headers())
def test_the_catalogue_agrees_with_the_tensor_table(name: str) -> None:
    spec = CATALOG.spec(name)
    found = find_headers(name, catalog=CATALOG, asks_hub=False)
    exact, coarse = work_of(found.headers, name), work(name)

    # Its own output head beside the embedding table, although the lab ties them: the file of
    # qwen2.5-0.5b holds the table twice.
    if spec.name != "qwen2.5-0.5b-instruct":
        assert coarse.token_read_bytes == pytest.approx(exact.token_read_bytes, rel=0.05)
    assert coarse.n_params_multiplied == pytest.approx(exact.n_params_multiplied, rel=0.005)
    assert coarse.expert_bytes == pytest.approx(exact.expert_bytes, rel=0.03)
    routed = [sum(each.expert_params.values()) for each in (coarse, exact)]
    assert routed[0] == pytest.approx(routed[1], rel=0.005)
    assert coarse.cache_read_bytes(4224) == exact.cache_read_bytes(4224)
    assert coarse.attention_flops(4224) == exact.attention_flops(4224)
    assert coarse.n_blocks == exact.n_blocks
    assert (coarse.is_latent, coarse.is_recurrent) == (exact.is_latent, exact.is_recurrent)


def test_a_dynamic_mix_keeps_its_trunk_wider_than_its_experts() -> None:
    mixed = work("qwen3.5-122b-a10b")

    used = mixed.expert_read_bytes
    n_used = CATALOG.spec("qwen3.5-122b-a10b").shape
    assert n_used is not None
    assert n_used.n_expert is not None
    assert n_used.n_expert_used is not None
    assert used == pytest.approx(
        mixed.expert_bytes * n_used.n_expert_used / n_used.n_expert, rel=0.001
    )
    assert mixed.token_read_bytes - used > used


@pytest.mark.parametrize("name", ["kimi-k3", "qwen3.8-flash-next", "glm-5.3-flash"])
def test_what_the_catalogue_does_not_know_is_not_made_up(name: str) -> None:
    spec = CATALOG.spec(name)

    assert work_of_spec(spec, spec.variants[0]) is None


def test_every_work_of_the_catalogue_holds_together() -> None:
    n_found = 0
    for entry in CATALOG.entries():
        found = work_of_spec(entry.spec, entry.variant)
        if found is None:
            continue
        n_found += 1
        assert 0 < found.token_read_bytes <= found.weights_bytes
        assert 0 <= found.expert_read_bytes <= found.token_read_bytes
        assert found.expert_bytes < found.weights_bytes
        assert found.is_mixture == (entry.spec.kind == "moe")
    assert n_found > 100


@pytest.mark.parametrize(
    ("quantization", "name"),
    [
        ("Q4_K_M", "Q4_K"),
        ("UD-Q4_K_XL", "Q4_K"),
        ("Q8_0", "Q8_0"),
        ("UD-IQ2_XXS", "IQ2_XXS"),
        ("UD-TQ1_0", "TQ1_0"),
        ("MXFP4", "MXFP4"),
        ("FP16", "F16"),
        ("IQ4_XS", "IQ4_XS"),
        ("KQUANT-17GB", "KQUANT-17GB"),
    ],
)
def test_the_type_of_most_weights_follows_from_the_name(quantization: str, name: str) -> None:
    assert _type_name(quantization) == name
