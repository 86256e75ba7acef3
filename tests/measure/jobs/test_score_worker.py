"""Real workers on small models, against logits taken from the engine by its other interface."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import llama_cpp
import numpy as np
import pytest
from make.quality import TEXT, other_vocabulary, perturbed, without_numbers
from make.small_models import write_small_model
from numpy.typing import NDArray
from scipy.special import log_softmax

from harness.analysis.quality import quality_of
from harness.errors import FetchFailed, NotComparable
from harness.machine.probe import probe_machine
from harness.measure.jobs.score import (
    ChunkEvent,
    ScoreSetup,
    SpilledEvent,
    Subject,
    score,
    tokenized,
)
from harness.measure.jobs.score_text import QualityText
from harness.measure.protocol import Event
from harness.measure.score_memory import fits_together, spill_place
from harness.measure.scoring import require_same_tokens
from harness.models.gguf.model_file import describe
from harness.schema.outcome import Outcome
from harness.schema.quality import QualityRecord, Tokenization
from harness.schema.settings import Settings

N_CTX = 64
MACHINE = probe_machine()


@pytest.fixture(scope="module")
def text_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "bees.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def coarse_model(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    return perturbed(tiny_model, tmp_path_factory.mktemp("models") / "coarse.gguf")


@cache
def subject_of(path: Path, text_path: Path) -> Subject:
    return tokenized(describe(path, path.name), path, text_path)


def setup_of(text_path: Path, n_chunks: int = 3) -> ScoreSetup:
    return ScoreSetup(
        text=QualityText("bees.txt", text_path.read_bytes()),
        text_path=text_path,
        n_ctx=N_CTX,
        n_chunks=n_chunks,
        settings=Settings(n_threads=1, n_batch=N_CTX, n_ubatch=N_CTX, n_ctx=N_CTX),
        budget_ns=10**12,
        silence_ns=10**11,
    )


@cache
def scored(
    model: Path, reference: Path, text_path: Path, spill_folder: Path | None = None
) -> tuple[QualityRecord, list[Event]]:
    events: list[Event] = []
    record = score(
        subject_of(model, text_path),
        subject_of(reference, text_path),
        setup_of(text_path),
        MACHINE,
        spill_folder=spill_folder,
        on_event=events.append,
    )
    return record, events


def log_probabilities(path: Path, tokens: list[int]) -> NDArray[np.float64]:
    """Of every position, by the binding's own class, which keeps the scores of all."""
    model = llama_cpp.Llama(
        str(path), n_ctx=256, n_threads=1, logits_all=True, flash_attn=True, verbose=False
    )
    model.eval(tokens)
    rows = np.array(model.scores[: len(tokens)], dtype=np.float64)
    model.close()
    return np.asarray(log_softmax(rows, axis=1))


