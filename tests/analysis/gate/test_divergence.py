"""Stored KL divergences held to a limit."""

from __future__ import annotations

import numpy as np
import pytest
from make.gate import make_candidate, make_sides, model_called
from make.quality import make_chunks, make_record

from harness.analysis.gate.divergence import judge_quality
from harness.analysis.gate.judge import Check
from harness.analysis.quality import quality_of
from harness.schema.model import ModelFile
from harness.schema.outcome import Outcome
from harness.schema.quality import QualityRecord

QUANT = model_called("m:Q4_0", sha256="4" * 64)
FULL = model_called("m:F16", sha256="16" * 32)
CHUNKS = make_chunks(np.random.default_rng(3), n_chunks=6)[0]


def record(
    model: ModelFile = QUANT,
    reference: ModelFile | None = FULL,
    n_chunks: int = 6,
    build: str = "0123abc",
    outcome: Outcome | None = None,
) -> QualityRecord:
    made = make_record(CHUNKS[:n_chunks], outcome=outcome)
    engine = made.provenance.engine.model_copy(update={"library_commit": build})
    provenance = made.provenance.model_copy(update={"engine": engine})
    return made.model_copy(
        update={"model": model, "reference": reference, "provenance": provenance}
    )


def judged(
    records: list[QualityRecord], max_kl: float = 9.0, models: tuple[ModelFile, ...] = (QUANT,)
) -> list[Check]:
    return judge_quality(make_sides(make_candidate(models=models), n_runs=1), records, max_kl)


def kl_of(n_chunks: int = 6) -> tuple[float, float, float]:
    distance = quality_of(CHUNKS[:n_chunks]).distance
    assert distance
    figure = distance.mean_kld
    assert figure.low is not None
    assert figure.high is not None
    return figure.low, figure.value, figure.high


def test_the_whole_interval_decides() -> None:
    low, value, high = kl_of()
    for limit, verdict in ((high, "pass"), (value, "inconclusive"), (low * 0.99, "regression")):
        (check,) = judged([record()], limit)
        assert check.verdict == verdict
        assert check.level
        assert check.level.value == value
        assert check.limit == limit


def test_without_a_result_the_command_that_makes_one_is_told() -> None:
    for records in ([], [record(reference=None)], [record(model=FULL)]):
        (check,) = judged(records)
        assert (check.verdict, check.cause) == ("inconclusive", "no-quality")
        assert "`harness quality m:Q4_0 --reference MODEL`" in check.text


def test_a_result_of_another_build_vouches_for_nothing() -> None:
    (check,) = judged([record(build="feedbee")])
    assert check.cause == "no-quality"
    assert "another build" in check.text


def test_a_file_of_the_same_name_with_other_bytes_is_another_model() -> None:
    (check,) = judged([record(model=model_called("m:Q4_0", sha256="9" * 64))])
    assert check.cause == "no-quality"


def test_the_newest_result_counts() -> None:
    failed = record(outcome=Outcome(status="failed", reason="decode-failed", message="NaN."))
    (check,) = judged([record(), failed])
    assert (check.cause, check.text) == ("failed", "scoring failed: NaN.")
    (check,) = judged([failed, record()])
    assert check.verdict == "pass"


def test_one_chunk_gives_no_interval_and_no_verdict() -> None:
    (check,) = judged([record(n_chunks=1)])
    assert check.cause == "no-quality"
    assert "--chunks" in check.text


def test_the_reference_of_another_model_needs_no_result() -> None:
    (check,) = judged([record()], models=(FULL, QUANT))
    assert (check.model, check.verdict) == ("m:Q4_0", "pass")


@pytest.mark.parametrize(
    ("model", "word"),
    [(model_called("m:t", sha256=None, is_twin=True), "random"),
     (model_called("m:u", sha256=None), "digest")],
)  # fmt: skip
def test_what_cannot_have_a_quality_is_told(model: ModelFile, word: str) -> None:
    (check,) = judged([record()], models=(model,))
    assert check.cause == "no-quality"
    assert word in check.text
