"""What a worker does with models that do not write, whatever it was told of them."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter_ns

import pytest
from make.other_kinds import TinyModel, bert, decoder, t5
from make.quality import TEXT

from harness.machine.probe import probe_machine
from harness.measure.jobs.measure import MeasureJob, MeasureReport, measure
from harness.measure.jobs.score import ScoreSetup, score, tokenized
from harness.measure.jobs.score_text import QualityText
from harness.models.gguf.model_file import describe
from harness.schema.model_kind import ModelKind
from harness.schema.settings import Settings


def measured(
    folder: Path, model: TinyModel, kind: ModelKind, *workloads: str, n_ubatch: int = 512
) -> MeasureReport:
    now = perf_counter_ns()
    job = MeasureJob(
        model_path=str(model.write(folder)),
        kind=kind,
        settings=Settings(n_threads=1, n_ubatch=n_ubatch),
        workloads=workloads,
        started_ns=now,
        deadline_ns=now,
    )
    return measure(job, log=folder / "run.log")


def test_what_the_engine_says_counts_where_the_header_was_taken_for_a_language_model(
    tmp_path: Path,
) -> None:
    report = measured(tmp_path, bert(), "generates", "pp64", "tg8", "chat")
    assert {it.workload for it in report.case_failures} == {"tg8", "chat"}
    for failure in report.case_failures:
        assert "does not write one token after the other" in failure.message
    assert {trial.workload for trial in report.trials} == {"pp64"}


@pytest.mark.parametrize(
    "model",
    [
        bert(),
        t5(),
        decoder("tiny-both-ways", "embeds", "llama", attention__causal=False),
    ],
    ids=lambda model: model.name,
)
def test_a_text_longer_than_a_micro_batch_is_refused_and_aborts_nothing(
    tmp_path: Path, model: TinyModel
) -> None:
    report = measured(tmp_path, model, model.kind, "pp64", "pp65", n_ubatch=64)
    (failure,) = report.case_failures
    assert failure.workload == "pp65"
    assert "65 tokens are more than a micro-batch of 64" in failure.message
    assert {trial.workload for trial in report.trials} == {"pp64"}


def test_no_perplexity_comes_of_an_encoder(tmp_path: Path) -> None:
    path = bert().write(tmp_path)
    text_path = tmp_path / "text.txt"
    text_path.write_text(TEXT)
    n_ctx = 32
    setup = ScoreSetup(
        text=QualityText("text.txt", text_path.read_bytes()),
        text_path=text_path,
        n_ctx=n_ctx,
        n_chunks=2,
        settings=Settings(n_threads=1, n_batch=n_ctx, n_ubatch=n_ctx, n_ctx=n_ctx),
        budget_ns=10**12,
        silence_ns=10**11,
    )
    subject = tokenized(describe(path, path.name), path, text_path)
    record = score(subject, None, setup, probe_machine())
    assert record.outcome.status == "failed"
    assert "neither a decode speed nor a perplexity" in str(record.outcome.message)
    assert not record.chunks
