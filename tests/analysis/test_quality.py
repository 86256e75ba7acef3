"""llama-perplexity's figures, worked out again from all logits in one go."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from make.quality import Logits, make_chunks, make_record
from numpy.typing import NDArray
from scipy.special import log_softmax

from harness.analysis.frontier.measured_quality import measured_quality
from harness.analysis.quality import figures_of, is_usable, likeness, quality_of, side_by_side
from harness.schema.outcome import Outcome
from harness.schema.quality import ChunkScores

Made = list[tuple[Logits, Logits, NDArray[np.int32]]]


class Plain:
    """Every token's figures, by the definitions, without sums of chunks."""

    def __init__(self, made: Made) -> None:
        own = log_softmax(np.concatenate([a for a, _, _ in made]).astype(float), axis=1)
        base = log_softmax(np.concatenate([b for _, b, _ in made]).astype(float), axis=1)
        rows, targets = np.arange(len(own)), np.concatenate([t for _, _, t in made])
        self.nll, self.base_nll = -own[rows, targets], -base[rows, targets]
        self.kld = (np.exp(base) * (base - own)).sum(axis=1)
        self.same_top = own.argmax(axis=1) == base.argmax(axis=1)
        self.n = len(own)

    def error(self, values: NDArray[np.float64]) -> float:
        return float(values.std() / math.sqrt(self.n - 1))


@pytest.mark.parametrize("seed", [1, 2])
def test_every_figure_is_llama_perplexitys(seed: int) -> None:
    chunks, made = make_chunks(np.random.default_rng(seed), n_chunks=5, n_scored=40)
    plain = Plain(made)
    quality = quality_of(chunks)
    distance = quality.distance
    assert distance is not None
    assert (quality.n_chunks, quality.n_scored) == (5, 200)
    ppl, base = math.exp(plain.nll.mean()), math.exp(plain.base_nll.mean())
    expected = {
        "perplexity": (ppl, ppl * plain.error(plain.nll)),
        "reference_perplexity": (base, base * plain.error(plain.base_nll)),
        "ln_ratio": (math.log(ppl / base), plain.error(plain.nll - plain.base_nll)),
        "perplexity_difference": (
            ppl - base,
            plain.error(ppl * plain.nll - base * plain.base_nll),
        ),
        "mean_kld": (plain.kld.mean(), plain.error(plain.kld)),
        "same_top": (plain.same_top.mean(), plain.error(plain.same_top.astype(float))),
    }
    figures = figures_of(quality)
    for name, (value, error) in expected.items():
        assert figures[name].value == pytest.approx(value, rel=1e-9, abs=1e-12), name
        assert figures[name].standard_error == pytest.approx(error, rel=1e-6), name
    assert distance.kld_p999.value == pytest.approx(np.percentile(plain.kld, 99.9), rel=1e-5)
    assert distance.median_kld.value == pytest.approx(np.median(plain.kld), rel=1e-5)
    assert distance.max_kld.value == pytest.approx(plain.kld.max(), rel=1e-5)


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.floats(0, 2))
def test_every_interval_holds_its_figure(seed: int, n_chunks: int, noise: float) -> None:
    chunks, _ = make_chunks(np.random.default_rng(seed), n_chunks, 9, 5, noise)
    for figure in figures_of(quality_of(chunks)).values():
        assert figure.low is None or figure.low <= figure.value + 1e-12
        assert figure.high is None or figure.high >= figure.value - 1e-12


@given(st.integers(0, 2**32 - 1))
@example(581)
def test_a_model_against_itself_differs_by_nothing(seed: int) -> None:
    chunks, _ = make_chunks(np.random.default_rng(seed), 3, 9, 5, noise=0.0)
    distance = quality_of(chunks).distance
    assert distance is not None
    assert (distance.mean_kld.value, distance.mean_kld.high, distance.max_kld.value) == (0, 0, 0)
    assert (distance.same_top.value, distance.same_top.low) == (1, 1)
    assert distance.ln_ratio.value == 0
    assert distance.ln_ratio.standard_error == 0
    assert distance.perplexity_difference.standard_error == 0


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_chunks_changes_nothing(seed: int) -> None:
    chunks, _ = make_chunks(np.random.default_rng(seed), 4, 9, 5)
    forward, backward = (figures_of(quality_of(it)) for it in (chunks, chunks[::-1]))
    for name, figure in forward.items():
        assert figure.value == pytest.approx(backward[name].value, rel=1e-12)


