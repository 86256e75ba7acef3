"""The catalogue that comes with the harness: what its facts must have in common to be true."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
import yaml

from harness.models.catalog.catalog import Catalog, Entry, load_catalog
from harness.models.catalog.spec import GeneratedSource, HubSource, ModelSpec, Shape, WheelSource
from harness.units import count

CATALOG = load_catalog()
SPECS = CATALOG.models
ENTRIES = list(CATALOG.entries())
FILE = Path(__file__).resolve().parents[3] / "models.yaml"

# The systems this program was written to compare.
COMPARED = (
    "gpt-oss-20b",
    "gpt-oss-120b",
    "deepseek-r1-0528-qwen3-8b",
    "deepseek-r1-distill-qwen-1.5b",
    "deepseek-r1-distill-qwen-7b",
    "deepseek-r1-distill-qwen-14b",
    "deepseek-r1-distill-qwen-32b",
    "deepseek-r1-671b",
    "deepseek-v3.1",
    "kimi-k2-instruct",
    "kimi-k2-thinking",
    "minimax-m2",
    "qwen3-0.6b",
    "qwen3-1.7b",
    "qwen3-4b",
    "qwen3-8b",
    "qwen3-14b",
    "qwen3-32b",
    "qwen3-30b-a3b",
    "qwen3-235b-a22b",
)
FAMILIES = ("glm", "llama", "gemma", "phi", "mistral", "smollm2", "olmo", "stories")
# Every layer is attention and a feed-forward network of matrices, nothing shared or left out.
PLAIN = (
    "llama", "qwen2", "qwen3", "qwen3moe", "phi3", "gemma3", "olmo2", "gpt-oss", "minimax-m2",
    "glm4moe", "deepseek2",
)  # fmt: skip


def attention_params(shape: Shape) -> int | None:
    """Weights of one layer's attention; None if the shape does not tell."""
    n, heads, kv = shape.n_embd, shape.n_head, shape.n_head_kv
    if heads is None or kv is None:
        return None
    if shape.mla:
        mla = shape.mla
        queries = mla.q_lora_rank * (n + heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim))
        compress = n * (mla.kv_lora_rank + mla.qk_rope_head_dim)
        expand = mla.kv_lora_rank * heads * (mla.qk_nope_head_dim + mla.v_head_dim)
        return queries + compress + expand + heads * mla.v_head_dim * n
    if shape.head_dim is None:
        return None
    return 2 * n * shape.head_dim * (heads + kv)


def feed_forward_params(shape: Shape, n_experts: int | None) -> int | None:
    """Weights of all layers' networks when `n_experts` of each are counted."""
    n, n_dense = shape.n_embd, shape.leading_dense_layers or 0
    if shape.n_expert is None or n_experts is None:
        return None if shape.n_ff is None else shape.n_layer * 3 * n * shape.n_ff
    if shape.n_ff_exp is None or (n_dense and shape.n_ff is None):
        return None
    shared = (shape.n_expert_shared or 0) * (shape.n_ff_shexp or shape.n_ff_exp)
    expert_layer = 3 * n * (n_experts * shape.n_ff_exp + shared) + n * shape.n_expert
    return n_dense * 3 * n * (shape.n_ff or 0) + (shape.n_layer - n_dense) * expert_layer


def count_params(spec: ModelSpec, *, is_active: bool) -> int | None:
    """
    The parameters that follow from the shape, without norms and biases (a thousandth of them).

    Active: the experts one token uses, and no embedding table beside the output head.
    """
    shape = spec.shape
    if spec.architecture not in PLAIN or shape is None:
        return None
    layer = attention_params(shape)
    experts = shape.n_expert_used if is_active else shape.n_expert
    networks = feed_forward_params(shape, experts)
    if layer is None or networks is None or None in (shape.n_vocab, shape.tied_embeddings):
        return None
    n_tables = 1 if shape.tied_embeddings or is_active else 2
    return shape.n_layer * layer + networks + n_tables * (shape.n_vocab or 0) * shape.n_embd


COUNTED = [spec for spec in SPECS if count_params(spec, is_active=False)]


def test_the_two_that_need_no_hub_come_first() -> None:
    first, second = SPECS[0].variants[0], SPECS[1].variants[0]
    assert (SPECS[0].name, SPECS[1].name) == ("smollm2-135m", "tiny-random")
    assert isinstance(first.source, WheelSource)
    assert isinstance(second.source, GeneratedSource)


@pytest.mark.parametrize("name", COMPARED)
def test_every_model_to_be_compared_is_there_with_a_file(name: str) -> None:
    entry = CATALOG.find(name)
    assert isinstance(entry.variant.source, HubSource)
    assert entry.spec.architecture
    assert entry.spec.parameters.active


@pytest.mark.parametrize("family", FAMILIES)
def test_other_families_are_there_too(family: str) -> None:
    assert any(spec.name.startswith(family) for spec in SPECS)


def test_no_name_means_two_models() -> None:
    names = [name for spec in SPECS for name in spec.names]
    assert len(set(names)) == len(names)


def test_enough_shapes_are_complete_for_the_counts_to_mean_something() -> None:
    assert len(COUNTED) >= 35
    assert {spec.architecture for spec in COUNTED} >= set(PLAIN) - {"olmo2"}


