"""Made-up weights, read back by the gguf package's own dequantizers."""

from __future__ import annotations

import gguf
import numpy as np
import pytest

from harness.errors import ModelInvalid
from harness.models.gguf.tensor_types import TENSOR_TYPES
from harness.models.twin.blocks import (
    EMBEDDING_RMS,
    ROUTED_EMBEDDING_RMS,
    WEIGHT_RMS,
    random_blocks,
    stored,
)

_READABLE = sorted(
    kind.name
    for kind in TENSOR_TYPES.values()
    if kind.block_elements > 1 and kind.name not in ("Q8_1", "Q8_K", "Q1_0", "Q2_0")
)


@pytest.mark.parametrize("wanted", [WEIGHT_RMS, EMBEDDING_RMS, ROUTED_EMBEDDING_RMS])
@pytest.mark.parametrize("type_name", _READABLE)
def test_random_blocks_hold_weights_of_the_size_asked_for(type_name: str, wanted: float) -> None:
    blocks = random_blocks(type_name, 500, np.random.default_rng(1), wanted)
    weights = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[type_name])
    rms = float(np.sqrt(np.mean(np.square(weights, dtype=np.float64))))
    assert np.isfinite(weights).all()
    assert 0.7 * wanted < rms < 1.5 * wanted
    assert abs(weights.mean()) < 0.15 * wanted
    assert abs(weights).max() < 20 * wanted


@pytest.mark.parametrize("type_name", ["F32", "F16", "BF16"])
def test_numbers_are_stored_as_the_type_says(type_name: str) -> None:
    numbers = np.array([0.5, -2.0, 1.0, 0.0], dtype=np.float32)
    raw = stored(numbers, type_name)
    back = gguf.quants.dequantize(
        raw.view(np.uint8)
        if type_name == "BF16"
        else raw.view({"F32": "<f4", "F16": "<f2"}[type_name]),
        gguf.GGMLQuantizationType[type_name],
    )
    assert back.tolist() == numbers.tolist()


@pytest.mark.parametrize("type_name", ["Q1_0", "Q2_0"])
def test_types_that_only_the_engine_knows_have_a_scale_in_front(type_name: str) -> None:
    blocks = random_blocks(type_name, 100, np.random.default_rng(1))
    scales = blocks[:, :2].copy().view("<f2")
    assert 0.5 * WEIGHT_RMS < float(np.median(scales)) < 1.5 * WEIGHT_RMS
    assert len(np.unique(blocks[:, 2:])) > 200


@pytest.mark.parametrize(("type_name", "place"), [("Q4_1", 0), ("Q4_K", 2), ("Q6_K", 208)])
def test_scales_are_as_various_as_those_of_trained_models(type_name: str, place: int) -> None:
    # The engine looks scales up in a table: one scale for all would always be found in the cache.
    blocks = random_blocks(type_name, 20_000, np.random.default_rng(1))
    scales = blocks[:, place : place + 2].copy().view("<f2").astype(np.float64)
    assert len(np.unique(scales)) > 100
    assert 0.2 < np.log(np.abs(scales)).std() < 0.5


def test_tables_of_indices_point_to_the_first_entry() -> None:
    assert not random_blocks("I32", 10, np.random.default_rng(1)).any()


def test_a_type_that_no_file_is_stored_in_is_refused() -> None:
    with pytest.raises(ModelInvalid, match="Q8_K"):
        random_blocks("Q8_K", 1, np.random.default_rng(1))
