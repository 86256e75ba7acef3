"""Types by our rules against the types by llama-quantize itself, asked without quantizing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from make.probe import quantized_types
from make.shapes import COMPRESSED, spec_of

from harness.models.catalog.spec import HubSource, Variant
from harness.models.gguf.tensor_types import FILE_TYPES
from tools.catalogue.architectures.blueprint import ShapeUnknown
from tools.catalogue.quantization import fitting, mixes_of
from tools.catalogue.shapes import layout_of

# What the rules look at: architecture, layers, heads that share a key, experts, tied embeddings,
# and rows that are no multiple of a block.
_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "dense": ("llama", {"n_layer": 24}),
    "four heads to a key": ("llama", {"n_layer": 33, "n_head_kv": 1}),
    "as deep as a 70B": ("qwen2", {"n_layer": 80}),
    "tied": ("gemma3", {"n_layer": 26}),
    "fused": ("phi3", {"n_layer": 40}),
    "as many experts as Mixtral": ("qwen3moe", {"n_layer": 24, "n_expert": 8}),
    "many experts": ("qwen3moe", {"n_layer": 24}),
    "latent attention": ("deepseek2", {"n_layer": 24}),
    "a layer that guesses ahead": ("glm4moe", {"n_layer": 23}),
    "states beside attention": ("qwen35moe", {"n_layer": 24, "n_layer_full_attn": 6}),
    "states in a dense model": ("qwen35", {"n_layer": 24, "n_layer_full_attn": 6}),
    "both gates of a state in one": ("qwen3next", {"n_layer": 24, "n_layer_full_attn": 6}),
    "experts beside a dense part": ("gemma4", {"n_layer": 30}),
    "heads that differ by layer": (
        "gemma4",
        {"n_layer": 24, "n_expert": None, "n_expert_used": None, "n_ff_exp": None},
    ),
    "layers of one part alone": (
        "nemotron_h_moe",
        {"n_layer": 24, "layer_pattern": "MEMEM*EMEMEM*EMEMEM*EMEM"},
    ),
    "experts on fewer elements": (
        "nemotron_h_moe",
        {"n_layer": 24, "layer_pattern": "MEMEM*EMEMEM*EMEMEM*EMEM", "moe_latent_size": 128},
    ),
    "latent attention, fused experts": ("mistral4", {"n_layer": 24}),
    "a gate beside attention": ("muse-glimmer", {"n_layer": 24}),
    "compressed attention": (
        "deepseek4",
        {"n_layer": 24, "compressed": COMPRESSED.model_copy(update={"ratios": (0, 4, 128) * 8})},
    ),
    "odd rows": ("llama", {"n_layer": 9, "n_embd": 288, "n_ff": 416, "head_dim": 72}),
    "very odd rows": ("llama", {"n_layer": 9, "n_embd": 280, "n_ff": 280, "head_dim": 70}),
}


# The engine is asked for thirty file types of each: a second apiece.
_QUICK = ("odd rows", "experts beside a dense part", "states beside attention")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in _QUICK else pytest.mark.slow) for name in _MODELS],
)
def test_types_are_those_that_llama_quantize_chooses(name: str, tmp_path: Path) -> None:
    architecture, changes = _MODELS[name]
    source = spec_of(architecture, "F16", **changes)
    layout = layout_of(source, source.variants[0])
    part = layout.part()
    path = tmp_path / "f16.gguf"
    path.write_bytes(part.data)
    with path.open("rb+") as file:
        file.truncate(part.n_bytes)
    answers = quantized_types(path)
    assert len(answers) == 30
    for answer in answers:
        spec = spec_of(architecture, FILE_TYPES[answer["file_type"]], **changes)
        assert layout_of(spec, spec.variants[0]).types == answer["types"], answer["file_type"]


def _variant(quantization: str, repo: str = "nobody/nothing") -> Variant:
    return Variant(quantization=quantization, source=HubSource(kind="hub", repo=repo))


def test_experts_of_gpt_oss_stay_as_they_were_trained() -> None:
    for quantization in ("Q4_K_M", "F16", "MXFP4"):
        spec = spec_of("gpt-oss", quantization)
        types = layout_of(spec, spec.variants[0]).types
        assert {types[name] for name in types if name.endswith("_exps.weight")} == {"MXFP4"}
        assert types["blk.0.ffn_gate_inp.weight"] == "F32"


def test_a_mix_without_published_rules_is_named_as_a_stand_in() -> None:
    assert [mix.file_type for mix in mixes_of(_variant("UD-Q4_K_XL"))] == [
        "Q4_K_M", "Q4_K_S", "Q5_K_S",
    ]  # fmt: skip
    assert {mix.stands_for for mix in mixes_of(_variant("UD-Q4_K_XL"))} == {"UD-Q4_K_XL"}
    assert [mix.stands_for for mix in mixes_of(_variant("Q4_K_M"))] == [None]


def test_ggml_org_stores_the_trunk_of_qwen_3_6_wider_than_its_experts() -> None:
    spec = spec_of("qwen35moe")
    source = HubSource(kind="hub", repo="ggml-org/Qwen3.6-35B-A3B-GGUF")
    types = layout_of(spec, Variant(quantization="Q4_K_M", source=source)).types
    assert types["token_embd.weight"] == types["blk.3.ffn_down_exps.weight"] == "Q4_K"
    assert types["output.weight"] == "Q6_K"
    assert types["blk.0.ssm_out.weight"] == types["blk.3.attn_output.weight"] == "Q8_0"
    assert types["blk.0.ffn_up_shexp.weight"] == "Q8_0"
    assert types["blk.0.ffn_gate_inp.weight"] == types["blk.0.ssm_conv1d.weight"] == "F32"


def test_metas_own_name_is_a_known_mix_with_a_smaller_head() -> None:
    spec = spec_of("muse-glimmer")
    source = HubSource(kind="hub", repo="meta-models/Muse-Glimmer-30B-GGUF")
    mixed = layout_of(spec, Variant(quantization="KQUANT-17GB", source=source)).types
    plain = layout_of(spec, Variant(quantization="Q4_K_M", source=source)).types
    assert {name for name in plain if plain[name] != mixed[name]} == {"output.weight"}
    assert mixed["output.weight"] == "Q5_K"


@pytest.mark.parametrize(
    ("repo", "quantization", "kind"),
    [
        ("ggml-org/gemma-3-27b-it-qat-GGUF", "Q4_0", "Q8_0"),
        ("google/gemma-4-31B-it-qat-q4_0-gguf", "Q4_0", "Q6_K"),
        ("ggml-org/gemma-4-26B-A4B-it-GGUF", "Q4_K_M", "Q6_K"),
        ("unsloth/gemma-4-31B-it-GGUF", "Q4_K_M", "Q4_K"),
    ],
)
def test_makers_store_an_embedding_that_is_the_head_differently(
    repo: str, quantization: str, kind: str
) -> None:
    spec = spec_of("gemma4")
    variant = Variant(quantization=quantization, source=HubSource(kind="hub", repo=repo))
    assert layout_of(spec, variant).types["token_embd.weight"] == kind


def test_a_mix_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ShapeUnknown, match="KQUANT-17GB"):
        mixes_of(_variant("KQUANT-17GB"))


def test_makers_with_an_importance_matrix_are_known() -> None:
    assert mixes_of(_variant("Q4_0", "bartowski/x"))[0].has_imatrix
    assert not mixes_of(_variant("Q4_0", "Qwen/x"))[0].has_imatrix


def test_rows_that_fit_no_block_stay_half_precision() -> None:
    assert fitting("Q4_K", 512) == "Q4_K"
    assert fitting("Q4_K", 288) == "Q5_0"
    assert fitting("Q4_K", 280) == "F16"
