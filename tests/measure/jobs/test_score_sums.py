from __future__ import annotations

import io
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax as reference_log_softmax

from harness.measure.jobs.score_sums import (
    Chunks,
    Reference,
    is_finite,
    log_softmax,
    score_chunk,
    spill,
    spill_bytes,
    spilled,
)

TOKENS = np.arange(100, 150, dtype=np.int32)


def test_the_second_half_of_a_chunk_is_scored_but_for_its_last_position() -> None:
    chunks = Chunks(TOKENS, 16, bos=1)
    assert chunks.n == 3
    assert chunks.scored == range(8, 15)
    assert list(chunks.decoded(1)) == [1, *range(117, 132)]
    assert list(chunks.targets(1)) == list(range(125, 132))
    assert len(Chunks(TOKENS, 512, None).scored) == 255  # as many as llama-perplexity


def test_without_bos_a_chunk_begins_with_its_own_token_and_the_text_stays_as_it_was() -> None:
    assert list(Chunks(TOKENS, 16, None).decoded(0)) == list(range(100, 116))
    Chunks(TOKENS, 16, bos=1).decoded(0)
    assert TOKENS[0] == 100


@given(st.integers(0, 2**32 - 1), st.floats(0, 1e4))
def test_log_softmax_is_the_usual_one(seed: int, scale: float) -> None:
    rows = np.random.default_rng(seed).normal(0, scale, (3, 7)).astype(np.float32)
    expected = reference_log_softmax(rows.astype(float), axis=1)
    assert np.allclose(log_softmax(rows), expected, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_no_number_is_found(value: float) -> None:
    rows = np.zeros((4, 5), dtype=np.float32)
    assert is_finite(rows)
    rows[3, 4] = value
    assert not is_finite(rows)


def test_blocks_of_rows_give_what_all_rows_give(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    base, own = rng.normal(0, 2, (2, 10, 6)).astype(np.float32)
    targets = rng.integers(0, 6, 10).astype(np.int32)
    whole = score_chunk(0, own, targets, Reference(base))
    monkeypatch.setattr("harness.measure.jobs.score_sums._BLOCK", 13)
    assert score_chunk(0, own, targets, Reference(base)) == whole


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1))
def test_half_precision_changes_a_divergence_by_little_of_its_own_size(
    seed: int, noise: float
) -> None:
    rng = np.random.default_rng(seed)
    base = rng.normal(0, 3, (20, 50)).astype(np.float32)
    own = (base + rng.normal(0, noise, base.shape)).astype(np.float32)
    targets = rng.integers(0, 50, 20).astype(np.int32)
    file = io.BytesIO()
    spill(file, base, targets)
    assert file.tell() == spill_bytes(41, 1, 50)
    file.seek(0)
    exact = score_chunk(0, own, targets, Reference(base)).reference
    halves = score_chunk(0, own, targets, spilled(file, 20, 50)).reference
    assert exact is not None
    assert halves is not None
    assert halves.sum_kld == pytest.approx(exact.sum_kld, rel=0.01, abs=20 * 5e-6)
    # What is said of single tokens did not go through half precision.
    assert halves.sum_nll == pytest.approx(exact.sum_nll, rel=1e-12)
    assert halves.n_same_top == exact.n_same_top


def test_a_model_against_its_own_halves_differs_by_next_to_nothing() -> None:
    rng = np.random.default_rng(5)
    base = rng.normal(0, 3, (20, 50)).astype(np.float32)
    targets = rng.integers(0, 50, 20).astype(np.int32)
    file = io.BytesIO()
    spill(file, base, targets)
    file.seek(0)
    own = score_chunk(0, base, targets, spilled(file, 20, 50)).reference
    assert own is not None
    assert 0 <= own.sum_kld / 20 < 1e-6
    assert own.n_same_top == 20


def test_a_file_that_ends_too_early_is_an_error() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"few")
        file.seek(0)
        with pytest.raises(OSError, match="too early"):
            spilled(file, 2, 3)