@pytest.mark.slow
def test_figures_are_those_of_logits_taken_another_way(
    tiny_model: Path, coarse_model: Path, text_path: Path
) -> None:
    record, events = scored(coarse_model, tiny_model, text_path)
    assert record.outcome.status == "ok", record.outcome
    assert [event.chunk for event in events if isinstance(event, ChunkEvent)] == list(record.chunks)
    # A token for each byte, after two marks and an unknown; spaces are one of their own.
    data = TEXT.removesuffix("\n").encode()
    tokens = [1, *(259 if byte == 0x20 else 3 + byte for byte in data)]
    assert record.tokenization.n_tokens == len(tokens)
    nll, base_nll, kld, same = [], [], [], []
    for start in range(0, 3 * N_CTX, N_CTX):
        chunk = tokens[start : start + N_CTX]
        own, base = (log_probabilities(it, [1, *chunk[1:]]) for it in (coarse_model, tiny_model))
        for position in range(N_CTX // 2, N_CTX - 1):
            nll.append(-own[position, chunk[position + 1]])
            base_nll.append(-base[position, chunk[position + 1]])
            kld.append(float((np.exp(base[position]) * (base[position] - own[position])).sum()))
            same.append(own[position].argmax() == base[position].argmax())
    quality = quality_of(record.chunks)
    distance = quality.distance
    assert distance is not None
    assert quality.n_scored == len(nll) == 3 * 31
    assert quality.perplexity.value == pytest.approx(math.exp(np.mean(nll)), rel=1e-4)
    assert distance.reference_perplexity.value == pytest.approx(
        math.exp(np.mean(base_nll)), rel=1e-4
    )
    assert 0.001 < np.mean(kld) < 1  # else the two models would prove nothing
    assert distance.mean_kld.value == pytest.approx(np.mean(kld), rel=1e-3)
    assert distance.kld_p999.value == pytest.approx(np.percentile(kld, 99.9), rel=1e-3)
    assert distance.same_top.value == pytest.approx(np.mean(same), abs=1.01 / len(same))


def test_a_model_against_itself_differs_by_nothing(tiny_model: Path, text_path: Path) -> None:
    record, _ = scored(tiny_model, tiny_model, text_path)
    distance = quality_of(record.chunks).distance
    assert distance is not None
    assert (distance.mean_kld.value, distance.max_kld.value, distance.same_top.value) == (0, 0, 1)
    assert distance.ln_ratio.value == 0


@pytest.mark.slow
def test_by_way_of_the_disk_the_figures_are_the_same_to_half_precision(
    tiny_model: Path, coarse_model: Path, text_path: Path, tmp_path: Path
) -> None:
    together, _ = scored(coarse_model, tiny_model, text_path)
    apart, events = scored(coarse_model, tiny_model, text_path, tmp_path)
    assert apart.outcome.status == "ok", apart.outcome
    assert (together.is_spilled, apart.is_spilled) == (False, True)
    spilled = [event.index for event in events if isinstance(event, SpilledEvent)]
    assert spilled == [0, 1, 2]
    assert list(tmp_path.iterdir()) == []
    one, other = quality_of(together.chunks), quality_of(apart.chunks)
    assert one.distance is not None
    assert other.distance is not None
    assert other.perplexity == one.perplexity
    assert other.distance.reference_perplexity == one.distance.reference_perplexity
    assert other.distance.same_top == one.distance.same_top
    assert other.distance.mean_kld.value == pytest.approx(one.distance.mean_kld.value, rel=0.01)


def test_logits_that_are_no_numbers_fail_the_case(
    tiny_model: Path, text_path: Path, tmp_path: Path
) -> None:
    broken = without_numbers(tiny_model, tmp_path / "nan.gguf")
    record, _ = scored(broken, tiny_model, text_path)
    assert (record.outcome.status, record.outcome.reason) == ("failed", "decode-failed")
    assert "the model gave logits that are no numbers" in (record.outcome.message or "")
    assert record.chunks == ()
    against, _ = scored(tiny_model, broken, text_path)
    assert "the reference gave logits that are no numbers" in (against.outcome.message or "")


def test_time_that_is_spent_leaves_two_chunks(tiny_model: Path, text_path: Path) -> None:
    subject = subject_of(tiny_model, text_path)
    setup = setup_of(text_path)
    hurried = ScoreSetup(**{**vars(setup), "budget_ns": 1})
    record = score(subject, None, hurried, MACHINE)
    assert record.outcome.status == "ok"
    assert [chunk.index for chunk in record.chunks] == [0, 1]
    assert record.n_chunks_planned == 3


def test_another_vocabulary_is_refused_before_anything_is_scored(
    tiny_model: Path, text_path: Path, tmp_path: Path
) -> None:
    other = other_vocabulary(tiny_model, tmp_path / "other.gguf")
    one, two = subject_of(tiny_model, text_path), subject_of(other, text_path)
    with pytest.raises(NotComparable, match=r"both of 260 tokens, but not the same"):
        require_same_tokens(one, two)
    require_same_tokens(one, one)


def told(subject: Subject, **changes: object) -> Subject:
    assert subject.tokenization is not None
    tokenization = subject.tokenization.model_copy(update=changes)
    return Subject(subject.file, subject.path, Outcome(status="ok"), tokenization, subject.engine)


def test_vocabularies_of_other_sizes_and_texts_cut_otherwise_are_named(
    tiny_model: Path, text_path: Path
) -> None:
    one = subject_of(tiny_model, text_path)
    with pytest.raises(NotComparable, match="260 and 300 tokens"):
        require_same_tokens(one, told(one, n_vocab=300, vocabulary_sha256="x"))
    with pytest.raises(NotComparable, match="different tokens"):
        require_same_tokens(one, told(one, tokens_sha256="x"))
    assert isinstance(one.tokenization, Tokenization)
    assert one.tokenization.adds_bos


def test_two_models_fit_together_or_do_not(tiny_model: Path, text_path: Path) -> None:
    one, setup = subject_of(tiny_model, text_path), setup_of(text_path)
    assert fits_together(one, one, setup, MACHINE, 1 << 40)
    assert not fits_together(one, one, setup, MACHINE, 1 << 20)


def test_a_disk_without_room_is_said_before(
    tiny_model: Path, text_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 1000

    subject = subject_of(tiny_model, text_path)
    monkeypatch.setattr("harness.files.shutil.disk_usage", lambda _: Full)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    with pytest.raises(FetchFailed, match=r"3 chunks of the reference.*HARNESS_CACHE"):
        spill_place(subject, subject, setup_of(text_path), MACHINE, is_forced=True)


def test_a_model_without_tokenizer_says_so(tmp_path: Path, text_path: Path) -> None:
    path = write_small_model(tmp_path / "none.gguf")
    subject = subject_of(path, text_path)
    assert subject.tokenization is None
    assert "no tokenizer" in (subject.outcome.message or "")
