from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import pytest
from make.gguf import Value, Weight, head
from make.moe_shapes import (
    DEEPSEEK_R1,
    GLM_45_AIR,
    GPT_OSS_20B,
    GPT_OSS_120B,
    QWEN3_30B_A3B,
    Mixture,
)

from harness.errors import ModelInvalid
from harness.models.gguf.header import Header, read_header
from harness.models.gguf.work import work_of
from harness.schema.work import Work


def header_of(metadata: Mapping[str, Value], weights: Sequence[Weight]) -> Header:
    made = head(metadata, weights)
    return read_header(io.BytesIO(made.data), made.n_bytes, "m.gguf")


def work_of_mixture(mixture: Mixture, **more: Value) -> Work:
    named = {f"{mixture.architecture}.{key.replace('__', '.')}": it for key, it in more.items()}
    return work_of([header_of(mixture.metadata() | named, mixture.weights())])


def layered(
    architecture: str, layers: Sequence[Sequence[str]], metadata: Mapping[str, Value]
) -> Work:
    """A model of 64 wide layers that hold matrices of the given names."""
    keys: dict[str, Value] = {
        "block_count": len(layers),
        "embedding_length": 64,
        "attention.head_count": 4,
    }
    named = {f"{architecture}.{key}": value for key, value in {**keys, **metadata}.items()}
    weights = [Weight("token_embd.weight", (64, 32), "Q8_0"), Weight("output_norm.weight", (64,))]
    weights += [
        Weight(f"blk.{layer}.{name}.weight", (64, 64), "Q8_0")
        for layer, names in enumerate(layers)
        for name in names
    ]
    return work_of([header_of({"general.architecture": architecture} | named, weights)])


PLAIN = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down")


@pytest.mark.parametrize(
    ("mixture", "token_gb", "expert_gb"),
    # 2.575 and 3.594 GB: of the published files' tensor tables, a token's experts and all else.
    [(GPT_OSS_20B, 2.575, 1.272), (GPT_OSS_120B, 3.594, 1.909)],
    ids=["20b", "120b"],
)
def test_gpt_oss_reads_what_its_files_say(
    mixture: Mixture, token_gb: float, expert_gb: float
) -> None:
    work = work_of_mixture(mixture, attention__sliding_window=128)
    assert work.token_read_bytes / 1e9 == pytest.approx(token_gb, abs=0.001)
    assert work.expert_read_bytes / 1e9 == pytest.approx(expert_gb, abs=0.001)
    assert work.expert_bytes == work.expert_read_bytes * mixture.n_expert // 4
    assert work.is_mixture
    assert sum(work.type_read_bytes.values()) == work.token_read_bytes
    assert sum(work.type_params.values()) == work.n_params_multiplied


def test_gpt_oss_slides_in_every_other_layer() -> None:
    work = work_of_mixture(GPT_OSS_20B, attention__sliding_window=128)
    assert {(part.n_layer, part.n_positions_max) for part in work.attention} == {
        (12, 128), (12, None),
    }  # fmt: skip
    # 12 layers x 1024 elements x 2 bytes, behind 1024 positions and behind 128.
    assert work.cache_read_bytes(1024) == 12 * 1024 * 2 * (1024 + 128)


def test_a_prompt_multiplies_the_active_weights_without_embedding_and_head() -> None:
    work = work_of_mixture(QWEN3_30B_A3B)
    head_params = 2048 * 151_936
    # Eight experts and the router of the last of 48 blocks: only the last token gets that far.
    last_params = 8 * 3 * 2048 * 768 + 2048 * 128
    expected = 3_041_867_776 - head_params - last_params
    assert work.n_params_multiplied == pytest.approx(expected, rel=1e-4)
    assert sum(work.expert_params.values()) == 47 * 8 * 3 * 2048 * 768
    assert work.n_blocks == 48


def test_gpt_oss_takes_every_token_of_a_prompt_through_the_experts_of_all_blocks() -> None:
    work = work_of_mixture(GPT_OSS_20B, attention__sliding_window=128)
    assert work.expert_params["MXFP4"] == 24 * 4 * 3 * 2880 * 2880


@pytest.mark.parametrize(
    ("architecture", "n_matrices"), [("llama", 6 + 4), ("qwen2", 6 + 4), ("qwen35", 6 + 6)]
)
def test_of_a_prompt_the_last_token_alone_goes_through_the_last_feed_forward_part(
    architecture: str, n_matrices: int
) -> None:
    work = layered(architecture, [PLAIN, PLAIN], {})
    assert work.n_params_multiplied == n_matrices * 64 * 64


def test_latent_attention_keeps_keys_alone() -> None:
    work = work_of_mixture(DEEPSEEK_R1, rope__dimension_count=64)
    (part,) = work.attention
    assert work.is_latent
    assert (part.n_key_elements, part.n_value_elements, part.n_layer) == (576, 0, 61)
    assert (part.head_key_length, part.head_value_length, part.n_head) == (576, 512, 128)
    assert work.cache_read_bytes(1024) == 61 * 576 * 2 * 1024


