"""What a worker does with tasks: the real one, on tiny models."""

from __future__ import annotations

from pathlib import Path

import pytest
from make.other_kinds import TinyModel, decoder, mamba, sliding
from make.small_models import write_small_model

from harness.measure.jobs.draft import why_unlike
from harness.measure.jobs.measure import MeasureReport
from harness.measure.jobs.task_texts import TASK_TEXTS
from harness.models.gguf.write import KeyValue
from harness.schema.experiment import Trial
from harness.schema.request import Request
from harness.schema.settings import NGRAM
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


def n_same(a: Request, b: Request) -> int:
    """Tokens that two answers have in common from their beginning."""
    pairs = enumerate(zip(a.token_ids, b.token_ids, strict=True))
    return next((at for at, (x, y) in pairs if x != y), len(a.token_ids))


def test_what_stood_before_is_guessed_and_changes_little_of_what_is_written(
    plain: MeasureReport, tmp_path: Path, tiny_model: Path
) -> None:
    report = measured(tiny_model, tmp_path, "question", draft=NGRAM, draft_max=4)
    assert report.outcome.status == "ok", report.outcome
    requests = trial_of(report, "question").requests
    for request in requests:
        guessed = request.speculation
        assert guessed is not None
        assert request.n_tokens == TASK_TOKENS
        assert len(guessed.drafted) == len(guessed.accepted) == len(request.gap_ns)
        assert guessed.n_accepted + len(guessed.drafted) == TASK_TOKENS - 1
        assert 0 < guessed.n_accepted <= guessed.n_drafted
        assert max(guessed.drafted) == 4
        assert 0 < guessed.draft_ns < request.decode_ns
    # A batch of several tokens is rounded otherwise than one: near ties may fall the other way.
    alike = map(n_same, requests, trial_of(plain, "question").requests)
    assert sum(alike) > len(requests) * TASK_TOKENS / 4


def test_a_model_that_guesses_for_itself_is_nearly_always_right(
    plain: MeasureReport, tmp_path: Path, tiny_model: Path
) -> None:
    report = measured(
        tiny_model,
        tmp_path,
        "question",
        draft="tiny",
        draft_max=3,
        draft_path=str(tiny_model),
    )
    assert report.outcome.status == "ok", report.outcome
    for request in trial_of(report, "question").requests:
        assert request.speculation is not None
        assert request.speculation.n_accepted > 0.8 * request.speculation.n_drafted
    # Both lie in memory, and each has a context.
    assert sum(it.n_bytes for it in report.weights) == 2 * sum(it.n_bytes for it in plain.weights)
    for buffers, of_one in zip(report.contexts, plain.contexts, strict=False):
        assert len(buffers.buffers) == 2 * len(of_one.buffers)


def test_a_smaller_model_guesses_for_a_larger_one(tmp_path: Path, tiny_model: Path) -> None:
    draft = decoder("small", "generates", "llama").write(tmp_path)
    assert why_unlike(tiny_model, draft) is None
    report = measured(
        tiny_model, tmp_path, "question", draft="small", draft_max=2, draft_path=str(draft)
    )
    assert report.outcome.status == "ok", report.outcome
    for request in trial_of(report, "question").requests:
        assert request.n_tokens == TASK_TOKENS
        assert request.speculation is not None
        assert request.speculation.n_drafted > TASK_TOKENS / 2


def test_what_forgets_what_came_before_has_no_draft(tmp_path: Path, tiny_model: Path) -> None:
    forgetful = mamba().write(tmp_path)
    report = measured(forgetful, tmp_path, "story", draft=NGRAM, draft_max=2)
    (failure,) = report.case_failures
    assert failure.message.startswith("the model cannot take back wrong guesses: it has recurrent")
    report = measured(
        tiny_model, tmp_path, "story", draft="m", draft_max=2, draft_path=str(forgetful)
    )
    (failure,) = report.case_failures
    assert failure.message.startswith("its draft cannot take back wrong guesses")


def test_a_window_that_slides_still_holds_what_wrong_guesses_would_have_pushed_out(
    tmp_path: Path,
) -> None:
    path = sliding().write(tmp_path)
    plain = trial_of(measured(path, tmp_path, "question"), "question").requests
    report = measured(path, tmp_path, "question", "story", draft=NGRAM, draft_max=8)
    assert report.outcome.status == "ok", report.outcome
    guessed = trial_of(report, "question").requests
    assert sum(it.speculation.n_drafted for it in guessed if it.speculation) > 0
    alike = map(n_same, plain, guessed)
    assert sum(alike) > len(plain) * TASK_TOKENS / 4
    # Of a step that is longer than a micro-batch that would not be true.
    small = measured(path, tmp_path, "question", draft=NGRAM, draft_max=8, n_ubatch=8)
    (failure,) = small.case_failures
    assert "keep a micro-batch of 8 tokens more than they need, and a step has 9" in failure.message


def test_a_draft_that_cannot_be_loaded_says_that_it_is_the_draft(
    tmp_path: Path, tiny_model: Path
) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(tiny_model.read_bytes()[:500_000])
    report = measured(
        tiny_model, tmp_path, "story", draft="damaged", draft_max=2, draft_path=str(damaged)
    )
    assert report.outcome.status == "failed"
    assert (report.outcome.message or "").startswith("the draft damaged: ")


def with_tokens(folder: Path, name: str, tokens: list[str], **more: KeyValue) -> Path:
    """A small model with other tokens than tiny-random has."""
    small, n = decoder("small", "generates", "llama"), len(tokens)
    keys: dict[str, KeyValue] = {
        **small.keys,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * n,
        "tokenizer.ggml.token_type": [2, 3, 3, *[6] * 256, *[1] * (n - 259)],
        **more,
    }
    shapes = dict(small.shapes)
    shapes |= {it: (shapes[it][0], n) for it in ("token_embd.weight", "output.weight")}
    return TinyModel(name, "generates", keys, shapes).write(folder)


@pytest.mark.slow
def test_vocabularies_that_differ_are_told_apart(tmp_path: Path, tiny_model: Path) -> None:
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581"]

    def unlike(name: str, tokens: list[str], **more: KeyValue) -> str | None:
        return why_unlike(tiny_model, with_tokens(tmp_path, name, tokens, **more))

    other = unlike("other", [*tokens[:-1], "x"])
    assert other == "its token 259 is 'x' and the model's '\\u2581'"
    larger = unlike("larger", [*tokens, *(f"more{n}" for n in range(200))])
    assert larger == "it has 460 tokens and the model 260"
    # A few more are padding.
    assert unlike("padded", [*tokens, "more"]) is None
    begun = unlike("begun", tokens, **{"tokenizer.ggml.bos_token_id": 2})
    assert begun == "it wants another token before a text"
    bare = write_small_model(tmp_path / "bare.gguf")
    assert why_unlike(tiny_model, bare) == "it has no tokenizer"
    assert why_unlike(bare, tiny_model) == "the model has no tokenizer"