@pytest.mark.parametrize("spec", COUNTED, ids=lambda spec: spec.name)
def test_the_parameters_follow_from_the_shape(spec: ModelSpec) -> None:
    total = count_params(spec, is_active=False)
    assert total is not None
    assert spec.parameters.total == pytest.approx(total, rel=0.02)
    if spec.kind == "moe":
        active = count_params(spec, is_active=True)
        assert spec.parameters.active == pytest.approx(active, rel=0.02)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_mixture_has_experts_and_a_dense_model_has_none(spec: ModelSpec) -> None:
    if spec.shape is not None:
        assert (spec.kind == "moe") == (spec.shape.n_expert is not None)
        assert (spec.shape.n_expert is None) == (spec.shape.n_expert_used is None)
    total, active = spec.parameters.total, spec.parameters.active
    if spec.kind == "moe" and total and active:
        assert active < total / 3


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_sliding_windows_and_layers_agree(spec: ModelSpec) -> None:
    shape = spec.shape
    if shape is None or shape.swa_pattern is None:
        return
    sliding, full = map(int, shape.swa_pattern.split(":"))
    assert shape.swa is not None
    expected = shape.n_layer * full / (sliding + full)
    assert shape.n_layer_full_attn == pytest.approx(expected, abs=1)


def nominal_bits(entry: Entry) -> int | None:
    """What the quantization's name promises: 4 for UD-Q4_K_XL; None if it promises nothing."""
    match = re.search(r"(?:^|-)(?:IQ|TQ|Q|BF|F|FP|MXFP)(\d+)", entry.variant.quantization)
    return int(match[1]) if match else None


def test_files_are_as_large_as_their_quantization_says() -> None:
    # Scales and the tensors kept at more bits add up to two bits a weight; in models below 2 B
    # the embedding table weighs most, and some files hold it twice.
    n_judged = 0
    for entry in ENTRIES:
        bits, size = nominal_bits(entry), entry.variant.size_bytes
        total = entry.spec.parameters.total
        # Its experts stay at 4 bits in every variant.
        if bits is None or size is None or total is None or entry.key == "gpt-oss-20b:F16":
            continue
        n_judged += 1
        most = bits + (2 if total >= 2e9 else 5)
        assert 0.99 * bits <= size * 8 / total <= most, entry.key
    assert n_judged > 130


def test_of_two_quantizations_that_say_so_the_larger_is_larger() -> None:
    for spec in SPECS:
        # K-quants need rows of 256 and fall back to others elsewhere; of gpt-oss only the trunk is
        # quantized again.
        if spec.shape is None or spec.shape.n_embd % 256 or spec.architecture == "gpt-oss":
            continue
        sized = sorted(
            (bits, entry.variant.n_bytes)
            for entry in ENTRIES
            if entry.spec is spec and entry.variant.n_bytes
            if (bits := nominal_bits(entry))
        )
        for low, high in itertools.pairwise(sized):
            assert low[0] == high[0] or low[1] < high[1], spec.name


def test_files_other_than_models_are_not_in_it() -> None:
    text = FILE.read_text("utf-8").lower()
    for other in ("mmproj", "eagle", "-mtp", "imatrix"):
        assert other not in text
    sources = [entry.variant.source for entry in ENTRIES]
    files = [source.file for source in sources if isinstance(source, HubSource) and source.file]
    assert len(files) >= 4
    for file in files:
        assert not set("{}()*?<> ") & set(file)
        assert re.search(r"-0*[NM]+-", file) is None


def test_a_shared_repository_says_which_file_is_meant() -> None:
    owners: dict[str, set[str]] = {}
    for entry in ENTRIES:
        if isinstance(entry.variant.source, HubSource):
            owners.setdefault(entry.variant.source.repo, set()).add(entry.spec.name)
    for entry in ENTRIES:
        source = entry.variant.source
        if isinstance(source, HubSource) and len(owners[source.repo]) > 1:
            assert source.file, entry.key


def test_revisions_are_whole_commits() -> None:
    for entry in ENTRIES:
        source = entry.variant.source
        if isinstance(source, HubSource) and source.revision:
            assert re.fullmatch(r"[0-9a-f]{40}", source.revision), entry.key


def test_licences_without_an_spdx_identifier_say_what_bites() -> None:
    for spec in SPECS:
        has_own_terms = bool(spec.licence and spec.licence.startswith("LicenseRef-"))
        assert has_own_terms == (spec.clause is not None), spec.name


def test_dates_of_release_lie_between_the_oldest_model_and_the_writing() -> None:
    dates = [spec.released.isoformat() for spec in SPECS if spec.released]
    assert len(dates) > 0.7 * len(SPECS)
    assert all("2024-07" <= date <= "2026-11-23" for date in dates)


def test_every_model_can_be_shown_by_name_even_if_no_file_is_known() -> None:
    assert {spec.name for spec in SPECS if not spec.variants} == {
        "deepseek-v3.2",
        "nemotron-3-ultra-550b-a55b",
    }
    for spec in SPECS:
        for name in spec.names:
            assert CATALOG.spec(name.upper()) is spec


def test_its_counts_read_well() -> None:
    counts = {spec.name: count(spec.parameters.total) for spec in SPECS if spec.parameters.total}
    assert counts["gpt-oss-120b"] == "117 B"
    assert counts["kimi-k2-instruct"] == "1.03 T"


def test_both_of_yamls_readers_read_it_alike() -> None:
    plain = yaml.safe_load(FILE.read_text("utf-8"))
    assert Catalog.model_validate(plain) == CATALOG
