"""What a worker does with tasks: the real one, on tiny models."""

from __future__ import annotations

from pathlib import Path

import pytest
from make.small_models import write_small_model

from harness.measure.jobs.measure import MeasureReport
from harness.measure.jobs.task_texts import TASK_TEXTS
from harness.schema.experiment import Trial
from harness.schema.workload_tasks import TASK_CONTEXT, TASK_PROMPTS, TASK_TOKENS
from measure.jobs.test_parallel import measured


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> MeasureReport:
    return measured(tiny_model, tmp_path_factory.mktemp("plain"), "question", "rewrite")


def trial_of(report: MeasureReport, workload: str) -> Trial:
    (trial,) = (it for it in report.trials if it.workload == workload and not it.is_warm_up)
    return trial


def test_every_text_of_a_task_is_answered(plain: MeasureReport) -> None:
    assert plain.outcome.status == "ok", plain.outcome
    assert not plain.case_failures
    for workload in ("question", "rewrite"):
        trial = trial_of(plain, workload)
        assert len(trial.requests) == len(TASK_TEXTS[workload]) > 1
        for request in trial.requests:
            assert request.n_tokens == len(request.token_ids) == TASK_TOKENS
            assert request.n_events == TASK_TOKENS
            assert request.total_ns == request.answered_ns
            assert request.speculation is None
        assert trial.n_tokens == len(trial.requests) * TASK_TOKENS
        sent = [request.sent_ns for request in trial.requests]
        assert sent == sorted(sent)
        assert trial.total_ns == sum(request.answered_ns for request in trial.requests)


def test_a_text_fits_with_its_answer_however_many_tokens_it_is_cut_into(
    plain: MeasureReport,
) -> None:
    # The vocabulary of the tiny model has a token for each byte, and none for more.
    requests = trial_of(plain, "rewrite").requests
    lengths = [len(text.encode()) for text in TASK_TEXTS["rewrite"]]
    assert all(
        (request.n_prompt or 0) >= length for request, length in zip(requests, lengths, strict=True)
    )
    longest = max(len(text.encode()) for texts in TASK_TEXTS.values() for text in texts)
    assert longest + TASK_TOKENS + 100 <= TASK_CONTEXT
    assert set(TASK_TEXTS) == set(TASK_PROMPTS)


def test_a_model_without_a_tokenizer_has_no_tasks(tmp_path: Path) -> None:
    report = measured(write_small_model(tmp_path / "small.gguf"), tmp_path, "story", "tg4")
    (failure,) = report.case_failures
    assert failure.workload == "story"
    assert failure.message == "the model has no tokenizer, and a task is real text"
    assert {it.workload for it in report.trials} == {"tg4"}
