from __future__ import annotations

import dataclasses
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.gguf import head
from make.moe_shapes import (
    DEEPSEEK_R1,
    GLM_45_AIR,
    GLM_46,
    GPT_OSS_20B,
    GPT_OSS_120B,
    KIMI_K2,
    MINIMAX_M2,
    QWEN3_30B_A3B,
    QWEN3_235B_A22B,
    Mixture,
)

from harness.models.gguf.header import read_header
from harness.models.gguf.model_file import model_file_of
from harness.schema.model import ModelFile

_F32_BYTES = 4


def described(mixture: Mixture) -> ModelFile:
    made = head(mixture.metadata(), mixture.weights())
    header = read_header(io.BytesIO(made.data), made.n_bytes, "m.gguf")
    return model_file_of(
        [header],
        name="m.gguf",
        key="k",
        file_name="m.gguf",
        n_bytes=made.n_bytes,
        quantization=None,
        sha256=None,
    )


@pytest.mark.parametrize(
    ("mixture", "n_params", "n_active"),
    [
        # In billions as published: 20.9 (3.6 active), 116.8 (5.1), 30.5 (3.3), 235 (22), 671 (37),
        # 1,000 (32), 229 (10). Vendors round, and some count the embedding as active; the exact
        # figures follow from the published configurations, with the head and not the embedding.
        (GPT_OSS_20B, 20_914_757_184, 3_608_307_264),
        (GPT_OSS_120B, 116_829_156_672, 5_132_849_472),
        (QWEN3_30B_A3B, 30_532_122_624, 3_041_867_776),
        (QWEN3_235B_A22B, 235_093_634_560, 21_568_433_664),
        (DEEPSEEK_R1, 671_026_419_200, 36_625_618_432),
        (KIMI_K2, 1_026_408_232_448, 31_687_095_808),
        (MINIMAX_M2, 228_689_764_864, 10_415_956_480),
    ],
    ids=["gpt-oss-20b", "gpt-oss-120b", "qwen3-30b", "qwen3-235b", "deepseek", "kimi", "minimax"],
)
def test_a_token_reads_the_active_weights_of_well_known_mixtures(
    mixture: Mixture, n_params: int, n_active: int
) -> None:
    model = described(dataclasses.replace(mixture, trunk_type="F32", expert_type="F32"))
    assert model.n_params == n_params
    assert model.token_read_bytes == n_active * _F32_BYTES


@pytest.mark.parametrize(
    ("mixture", "n_params", "n_active"),
    [(GLM_45_AIR, 106_852_251_264, 12_803_372_672), (GLM_46, 352_797_829_024, 32_856_319_904)],
    ids=["glm-4.5-air", "glm-4.6"],
)
def test_the_layer_that_only_predicts_further_is_in_the_file_and_not_read(
    mixture: Mixture, n_params: int, n_active: int
) -> None:
    """The published figures (106 and 355 billion, 12 and 32 active) are those without it."""
    with_it = described(mixture)
    without = described(dataclasses.replace(mixture, n_nextn=0))
    assert without.n_params == n_params
    assert with_it.n_params > n_params
    assert with_it.token_read_bytes == without.token_read_bytes == n_active * _F32_BYTES


@pytest.mark.parametrize(
    ("mixture", "published_bytes", "read_gb"),
    [(GPT_OSS_20B, 12_109_566_624, 2.575), (GPT_OSS_120B, 63_387_346_208, 3.594)],
    ids=["gpt-oss-20b", "gpt-oss-120b"],
)
def test_the_bytes_of_gpt_oss_are_those_of_its_published_files(
    mixture: Mixture, published_bytes: int, read_gb: float
) -> None:
    model = described(mixture)
    # What is missing is the vocabulary: 13 MB, which is what the first of the three parts of
    # the 120b model weighed that held nothing else.
    vocabulary_bytes = published_bytes - model.n_bytes
    assert 12_900_000 < vocabulary_bytes < 13_100_000
    assert model.token_read_bytes is not None
    assert model.token_read_bytes / 1e9 == pytest.approx(read_gb, abs=0.0005)


mixtures = st.builds(
    Mixture,
    architecture=st.sampled_from(["gpt-oss", "qwen3moe", "deepseek2", "glm4moe", "minimax-m2"]),
    n_layer=st.integers(1, 4),
    n_embd=st.sampled_from([256, 512]),
    n_head=st.sampled_from([4, 8]),
    n_head_kv=st.sampled_from([1, 2, 4]),
    head_width=st.sampled_from([64, 128]),
    n_ff_exp=st.sampled_from([256, 512]),
    n_expert=st.integers(2, 9),
    n_expert_used=st.just(1),
    n_vocab=st.integers(10, 300),
    n_ff=st.sampled_from([256, 768]),
    n_dense=st.integers(0, 1),
    n_shared=st.integers(0, 2),
    n_nextn=st.integers(0, 1),
    has_head_norms=st.booleans(),
    trunk_type=st.sampled_from(["F32", "F16", "Q8_0", "Q4_K"]),
    expert_type=st.sampled_from(["F32", "MXFP4", "Q6_K", "IQ2_XXS"]),
)


@given(mixture=mixtures)
def test_each_expert_more_adds_the_same_and_all_of_them_make_the_whole(mixture: Mixture) -> None:
    counts = range(1, mixture.n_expert + 1)
    read = [
        described(dataclasses.replace(mixture, n_expert_used=n)).token_read_bytes or 0
        for n in counts
    ]
    # One tensor's share is rounded down to a byte, and a layer has at most six.
    steps = [after - before for before, after in itertools.pairwise(read)]
    assert max(steps) - min(steps) <= 6 * mixture.n_layer
    weights = {weight.name: weight for weight in mixture.weights()}
    beside = dataclasses.replace(mixture, n_nextn=0)
    embedding = described(beside).weights_bytes - read[-1]
    alone = head(beside.metadata(), [weights["token_embd.weight"]])
    assert embedding == pytest.approx(alone.n_bytes - len(alone.data), abs=31)