def test_layers_that_predict_further_tokens_are_left_out() -> None:
    work = work_of_mixture(GLM_45_AIR)
    assert work.n_blocks == 46
    assert sum(part.n_layer for part in work.attention) == 46


@pytest.mark.parametrize(
    ("architecture", "metadata", "full"),
    [
        ("llama", {"attention.sliding_window": 128}, 12),
        ("phi3", {"attention.sliding_window": 128}, 12),
        ("gemma2", {}, 6),
        ("gemma3", {"attention.sliding_window": 128}, 2),
        ("gemma3", {}, 12),
        ("gemma3n", {"attention.sliding_window": 128}, 2),
        ("cohere2", {"attention.sliding_window": 128}, 3),
        ("olmo2", {"attention.sliding_window": 128}, 3),
        ("olmo2", {}, 12),
        ("llama4", {}, 3),
        ("llama4", {"attention.sliding_window": 0}, 12),
        ("plamo3", {"attention.sliding_window": 128}, 1),
        ("gemma3", {"attention.sliding_window": 128, "attention.sliding_window_pattern": 3}, 4),
        (
            "gemma4",
            {
                "attention.sliding_window": 128,
                "attention.sliding_window_pattern": [True] * 5 + [False] + [True] * 5 + [False],
            },
            2,
        ),
    ],
)
def test_windows_follow_the_architecture(
    architecture: str, metadata: dict[str, Value], full: int
) -> None:
    work = layered(architecture, [PLAIN] * 12, metadata)
    n_full = sum(part.n_layer for part in work.attention if part.n_positions_max is None)
    assert n_full == full
    assert sum(part.n_layer for part in work.attention) == 12


def test_the_first_of_each_four_is_full_where_the_engine_says_so() -> None:
    heads: dict[str, Value] = {
        "attention.sliding_window": 128,
        "attention.head_count_kv": [2, 1, 1, 1, 2, 1, 1, 1],
    }
    work = layered("smallthinker", [PLAIN] * 8, heads)
    full = [part for part in work.attention if part.n_positions_max is None]
    assert [(part.n_layer, part.n_key_elements) for part in full] == [(2, 2 * 16)]


def test_sliding_layers_may_have_heads_of_another_width() -> None:
    metadata: dict[str, Value] = {
        "attention.sliding_window": 128,
        "attention.sliding_window_pattern": [True, False],
        "attention.head_count_kv": 2,
        "attention.key_length": 32,
        "attention.value_length": 32,
        "attention.key_length_swa": 16,
        "attention.value_length_swa": 16,
    }
    sliding, full = layered("gemma4", [PLAIN] * 2, metadata).attention
    assert (sliding.n_positions_max, sliding.n_key_elements) == (128, 32)
    assert (full.n_positions_max, full.n_key_elements) == (None, 64)


def test_compressed_layers_read_a_window_and_a_vector_for_many_positions() -> None:
    metadata: dict[str, Value] = {
        "attention.compress_ratios": [0, 4, 128, 4, 0],
        "attention.head_count_kv": 1,
        "attention.key_length": 512,
        "attention.value_length": 512,
        "attention.sliding_window": 128,
        "attention.indexer.key_length": 128,
    }
    layer = ("attn_q_a", "attn_q_b", "attn_kv", "attn_output_a", "ffn_up", "ffn_down")
    work = layered("deepseek4", [layer] * 4, metadata)
    read = {(part.n_layer, part.n_positions_max, part.n_key_elements) for part in work.attention}
    assert read == {(4, 128, 512), (2, None, 160), (1, None, 4)}
    assert {part.n_value_elements for part in work.attention} == {0}


def test_linear_layers_do_not_attend() -> None:
    linear = ("attn_qkv", "attn_gate", "ssm_out", "ffn_up", "ffn_down")
    work = layered("qwen3next", [linear, linear, linear, PLAIN], {})
    assert [part.n_layer for part in work.attention] == [1]
    assert work.is_recurrent
    assert work.n_blocks == 4


def test_a_mixer_and_a_feed_forward_part_in_layers_of_their_own_are_one_block() -> None:
    metadata: dict[str, Value] = {
        "attention.head_count": [0, 0, 4, 0],
        "attention.head_count_kv": [0, 0, 2, 0],
    }
    layers = [("ssm_in", "ssm_out"), ("ffn_up", "ffn_down"), PLAIN[:4], ("ffn_up", "ffn_down")]
    # As in published files, where every layer has it.
    normed = [("attn_norm", *layer) for layer in layers]
    work = layered("nemotron_h", normed, metadata)
    assert work.n_blocks == 2
    assert [(part.n_layer, part.n_key_elements) for part in work.attention] == [(1, 32)]


def test_a_tied_embedding_is_read_as_the_head_but_multiplied_only_once() -> None:
    work = layered("llama", [PLAIN], {})
    assert work.token_read_bytes == work.weights_bytes
    assert work.n_params_multiplied == 4 * 64 * 64
    assert work.type_params == {"Q8_0": 4 * 64 * 64}


def test_a_header_without_weights_is_refused() -> None:
    empty = header_of({"general.architecture": "llama", "llama.block_count": 1}, [])
    with pytest.raises(ModelInvalid, match="no weights"):
        work_of([empty])