def test_one_chunk_has_figures_and_no_interval() -> None:
    chunks, _ = make_chunks(np.random.default_rng(1), 1)
    for figure in figures_of(quality_of(chunks)).values():
        assert (figure.low, figure.high) == (None, None)


def test_without_a_reference_there_is_perplexity_alone() -> None:
    chunks, _ = make_chunks(np.random.default_rng(1))
    alone = [chunk.model_copy(update={"reference": None}) for chunk in chunks]
    quality = quality_of(alone)
    assert list(figures_of(quality)) == ["perplexity"]
    assert quality.perplexity == quality_of(chunks).perplexity


def test_a_hopeless_model_has_a_perplexity_that_is_a_number() -> None:
    chunks = [ChunkScores(index=0, n_scored=31, sum_nll=1e30, sum_nll_squared=1e60)] * 2
    assert all(
        math.isfinite(value or 0.0)
        for it in figures_of(quality_of(chunks)).values()
        for value in (it.value, it.low, it.high)
    )


@given(st.lists(st.floats(0, 100), min_size=2, max_size=6))
def test_no_perplexity_and_no_end_of_its_interval_is_below_1(means: list[float]) -> None:
    # Three chunks of 0.1, 0.1 and 1.5 nats: their t interval begins at -1.4 nats, a PPL of 0.24.
    chunks = [
        ChunkScores(index=i, n_scored=31, sum_nll=31 * nll, sum_nll_squared=31 * nll**2)
        for i, nll in enumerate(means)
    ]
    figure = quality_of(chunks).perplexity
    assert figure.low is not None
    assert figure.high is not None
    slack = 1 + 1e-9  # one mean is of sums, the other of means
    assert 1 <= figure.low <= slack * figure.value
    assert figure.value <= slack * figure.high


def test_no_chunks_have_no_figures() -> None:
    with pytest.raises(ValueError, match="chunks"):
        quality_of([])


# ------------------------------------------------------------------ records side by side


def test_alike_records_are_shown_on_the_chunks_they_share() -> None:
    chunks, _ = make_chunks(np.random.default_rng(1), 6)
    other, _ = make_chunks(np.random.default_rng(2), 4)
    shown = side_by_side([make_record(chunks), make_record(other)])
    assert [it.n_chunks if it else None for it in shown] == [4, 4]
    assert shown[0] == quality_of(chunks[:4])


def test_records_of_other_texts_do_not_shorten_each_other() -> None:
    chunks, _ = make_chunks(np.random.default_rng(1), 6)
    records = [make_record(chunks), make_record(chunks[:2], text="u" * 64)]
    assert likeness(records[0]) != likeness(records[1])
    assert [it.n_chunks if it else None for it in side_by_side(records)] == [6, 2]


def test_a_failed_record_has_no_figures_and_an_interrupted_one_has_its_own() -> None:
    chunks, _ = make_chunks(np.random.default_rng(1), 6)
    broken = Outcome(status="failed", reason="decode-failed", message="NaN")
    ended = Outcome(status="failed", reason="interrupted", message="interrupted")
    records = [
        make_record(chunks),
        make_record(chunks[:3], outcome=broken),
        make_record(chunks[:2], outcome=ended),
        make_record([], outcome=ended),
    ]
    assert [is_usable(record) for record in records] == [True, False, True, False]
    assert [it and it.n_chunks for it in side_by_side(records)] == [6, None, 2, None]


# ------------------------------------------------------------------ for the frontier


def test_a_record_becomes_a_row_of_the_frontier() -> None:
    chunks, _ = make_chunks(np.random.default_rng(1), 6)
    record = make_record(chunks)
    row = measured_quality(record)
    distance = quality_of(chunks).distance
    assert row is not None
    assert distance is not None
    assert (row.kl.value, row.kl.low, row.kl.high) == (
        distance.mean_kld.value,
        distance.mean_kld.low,
        distance.mean_kld.high,
    )
    assert row.same_top.is_decisive
    assert (row.model_sha256, row.reference_sha256) == ("a.gguf" * 4, "b.gguf" * 4)
    other = measured_quality(make_record(chunks[:5]))
    assert other is not None
    assert other.alike != row.alike


def test_what_failed_or_has_no_reference_is_no_row_of_the_frontier() -> None:
    chunks, _ = make_chunks(np.random.default_rng(1), 2)
    broken = Outcome(status="failed", reason="hung", message="hung")
    assert measured_quality(make_record(chunks, reference=None)) is None
    assert measured_quality(make_record(chunks, outcome=broken)) is None
    one = measured_quality(make_record(chunks[:1]))
    assert one is not None
    assert not one.kl.is_decisive
